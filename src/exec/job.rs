//! The tasks of workers: a call of a handler, which travels with the handler and returns with the
//! effects it recorded, or offloaded work.

use std::time::Duration;

use super::call::{Call, Returned};
use super::offloaded::Offloaded;
use crate::clock::{self, Elapsed};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::effect::Record;
use crate::id::Id;
use crate::net::peer::Peer;

/// A unit of work for a worker.
#[allow(clippy::large_enum_variant, reason = "a box would be one more allocation for each job")]
pub(crate) enum Task {
    Job(Job),
    Offloaded(Offloaded),
}

impl Task {
    /// Returns the connection for which it is done.
    pub(super) fn id(&self) -> Id {
        match self {
            Task::Job(job) => job.id,
            Task::Offloaded(offloaded) => offloaded.id,
        }
    }

    /// Does the task. It can be handed back whatever happens.
    pub(crate) fn run(&mut self) {
        match self {
            Task::Job(job) => job.run(),
            Task::Offloaded(offloaded) => offloaded.run(),
        }
    }

    /// Like `run`, but measures how long the task takes.
    pub(super) fn run_timed(&mut self, elapsed: Elapsed) {
        let began = elapsed.nanos();
        if let Task::Job(job) = self {
            // It may have waited for a worker.
            job.record.now = clock::renewed(job.record.now, began);
        }
        self.run();
        if let Task::Job(job) = self {
            job.took = Duration::from_nanos(elapsed.nanos().saturating_sub(began));
        }
    }
}

/// A handler and a call of it, on the way to a worker and back.
pub(crate) struct Job {
    pub(crate) id: Id,
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) record: Record,
    peer: Peer,
    /// `None` after the call was made.
    call: Option<Call<'static>>,
    /// The input of the call, and the result of the handler.
    pub(crate) input: Vec<u8>,
    pub(crate) returned: Returned,
    /// How long the call has kept a worker busy, if it is timed.
    pub(crate) took: Duration,
}

impl Job {
    pub(crate) fn new(
        id: Id,
        peer: Peer,
        handler: Box<dyn Handler>,
        call: Call<'_>,
        record: Record,
    ) -> Job {
        let (call, input) = call.pack();
        let (returned, took) = (None, Duration::ZERO);
        Job { id, handler, record, peer, call: Some(call), input, returned, took }
    }

    /// Returns true if it is a call of `on_open` that has not been made.
    pub(crate) fn is_to_open(&self) -> bool {
        matches!(self.call, Some(Call::Open))
    }

    /// Returns true if it is a call of `on_close` that has not been made.
    pub(crate) fn is_to_close(&self) -> bool {
        matches!(self.call, Some(Call::Close(_)))
    }

    /// Makes the call.
    fn run(&mut self) {
        let call = match self.call.take() {
            Some(Call::Data(_)) => Call::Data(&mut self.input),
            Some(other) => other,
            None => return,
        };
        let mut cx = Context::new(self.id, &self.peer, &mut self.record);
        match call.make(&mut *self.handler, &mut cx) {
            Ok(result) => self.returned = Some(result),
            Err(said) => log::error!("{} {}: handler panicked: {said}", self.id, self.peer),
        }
    }
}
