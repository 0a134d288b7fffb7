//! One connection: its exchange of bytes with a handler, its timeout, and operations of other
//! connections. Must not know the other connections or the poller.

mod callee;
mod calls;
mod cold;
mod duplex;
mod exchange;
pub(super) mod flags;
mod output;
pub(super) mod state;
pub(super) mod states;
mod write_queue;

use std::sync::Arc;
use std::time::Duration;

pub(super) use self::cold::Cold;
pub(super) use self::duplex::READ_SIZE;

use self::exchange::Exchange;
use self::flags::Flags;
use self::state::State;
use self::states::Life;
use self::write_queue::Origin;
use super::pubsub::Memberships;
use super::pubsub::log::Slice;
use super::time::sweep::Tick;
use super::time::timeout::{Periods, Situation, TimeoutKind};
use super::transport::{Readiness, Transport};
use super::turn::{Action, Turn};
use crate::close::Close;
use crate::exec::Job;
use crate::handler::Handler;
use crate::handler::notification::Notification;
use crate::id::Id;
use crate::limits::{Limits, SlowConsumer};
use crate::net::local::Local;
use crate::net::peer::Peer;
use crate::topic::Topic;

pub(super) struct Connection<T> {
    exchange: Exchange<T>,
    opened: Tick,
    deadline: Tick,
    generation: u32,
    timeout: TimeoutKind,
    memberships: Memberships,
    local: Local,
}

// The memory of an idle connection besides its handler; `u64` has the size of a TCP socket.
const _: () = assert!(size_of::<Connection<u64>>() == 88);

/// Construction and getters.
impl<T: Transport> Connection<T> {
    /// Creates a connection. Without a handler it was served elsewhere, and lingers.
    pub(super) fn new(
        transport: T,
        generation: u32,
        (peer, local): (Peer, Local),
        handler: Option<Box<dyn Handler>>,
        now: Tick,
    ) -> Connection<T> {
        Connection {
            exchange: Exchange::new(transport, peer, handler),
            opened: now,
            deadline: Tick::NEVER,
            generation,
            timeout: TimeoutKind::None,
            memberships: Memberships::None,
            local,
        }
    }

    #[inline(always)]
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn peer(&self) -> &Peer {
        self.exchange.callee.peer()
    }

    pub(super) fn local(&self) -> Local {
        self.local
    }

    pub(super) fn state(&self) -> &State {
        &self.exchange.state
    }

    #[inline(always)]
    pub(super) fn state_mut(&mut self) -> &mut State {
        &mut self.exchange.state
    }

    #[cfg(debug_assertions)]
    pub(super) fn cold(&self) -> Option<&Cold> {
        self.exchange.io.cold()
    }

    pub(super) fn cold_if_any(&mut self) -> Option<&mut Cold> {
        self.exchange.io.cold_if_any()
    }

    pub(super) fn cold_mut(&mut self) -> &mut Cold {
        self.exchange.io.cold_mut()
    }

    pub(super) fn output_len(&self) -> usize {
        self.exchange.io.output_len()
    }

    pub(super) fn keeps_boundaries(&self) -> bool {
        self.exchange.io.keeps_boundaries()
    }

    pub(super) fn is_gated(&self) -> bool {
        self.exchange.io.is_gated()
    }

    pub(super) fn why(&self) -> Close {
        self.exchange.io.why()
    }

    pub(super) fn into_transport(self) -> T {
        self.exchange.io.into_transport()
    }

    /// Returns the log line of its end.
    pub(super) fn summary(&self, id: Id, now: Tick) -> String {
        let (read, written) = self.exchange.io.bytes();
        let (peer, why) = (self.peer(), self.why());
        // To a tenth of a second, which takes four bytes per connection.
        let open = Duration::from_millis(now.millis() - self.opened.millis()).as_secs_f32();
        format!("{id} {peer}: {why}; {read} bytes in, {written} out, {open:.1} s")
    }
}

/// The pass, and the end.
impl<T: Transport> Connection<T> {
    /// Notes an event. Returns true if the connection needs a pass.
    #[inline(always)]
    pub(super) fn note(&mut self, readiness: Readiness) -> bool {
        self.exchange.io.note(&mut self.exchange.state, readiness)
    }

    /// Runs its pass. Returns true if it was ordinary and nothing unusual happened: the connection
    /// is idle, and its timeout is set.
    #[inline(always)]
    pub(super) fn pass(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) -> bool {
        turn.record.locals.select(self.local);
        if !turn.config.takes_ordinary_path || !self.exchange.is_ordinary() {
            self.exchange.pass(id, input, false, turn);
            return false;
        }
        let is_idle = self.exchange.ordinary_pass(id, input, turn);
        if is_idle {
            self.start_timeout(TimeoutKind::Idle, turn);
        } else {
            self.exchange.finish_pass(id, input, turn);
        }
        is_idle
    }

    /// Continues after the call made by a worker.
    pub(super) fn resume(&mut self, id: Id, job: Job, input: &mut [u8], turn: &mut Turn) {
        turn.record.locals.select(self.local);
        self.exchange.come_back(id, job, turn);
        self.exchange.pass(id, input, true, turn);
    }

    /// Takes its handler back without its call: the server ends.
    pub(super) fn take_back(&mut self, job: Job) {
        self.exchange.take_back(job);
    }

    /// Notes the stop of the server. Input that has arrived is read first, and still answered.
    pub(super) fn ask_to_stop(&mut self) {
        self.exchange.state.ask_to_stop();
        self.exchange.state.set(Flags::READABLE);
    }

    /// Asks its handler to give way to another connection, if no input has arrived.
    pub(super) fn ask_to_give_way(&mut self) {
        self.exchange.state.set(Flags::CROWDED.with(Flags::READABLE));
    }

    /// Ends it gracefully.
    pub(super) fn end(&mut self, why: Close) {
        self.exchange.io.end(&mut self.exchange.state, why);
    }

    /// Ends it at once.
    pub(super) fn cut(&mut self, why: Close) {
        self.exchange.io.cut(&mut self.exchange.state, why);
    }

    /// Ends it without its handler, which has not returned from its worker: by a reset, because the
    /// handler could have asked for one.
    pub(super) fn abandon(&mut self) {
        self.exchange.io.cut_off(&mut self.exchange.state);
    }

    /// Closes the socket if it has ended and its handler is here. Returns true if it leaves the
    /// table.
    pub(super) fn leave(&mut self, id: Id, turn: &mut Turn) -> bool {
        turn.record.locals.select(self.local);
        self.exchange.leave(id, turn)
    }

    /// Returns true if it needs another pass without a new event.
    pub(super) fn wants_pass(&self, limits: &Limits) -> bool {
        self.exchange.wants_pass(limits)
    }
}

/// Its timeout.
impl<T: Transport> Connection<T> {
    #[inline(always)]
    pub(super) fn deadline(&self) -> Tick {
        self.deadline
    }

    pub(super) fn timeout(&self) -> TimeoutKind {
        self.timeout
    }

    /// Sets the deadline of the current timeout.
    pub(super) fn rearm_timeout(&mut self, turn: &Turn) {
        let kind = self.timeout_for_now();
        if kind != self.timeout || kind.is_extended_by(&turn.meter.progress) {
            self.start_timeout(kind, turn);
            if kind == TimeoutKind::Linger {
                self.deadline = self.deadline.min(self.lingers_until());
            }
        }
    }

    /// Begins the current timeout anew.
    pub(super) fn restart_timeout(&mut self, turn: &Turn) {
        self.start_timeout(self.timeout, turn);
    }

    /// Returns the time after which it no longer lingers, whatever the peer sends.
    fn lingers_until(&self) -> Tick {
        self.exchange.io.cold().map_or(Tick::NEVER, Cold::lingers_until)
    }

    /// Returns the timeout for the current state.
    pub(super) fn timeout_for_now(&self) -> TimeoutKind {
        let Exchange { io, state, .. } = &self.exchange;
        TimeoutKind::of(&Situation {
            state,
            armed: self.timeout,
            has_output: io.output_len() > 0,
            has_unused: io.has_unused(),
            has_received: io.has_received(),
        })
    }

    /// Returns the time from which on it may give way to another one. `None` if it does not wait
    /// for its peer.
    pub(super) fn gives_way_at(&self, periods: &Periods) -> Option<Tick> {
        let state = &self.exchange.state;
        let is_idle = state.is_open() && state.is_here() && !state.has(Flags::QUEUED);
        let may_end = is_idle && !state.is_halted() && state.accepts_output();
        may_end.then(|| periods.gives_way_at(self.timeout, self.deadline))?
    }

    #[inline(always)]
    fn start_timeout(&mut self, kind: TimeoutKind, turn: &Turn) {
        self.timeout = kind;
        self.deadline = turn.config.periods.deadline(kind, turn.tick);
    }

    /// Returns true if a pending event or call may extend its deadline, or replace it.
    pub(super) fn may_be_extended(&self) -> bool {
        let state = &self.exchange.state;
        let is_suspended = !state.is_here() && self.timeout == self.timeout.while_on_worker();
        // A connection with endless events must not escape its deadline. At the end of the first
        // two the handler is called, after pending events.
        let is_final = match self.timeout {
            TimeoutKind::Grace | TimeoutKind::Message => true,
            TimeoutKind::Linger => self.deadline == self.lingers_until(),
            _ => false,
        };
        state.has(Flags::QUEUED) && !is_final || is_suspended
    }
}

/// Operations of other connections.
impl<T: Transport> Connection<T> {
    /// Queues bytes sent by another connection or thread.
    pub(super) fn deliver(&mut self, bytes: &[u8]) {
        self.exchange.io.queue(bytes, Origin::Others);
    }

    /// Sends a slice of a topic's log. Returns its length.
    pub(super) fn receive(&mut self, slice: Slice<'_>, turn: &mut Turn) -> usize {
        let collects = self.memberships == Memberships::Several;
        self.exchange.io.receive(slice, collects, &mut self.exchange.state, turn)
    }

    /// Queues a published message for its handler. The slow-consumer policy applies to a slow
    /// handler.
    pub(super) fn notify_published(&mut self, topic: &Topic, message: Arc<[u8]>, limits: &Limits) {
        let hard = limits.output_hard;
        let cold = self.exchange.io.cold_mut();
        if cold.published_bytes() > hard {
            match limits.slow_consumer {
                SlowConsumer::Close => return self.cut(Close::SlowConsumer),
                SlowConsumer::DropNewest => return,
                SlowConsumer::DropOldest => {
                    while cold.published_bytes() > hard.saturating_sub(message.len()) {
                        cold.drop_oldest_published();
                    }
                }
            }
        }
        cold.push_notification(Id::NOBODY, Notification::Published(topic.clone(), message));
    }

    pub(super) fn memberships(&self) -> Memberships {
        self.memberships
    }

    pub(super) fn set_memberships(&mut self, memberships: Memberships) {
        self.memberships = memberships;
    }

    /// Sends queued output, outside of a pass.
    pub(super) fn flush(&mut self, turn: &mut Turn) {
        self.exchange.io.flush(&mut self.exchange.state, turn);
    }

    /// Pauses its input until every list has [released](Connection::unthrottle) it. No timeout
    /// counts the silence of its peer meanwhile.
    pub(super) fn throttle(&mut self) {
        self.cold_mut().throttle();
        self.exchange.state.set(Flags::THROTTLED);
    }

    /// Releases it from one list. Returns true if it may be read again.
    pub(super) fn unthrottle(&mut self) -> bool {
        let is_free = self.exchange.state.is_open() && self.cold_mut().unthrottle();
        if is_free {
            self.exchange.state.clear(Flags::THROTTLED);
        }
        is_free
    }

    /// Leaves its topics if it has ended, and releases senders if its output is low.
    pub(super) fn release_others(&mut self, id: Id, turn: &mut Turn) {
        let state = &self.exchange.state;
        if state.life() >= Life::Lingering && self.memberships != Memberships::None {
            turn.pending.push(id, Action::LeaveTopics);
        }
        let is_low = self.output_len() <= turn.config.limits.output_low;
        if (is_low || !state.accepts_output())
            && let Some(cold) = self.cold_if_any().filter(|c| !c.waiting_senders().is_empty())
        {
            turn.pending.unthrottle(cold.take_waiting_senders());
        }
    }
}

/// Getters for the checks of debug builds.
#[cfg(debug_assertions)]
impl<T: Transport> Connection<T> {
    #[cfg(feature = "testkit")]
    pub(super) fn transport(&self) -> &T {
        self.exchange.io.transport()
    }

    pub(super) fn own_output_len(&self) -> usize {
        self.exchange.io.own_output_len()
    }

    pub(super) fn has_unused(&self) -> bool {
        self.exchange.io.has_unused()
    }

    pub(super) fn has_handler(&self) -> bool {
        self.exchange.callee.has_handler()
    }

    pub(super) fn counts_right(&self) -> bool {
        self.exchange.io.cold().is_none_or(|cold| cold.output.counts_right())
    }
}
