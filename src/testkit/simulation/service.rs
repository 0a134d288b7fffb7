//! The services of a simulation: the user's, with observed handlers, and one of blocking handlers,
//! which no thread calls.

use super::kernel::{self, Shared};
use super::observer::Observed;
use crate::handler::blocking::{BlockingHandler, BlockingService};
use crate::handler::stream::Stream;
use crate::handler::{Handler, Service};
use crate::net::incoming::Incoming;

/// A service with observed handlers.
pub(super) struct ObservedService<'a> {
    service: Box<dyn Service + 'a>,
    kernel: Shared,
}

impl<'a> ObservedService<'a> {
    pub(super) fn new(service: Box<dyn Service + 'a>, kernel: &Shared) -> ObservedService<'a> {
        ObservedService { service, kernel: kernel.clone() }
    }
}

impl Service for ObservedService<'_> {
    fn accept(&mut self, incoming: Incoming) -> Option<Box<dyn Handler>> {
        match self.service.accept(incoming.clone()) {
            Some(handler) => Some(Box::new(Observed::new(handler, &self.kernel))),
            None => {
                kernel::lock(&self.kernel).refused.push(incoming.peer().clone());
                None
            }
        }
    }

    fn places(&self) -> usize {
        self.service.places()
    }

    fn own_places(&self) -> usize {
        self.service.own_places()
    }
}

/// A service of blocking handlers. The seed chooses the time that each takes.
pub(super) struct Waiting;

struct Waiter;

impl BlockingService for Waiting {
    fn accept(&mut self, _: Incoming) -> Option<Box<dyn BlockingHandler>> {
        Some(Box::new(Waiter))
    }
}

impl BlockingHandler for Waiter {
    fn handle(&mut self, _: &mut Stream) -> std::io::Result<()> {
        Ok(())
    }
}
