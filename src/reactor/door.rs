//! A listener, and what stands behind it. Knows no poller.

use std::io;

use super::QUIET_MS;
use super::accept::{Accepting, PAUSE_MS};
use super::listen::Listener;
use crate::{Now, Peer, RequestService, Service, panics};

/// What makes the handlers behind a listener.
pub(crate) enum Behind {
    Handlers(Box<dyn Service>),
    Requests(Box<dyn RequestService>),
}

/// A listener, the service behind it, and whether to look at it.
pub(super) struct Door {
    pub(super) listener: Listener,
    pub(super) service: usize,
    pub(super) accepting: Accepting,
    /// Trouble is not logged again before this time: it may come and go with every newcomer.
    quiet_until_ms: u64,
}

impl Door {
    pub(super) fn new(listener: Listener, service: usize) -> Door {
        Door { listener, service, accepting: Accepting::Ready, quiet_until_ms: 0 }
    }

    pub(super) fn pause(&mut self, error: &io::Error, now: Now) {
        if self.quiet_until_ms <= now.millis() {
            log::warn!("{}: cannot accept: {error}", self.listener.address());
            self.quiet_until_ms = now.millis() + QUIET_MS;
        }
        self.accepting = Accepting::Paused { until_ms: now.millis() + PAUSE_MS };
    }
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
