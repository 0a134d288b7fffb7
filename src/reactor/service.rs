//! The services of listeners, and calls to them. Must not know the poller.

use std::io;

use crate::accept::Places;
use crate::handler::Service;
use crate::handler::blocking::BlockingService;
use crate::metrics::counters::Counters;
use crate::metrics::stopwatch::Stopwatch;
use crate::net::peer::Peer;
use crate::panics;

/// The service of a listener, by the kind of its handlers.
pub(crate) enum ServiceKind<'s> {
    Handlers(Box<dyn Service + 's>),
    Blocking(Box<dyn BlockingService + 's>),
}

impl ServiceKind<'_> {
    /// Returns the places for the connections of the service.
    pub(crate) fn places(&self) -> Places {
        match self {
            ServiceKind::Handlers(service) => {
                Places { each: service.places().max(1), own: service.own_places() }
            }
            ServiceKind::Blocking(_) => Places { each: 1, own: 0 },
        }
    }

    /// Asks the service if it can serve.
    ///
    /// # Errors
    ///
    /// Those of [`Service::check`].
    pub(crate) fn check(&self) -> io::Result<()> {
        match self {
            ServiceKind::Handlers(service) => service.check(),
            ServiceKind::Blocking(service) => service.check(),
        }
    }
}

/// Asks a service for a handler. `H` is of either kind.
pub(super) fn ask<H>(
    peer: &Peer,
    (counters, stopwatch): (&Counters, &mut Stopwatch),
    accept: impl FnOnce() -> Option<H>,
) -> Option<H> {
    let result = panics::catch(accept);
    if let Some(slow) = stopwatch.lap(counters) {
        log::warn!("{peer}: the service {slow}");
    }
    match result {
        Ok(Some(handler)) => Some(handler),
        Ok(None) => {
            counters.refused_by_service.add(1);
            log::debug!("{peer}: refused");
            None
        }
        Err(said) => {
            counters.refused_by_panic.add(1);
            counters.panics.add(1);
            log::error!("{peer}: service panicked: {said}");
            None
        }
    }
}
