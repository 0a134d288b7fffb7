//! The handler of a connection, and calls of it, in the loop or by a worker. Must not know the
//! input, or the effects that a call records.

use super::flags::Flags;
use super::state::State;
use crate::close::Close;
use crate::exec::{Call, Executor, Job, Returned, Task};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::effect::Record;
use crate::hub::turn::{Meter, Turn};
use crate::id::Id;
use crate::metrics::counters::Counters;
use crate::metrics::stopwatch::Stopwatch;
use crate::net::peer::Peer;
use crate::panics;

pub(super) struct Callee {
    /// `None` after `on_close`, and while a worker holds it.
    handler: Option<Box<dyn Handler>>,
    peer: Peer,
}

impl Callee {
    pub(super) fn new(peer: Peer, handler: Option<Box<dyn Handler>>) -> Callee {
        Callee { handler, peer }
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    #[cfg(debug_assertions)]
    pub(super) fn has_handler(&self) -> bool {
        self.handler.is_some()
    }

    /// Makes a call, or sends the handler to a worker with it. Returns `None` if the handler
    /// panicked, went to a worker, or does not exist.
    #[inline(always)]
    pub(super) fn call(
        &mut self,
        id: Id,
        call: Call<'_>,
        state: &mut State,
        turn: &mut Turn,
    ) -> Returned {
        if turn.config.executor == Executor::Pool {
            self.send_to_worker(id, call, state, turn);
            return None;
        }
        self.call_here(id, call, turn)
    }

    /// Reports a handler that claims to have used more input than there was. Returns the length of
    /// the input.
    #[cold]
    #[inline(never)]
    pub(super) fn note_excess(&self, id: Id, used: usize, len: usize) -> usize {
        let peer = &self.peer;
        log::error!("{id} {peer}: on_data returned {used}, but its input had only {len} bytes");
        len
    }

    /// Makes a call in the loop.
    #[inline(always)]
    pub(super) fn call_here(&mut self, id: Id, call: Call<'_>, turn: &mut Turn) -> Returned {
        let handler = self.handler.as_deref_mut()?;
        let Meter { counters, stopwatch, .. } = &mut turn.meter;
        counters.calls.add(1);
        let record = &mut turn.record;
        let result = match stopwatch.is_alarmed() {
            false => call.make(handler, &mut Context::new(id, &self.peer, record)),
            true => make_timed(call, handler, (id, &self.peer), record, stopwatch, counters),
        };
        match result {
            Ok(result) => Some(result),
            Err(said) => {
                counters.panics.add(1);
                log::error!("{id} {}: handler panicked: {said}", self.peer);
                None
            }
        }
    }

    #[cold]
    fn send_to_worker(&mut self, id: Id, call: Call<'_>, state: &mut State, turn: &mut Turn) {
        let Some(handler) = self.handler.take() else { return };
        let record = turn.spare_record();
        turn.meter.counters.calls.add(1);
        let job = Job::new(id, self.peer.clone(), handler, call, record);
        turn.pending.push_task(Task::Job(job));
        if let Some(departure) = state.departure() {
            turn.pending.note_left(id, departure);
        }
        state.set(Flags::ON_WORKER);
    }

    /// Takes the handler back from its worker.
    pub(super) fn come_back(&mut self, handler: Box<dyn Handler>) {
        self.handler = Some(handler);
    }

    /// Replaces the handler.
    pub(super) fn replace(&mut self, handler: Box<dyn Handler>) {
        if let Some(old) = self.handler.replace(handler) {
            panics::drop_quietly(old);
        }
    }

    /// Drops the handler.
    pub(super) fn dismiss(&mut self) {
        if let Some(handler) = self.handler.take() {
            panics::drop_quietly(handler);
        }
    }
}

/// Makes a call, and times it.
#[cold]
fn make_timed(
    call: Call<'_>,
    handler: &mut dyn Handler,
    (id, peer): (Id, &Peer),
    record: &mut Record,
    stopwatch: &mut Stopwatch,
    counters: &Counters,
) -> Result<Result<usize, Close>, String> {
    let name = call.name();
    record.is_timed = true;
    let result = call.make(handler, &mut Context::new(id, peer, record));
    record.is_timed = false;
    let subject = record.subject.take();
    if let Some(slow) = stopwatch.lap(counters) {
        let subject = subject.map_or(String::new(), |subject| format!(" for {subject}"));
        log::warn!("{id} {peer}: {name}{subject} {slow}");
    }
    record.now = stopwatch.renewed(record.now);
    result
}
