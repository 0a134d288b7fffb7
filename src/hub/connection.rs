//! One connection: its socket, what is left over of its input and output, its handler, its
//! state, and the straight way down from readiness to answer. Knows neither the other
//! connections nor the poller.

use std::collections::VecDeque;

use super::deadline::{Tick, Watch};
use super::desk::Desk;
use super::marks::{self, Marks};
use super::siblings;
use super::transport::Transport;
use crate::buffer::Backlog;
use crate::close::Close;
use crate::exec::{Call, Executor, Job, Returned, Task};
use crate::handler::Handler;
use crate::handler::context::{Context, Note};
use crate::handler::context::{Effect, Work};
use crate::id::Home;
use crate::id::Id;
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::metrics::stopwatch::Stopwatch;
use crate::net::peer::Peer;
use crate::now::Now;
use crate::panics;

pub(crate) struct Connection<T> {
    pub(super) transport: T,
    /// Gone once `on_close` has run.
    pub(super) handler: Option<Box<dyn Handler>>,
    /// An idle connection owns none.
    pub(super) leftovers: Option<Box<Leftovers>>,
    pub(super) peer: Peer,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) opened_ms: u64,
    pub(super) deadline: Tick,
    pub(super) generation: u32,
    pub(super) marks: Marks,
    pub(super) watch: Watch,
    pub(super) link: Link,
}

/// The life of a connection. It only goes down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    Open,
    /// The handler is through with it; what it wrote is still being sent.
    Closing,
    /// All is sent and our side shut; input is thrown away until the peer closes too, because
    /// closing a socket with unread input resets it and can destroy the answer.
    Lingering,
    /// Leaves the table at the end of the turn.
    Closed,
}

/// What a connection owns only while it is in the middle of something.
#[derive(Default)]
pub(crate) struct Leftovers {
    /// Bytes the handler has not used yet.
    pub(super) input: Vec<u8>,
    pub(super) output: Backlog,
    /// Why it ends, from the moment it does.
    pub(super) why: Option<Close>,
    /// Bytes still to be thrown away while lingering.
    pub(super) linger_left: usize,
    /// What others told the handler, and who.
    pub(super) notes: Vec<(Id, Note)>,
    /// Work that the handler has offloaded and no worker has yet.
    pub(super) work: VecDeque<Work>,
    /// Who is not read until the output has fallen below its low mark.
    pub(super) awaiting: Vec<Id>,
    /// How many such lists, and those of crowded topics, it is in itself.
    pub(super) holds: usize,
}

impl<T: Transport> Connection<T> {
    /// Without a handler it is one that has been served elsewhere: what its peer still sends is
    /// for nobody.
    pub(super) fn new(
        transport: T,
        generation: u32,
        peer: Peer,
        handler: Option<Box<dyn Handler>>,
        now: Now,
    ) -> Connection<T> {
        let (marks, link) = match handler {
            Some(_) => (marks::NEW, Link::Open),
            None => (marks::SERVED.with(marks::TOLD).with(marks::UNREAD), Link::Closing),
        };
        Connection {
            transport,
            handler,
            leftovers: None,
            peer,
            bytes_in: 0,
            bytes_out: 0,
            opened_ms: now.millis(),
            deadline: Tick::NEVER,
            generation,
            marks,
            watch: Watch::Nothing,
            link,
        }
    }

    /// Does everything that there is to do now, once, straight down: send what waits, run what
    /// is due, read, answer, send, settle.
    pub(super) fn pump(&mut self, id: Id, input: &mut [u8], desk: &mut Desk) {
        if self.link == Link::Lingering {
            self.linger(input, desk);
            return;
        }
        self.flush(desk);
        if self.marks.has_any(marks::NEW.with(marks::WOKEN).with(marks::NOTED)) {
            self.greet(id, desk);
            if self.is_in() && self.marks.take(marks::WOKEN) {
                self.call(id, desk, Call::Wake);
            }
            if self.is_in() && self.marks.take(marks::NOTED) {
                self.pass_on_notes(id, desk);
            }
        }
        self.take_input(id, input, desk);
        if self.marks.has_any(marks::BROKEN.with(marks::STOP).with(marks::OVERDUE)) {
            self.heed_the_end(id, desk);
        }
        self.flush(desk);
        self.settle(id, input, desk);
        debug_assert!(desk.record.out.is_empty() && desk.record.effects.is_empty());
    }

    #[inline(always)]
    pub(super) fn greet(&mut self, id: Id, desk: &mut Desk) {
        if self.marks.has(marks::NEW) {
            self.open(id, desk);
        }
    }

    fn open(&mut self, id: Id, desk: &mut Desk) {
        if self.link == Link::Open && self.is_in() {
            self.marks.clear(marks::NEW);
            self.call(id, desk, Call::Open);
        }
    }

    fn pass_on_notes(&mut self, id: Id, desk: &mut Desk) {
        let mut notes = std::mem::take(&mut self.leftovers().notes).into_iter();
        while self.link == Link::Open {
            let Some((from, note)) = notes.next() else { return };
            if !self.is_in() {
                self.marks.set(marks::NOTED);
                self.leftovers().notes.push((from, note));
                break;
            }
            self.call(id, desk, Call::Note(note));
            // A handler that takes over has its `on_open` first.
            self.greet(id, desk);
        }
        self.leftovers().notes.extend(notes);
    }

    /// Whether nothing is left to do but to take it out of the table.
    pub(super) fn is_over(&self) -> bool {
        self.link == Link::Closed && self.handler.is_none() && self.is_in()
    }

    /// Whether the handler is here, and not with a worker.
    pub(super) fn is_in(&self) -> bool {
        !self.marks.has(marks::AWAY)
    }

    /// Makes a call and applies what the handler asked for, or sends the handler to a worker
    /// with it. `None` if it panicked, travels, or there is none.
    #[inline(always)]
    pub(super) fn call(&mut self, id: Id, desk: &mut Desk, call: Call<'_>) -> Returned {
        if self.link != Link::Open {
            return None;
        }
        let finished = self.marks.has(marks::FINISHED).then_some(desk.record.out.len());
        let returned = self.make(id, desk, call);
        if let Some(len) = finished {
            desk.record.out.truncate(len);
        }
        self.heed(id, desk, returned.is_some());
        returned
    }

    /// Applies what the handler asked for in a call from which it `returned`, or not.
    #[inline(always)]
    fn heed(&mut self, id: Id, desk: &mut Desk, returned: bool) {
        if !desk.record.effects.is_empty() {
            self.apply(id, desk);
        }
        if !returned && self.is_in() {
            self.end(Close::Panicked);
        }
        if desk.record.out.len() >= desk.record.room {
            self.marks.set(marks::FULL);
        }
        if self.transport.keeps_boundaries() {
            self.pack(desk);
        }
    }

    #[inline(always)]
    pub(super) fn make(&mut self, id: Id, desk: &mut Desk, call: Call<'_>) -> Returned {
        desk.record.room = desk.limits.output_high.saturating_sub(self.output_len());
        if desk.executor == Executor::Pool {
            self.send_away(id, desk, call);
            return None;
        }
        let handler = self.handler.as_deref_mut()?;
        desk.meter.counters.calls.add(1);
        let mut cx = Context::new(id, &self.peer, &mut desk.record);
        let result = match desk.stopwatch.is_alarmed() {
            false => call.make(handler, &mut cx),
            true => make_timed(call, handler, &mut cx, &mut desk.stopwatch, &desk.meter.counters),
        };
        match result {
            Ok(result) => Some(result),
            Err(said) => {
                desk.meter.counters.panics.add(1);
                log::error!("{id} {}: handler panicked: {said}", self.peer);
                None
            }
        }
    }

    /// Sends the handler to a worker with the call.
    #[cold]
    fn send_away(&mut self, id: Id, desk: &mut Desk, call: Call<'_>) {
        let Some(handler) = self.handler.take() else { return };
        let mut record = desk.spare_record();
        (record.now, record.stopping) = (desk.record.now, desk.record.stopping);
        record.room = desk.record.room;
        desk.meter.counters.calls.add(1);
        let job = Job::new(id, self.peer.clone(), handler, call, record);
        desk.tasks.push(Task::Job(job));
        self.marks.set(marks::AWAY);
    }

    /// Takes the handler back, and goes on from where the call would have returned. What it wrote
    /// goes behind what others have sent meanwhile.
    pub(super) fn come_back(&mut self, id: Id, mut job: Job, desk: &mut Desk) {
        self.marks.clear(marks::AWAY);
        self.handler = Some(job.handler);
        desk.record.effects.append(&mut job.record.effects);
        desk.record.messages += std::mem::take(&mut job.record.messages);
        desk.stopwatch.note_job(job.took, &desk.meter.counters);
        if job.returned.is_none() {
            desk.meter.counters.panics.add(1);
        }
        if self.link == Link::Open && !self.marks.has(marks::FINISHED) {
            desk.record.out.extend_from_slice(&job.record.out);
        }
        // It may have stopped because its output was full, though some has been sent meanwhile: then
        // it waits to be told so, and for the input that it left.
        if job.record.out.len() >= job.record.room && self.link == Link::Open {
            self.marks.set(marks::FULL);
        }
        desk.record.room = desk.limits.output_high.saturating_sub(self.output_len());
        if !self.marks.has(marks::TOLD) {
            self.heed(id, desk, job.returned.is_some());
        }
        if !job.input.is_empty() {
            self.keep_unused(id, &job.input, job.input.len(), job.returned, desk);
        } else if let Some(Err(why)) = job.returned {
            self.end_rejected(why, desk);
        }
        desk.put_away(job.record);
    }

    /// Applies the handler's wishes for its own connection and hands on those for others.
    fn apply(&mut self, id: Id, desk: &mut Desk) {
        for effect in desk.record.effects.drain(..) {
            match effect {
                Effect::Close(why) => self.end(why),
                Effect::Pause => self.marks.set(marks::PAUSED),
                Effect::Finish => self.marks.set(marks::FINISHED),
                Effect::Resume => {
                    if self.marks.take(marks::PAUSED) {
                        self.marks.set(marks::REOFFER);
                    }
                }
                // Who has closed has closed, with the handler it had.
                Effect::Upgrade(to) if self.link != Link::Open => panics::drop_quietly(to),
                Effect::Upgrade(to) => {
                    self.upgrade(to, desk.record.stopping);
                    desk.outward.push_back((id, Effect::CancelWake));
                }
                other => {
                    if matches!(other, Effect::WakeAt(_)) {
                        // A second timer takes the place of the first, though that may have rung.
                        self.marks.clear(marks::WOKEN);
                    }
                    if desk.home != Home::ALONE && siblings::concerns(desk.home, &other) {
                        // Its leftovers are where `flush` looks for the mark.
                        self.leftovers();
                        self.marks.set(marks::DEFERRED);
                        desk.deferred.push(id);
                    }
                    desk.outward.push_back((id, other));
                }
            }
        }
    }

    fn upgrade(&mut self, to: Box<dyn Handler>, stopping: bool) {
        if let Some(old) = self.handler.replace(to) {
            panics::drop_quietly(old);
        }
        self.marks.clear(marks::PAUSED.with(marks::WOKEN));
        self.marks.set(marks::NEW.with(marks::REOFFER));
        // What the old handler was told of an end, the new one has yet to hear: a socket says
        // so again when it is read again.
        if self.marks.take(marks::EOF) {
            self.marks.set(marks::READABLE);
        }
        if stopping {
            self.marks.set(marks::STOP);
        }
    }

    /// Decides what the connection waits for from here.
    fn settle(&mut self, id: Id, input: &mut [u8], desk: &mut Desk) {
        if self.marks.has(marks::FINISHED) {
            self.shut_when_sent();
        }
        if self.link != Link::Open && self.conclude(id, input, desk) {
            return;
        }
        if self.leftovers.is_some() {
            self.shed_leftovers();
        }
        self.renew_watch(desk);
    }

    /// Whether it wants to be pumped again in the next turn, without a new event.
    pub(super) fn wants_turn(&self, limits: &Limits) -> bool {
        if self.link != Link::Closing && !self.marks.has_any(marks::BUSY) || !self.is_in() {
            return false;
        }
        let readable = self.marks.has(marks::READABLE);
        match self.link {
            Link::Closed => false,
            Link::Lingering => readable,
            // Who may not write yet is queued, with news, when it may.
            Link::Closing => {
                self.output_len() > 0 && !self.marks.has_any(marks::BLOCKED.with(marks::DEFERRED))
            }
            Link::Open if self.marks.has(marks::NEW) => true,
            Link::Open if self.marks.has(marks::FULL) => self.output_len() <= limits.output_low,
            Link::Open => {
                !self.marks.has_any(marks::HALTED)
                    && (readable || self.marks.has(marks::REOFFER) && self.has_input())
            }
        }
    }

    /// The same, marked as queued; the caller queues it.
    pub(super) fn queue_if_wanted(&mut self, limits: &Limits) -> bool {
        let is_due = !self.marks.has(marks::QUEUED) && self.wants_turn(limits);
        if is_due {
            self.marks.set(marks::QUEUED);
        }
        is_due
    }

    /// Whether others may send it something.
    pub(super) fn is_listening(&self) -> bool {
        self.link == Link::Open && !self.marks.has(marks::FINISHED)
    }

    pub(super) fn leftovers(&mut self) -> &mut Leftovers {
        self.leftovers.get_or_insert_default()
    }

    pub(super) fn output_len(&self) -> usize {
        self.leftovers.as_ref().map_or(0, |l| l.output.len())
    }

    pub(super) fn has_input(&self) -> bool {
        self.leftovers.as_ref().is_some_and(|l| !l.input.is_empty())
    }

    /// Gives memory back that nothing is in any more.
    fn shed_leftovers(&mut self) {
        let idle = |l: &Leftovers| {
            l.input.is_empty()
                && l.output.is_empty()
                && l.why.is_none()
                && l.notes.is_empty()
                && l.awaiting.is_empty()
                && l.work.is_empty()
                && l.holds == 0
        };
        if self.leftovers.as_deref().is_some_and(idle) {
            self.leftovers = None;
        }
    }
}

/// Makes a call when each is timed.
#[cold]
fn make_timed(
    call: Call<'_>,
    handler: &mut dyn Handler,
    cx: &mut Context<'_>,
    stopwatch: &mut Stopwatch,
    counters: &Counters,
) -> Result<Result<usize, Close>, String> {
    let name = call.name();
    let result = call.make(handler, cx);
    if let Some(slow) = stopwatch.lap(counters) {
        log::warn!("{} {}: {name} {slow}", cx.id(), cx.peer());
    }
    result
}
