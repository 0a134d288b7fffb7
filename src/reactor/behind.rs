//! What stands behind a listener, and asking it for a handler. Knows no poller.

use crate::{Peer, RequestService, Service, panics};

/// What makes the handlers behind a listener.
pub(crate) enum Behind {
    Handlers(Box<dyn Service>),
    Requests(Box<dyn RequestService>),
}

/// Asks a service for a handler. `H` is of either kind.
pub(super) fn ask<H>(peer: &Peer, accept: impl FnOnce() -> Option<H>) -> Option<H> {
    match panics::catch(accept) {
        Ok(Some(handler)) => Some(handler),
        Ok(None) => {
            log::debug!("{peer}: refused");
            None
        }
        Err(said) => {
            log::error!("{peer}: service panicked: {said}");
            None
        }
    }
}
