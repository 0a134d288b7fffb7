//! One connection: its two halves, its handler, its state, and the pass from readiness to answer.
//! Knows neither other connections nor the poller.
//!
//! [`Connection::pass`] is the general path. [`Connection::ordinary_pass`] does the same for a
//! connection that is open and readable and nothing else, with the same steps and fewer questions.

mod calls;
mod cold;
mod duplex;
pub(super) mod state;
mod write_queue;

pub(in crate::hub) use self::duplex::READ_SIZE;

use self::cold::Cold;
use self::duplex::Duplex;
use self::state::{Flags, Input, Life, Memberships, Output, State, Stop, Timer};
use self::write_queue::Origin;
use super::pubsub::log::Slice;
use super::time::sweep::Tick;
use super::time::timeout::{Situation, TimeoutKind};
use super::transport::Transport;
use super::turn::{Action, Turn};
use crate::close::{Close, Timeout};
use crate::exec::Call;
use crate::handler::Handler;
use crate::id::Id;
use crate::limits::Limits;
use crate::net::peer::Peer;
use crate::now::Now;

pub(super) struct Connection<T> {
    io: Duplex<T>,
    /// Gone once `on_close` has run, and away while a worker has it.
    handler: Option<Box<dyn Handler>>,
    peer: Peer,
    opened_ms: u64,
    deadline: Tick,
    generation: u32,
    state: State,
    timeout: TimeoutKind,
}

/// Construction and getters.
impl<T: Transport> Connection<T> {
    /// Without a handler it is a connection that was served elsewhere, and lingers.
    pub(super) fn new(
        transport: T,
        generation: u32,
        peer: Peer,
        handler: Option<Box<dyn Handler>>,
        now: Now,
    ) -> Connection<T> {
        let state = match handler {
            Some(_) => State::new(),
            None => State::adopted(),
        };
        Connection {
            io: Duplex::new(transport),
            handler,
            peer,
            opened_ms: now.millis(),
            deadline: Tick::NEVER,
            generation,
            state,
            timeout: TimeoutKind::None,
        }
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    pub(super) fn cold(&self) -> Option<&Cold> {
        self.io.cold()
    }

    pub(super) fn cold_if_any(&mut self) -> Option<&mut Cold> {
        self.io.cold_if_any()
    }

    pub(super) fn cold_mut(&mut self) -> &mut Cold {
        self.io.cold_mut()
    }

    pub(super) fn deadline(&self) -> Tick {
        self.deadline
    }

    pub(super) fn timeout(&self) -> TimeoutKind {
        self.timeout
    }

    pub(super) fn output_len(&self) -> usize {
        self.io.output_len()
    }

    pub(super) fn keeps_boundaries(&self) -> bool {
        self.io.keeps_boundaries()
    }

    pub(super) fn why(&self) -> Close {
        self.io.why()
    }

    /// Returns the line that is logged when it has ended.
    pub(super) fn summary(&self, id: Id, now: Now) -> String {
        let (read, written) = self.io.bytes();
        format!(
            "{id} {}: {}; {read} bytes in, {written} out, {} ms",
            self.peer,
            self.why(),
            now.millis() - self.opened_ms,
        )
    }
}

/// The pass.
impl<T: Transport> Connection<T> {
    /// Returns true if [`ordinary_pass`](Connection::ordinary_pass) will do.
    #[inline(always)]
    pub(super) fn is_ordinary(&self) -> bool {
        self.state.is_ordinary() && !self.io.has_cold()
    }

    /// Reads, calls the handler and writes, once each, straight down. Returns true if nothing
    /// unusual came of it; else the general path has to go on from where it is: see
    /// [`finish_pass`](Connection::finish_pass).
    #[inline(always)]
    pub(super) fn ordinary_pass(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) -> bool {
        let budget = turn.config.limits.read_budget;
        if self.io.keeps_boundaries() {
            self.take_input(id, input, budget, turn);
            return false;
        }
        let result = self.io.read_raw(&mut input[..READ_SIZE]);
        let read = self.io.note_read(&mut self.state, result, &mut turn.meter);
        let Some(fresh @ 1..) = read else {
            self.go_on_after_read(id, input, read, budget, turn);
            return false;
        };
        let returned = self.call(id, turn, Call::Data(&mut input[..fresh]));
        if !matches!(returned, Some(Ok(used)) if used == fresh) || !self.is_plain() {
            self.keep_unused(id, &input[..fresh], fresh, returned, turn);
            let budget = budget.saturating_sub(fresh);
            self.take_input(id, input, budget, turn);
            return false;
        }
        turn.meter.progress.used = true;
        if !turn.record.out.is_empty() {
            self.io.send_or_queue(&mut self.state, turn);
            if !self.is_plain() {
                return false;
            }
        }
        self.start_timeout(TimeoutKind::Idle, turn);
        true
    }

    /// Returns true if the connection is idle: nothing is left to do before the next event.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        self.state.is_idle() && !self.io.has_cold()
    }

    /// Does everything that there is to do now, once, straight down: sends what waits, makes the
    /// calls that are due, reads, answers, sends, settles.
    pub(super) fn pass(&mut self, id: Id, input: &mut [u8], has_come_back: bool, turn: &mut Turn) {
        if self.state.life() == Life::Lingering {
            self.io.linger(&mut self.state, input, turn);
            return;
        }
        self.io.flush(&mut self.state, turn);
        self.open_if_new(id, turn);
        if self.state.is_here() && self.io.cold().is_some_and(Cold::has_notes) {
            self.deliver_notes(id, turn);
        }
        // Input goes first: after a pause of the whole process it may be what the timer was set
        // for. But a handler that goes to a worker with each piece of input would never be woken.
        if has_come_back {
            self.wake(id, turn);
        }
        self.take_input(id, input, turn.config.limits.read_budget, turn);
        self.finish_pass(id, input, turn);
    }

    /// What follows once input was taken.
    pub(super) fn finish_pass(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) {
        self.wake(id, turn);
        if self.state.has_any(Flags::ERROR_PENDING.with(Flags::MESSAGE_LATE))
            || self.state.stop() != Stop::No
        {
            self.handle_due(id, input, turn);
        }
        self.io.flush(&mut self.state, turn);
        self.settle(id, input, turn);
        debug_assert!(turn.record.out.is_empty() && turn.record.effects.is_empty());
    }

    fn wake(&mut self, id: Id, turn: &mut Turn) {
        if self.state.timer() == Timer::Rang && self.state.is_here() {
            self.state.cancel_timer();
            self.call(id, turn, Call::Wake);
        }
    }

    /// Notes what an event reports, without doing anything about it. Returns true if that is
    /// worth a pass.
    pub(super) fn note(&mut self, readiness: super::Readiness) -> bool {
        let state = &mut self.state;
        if readiness.read_closed || readiness.error || readiness.urgent {
            state.set(Flags::READABLE.with(Flags::READ_TO_END));
        }
        if readiness.error {
            // The next write will tell.
            state.set(Flags::ERROR_PENDING);
            state.clear(Flags::BLOCKED);
        }
        if readiness.readable {
            state.set(Flags::READABLE);
        }
        if readiness.writable {
            state.clear(Flags::BLOCKED);
        }
        // A newly registered socket is writable; that alone is no news for a connection that
        // has nothing to send.
        state.has(Flags::READABLE) || self.io.output_len() > 0
    }
}

/// Input.
impl<T: Transport> Connection<T> {
    /// Reads and calls the handler until the socket is empty, the handler wants no more, its
    /// output is above the high watermark, or the budget of the turn is used up.
    ///
    /// `input` has room for [`Limits::pending_input`] and one read.
    fn take_input(&mut self, id: Id, input: &mut [u8], mut budget: usize, turn: &mut Turn) {
        while self.state.may_take_input() {
            self.open_if_new(id, turn);
            if self.state.has(Flags::ABOVE_HIGH) && !self.drain(id, &mut budget, turn) {
                return;
            }
            // A handler that took over in `on_open` or `on_drain` has its own `on_open` next turn.
            if !self.state.is_open() || self.state.is_halted() || self.state.is_new() || budget == 0
            {
                return;
            }
            let held = self.io.copy_unused(input);
            let read = if self.state.take(Flags::RETRY_INPUT) && held > 0 {
                // Charged below, too: a handler that pauses and resumes without using anything
                // must not hold the loop.
                Some(0)
            } else if self.state.has(Flags::READABLE) {
                match self.io.read(&mut self.state, input, held, &mut turn.meter) {
                    Some(n @ 1..=READ_SIZE) => Some(n),
                    Some(0) => {
                        self.call(id, turn, Call::Eof);
                        return;
                    }
                    Some(_) => {
                        self.reject(id, Close::InputLimit, turn);
                        return;
                    }
                    None => None,
                }
            } else {
                return;
            };
            let Some(fresh) = read else { continue };
            budget = budget.saturating_sub(self.io.price(fresh.max(held)));
            self.offer(id, &mut input[..held + fresh], fresh, turn);
        }
    }

    /// Goes on where a first read of the general path would have been.
    #[cold]
    fn go_on_after_read(
        &mut self,
        id: Id,
        input: &mut [u8],
        read: Option<usize>,
        budget: usize,
        turn: &mut Turn,
    ) {
        match read {
            Some(_) => {
                self.call(id, turn, Call::Eof);
            }
            None => self.take_input(id, input, budget, turn),
        }
    }

    /// Calls the handler with `bytes`, the last `fresh` of which are new, and keeps the rest.
    fn offer(&mut self, id: Id, bytes: &mut [u8], fresh: usize, turn: &mut Turn) {
        let returned = self.call(id, turn, Call::Data(bytes));
        if self.state.is_here() {
            self.keep_unused(id, bytes, fresh, returned, turn);
        } else {
            // All of it goes with the handler; the rest comes back with it.
            self.io.drop_unused();
        }
        if self.state.has_failed() && self.io.spend_linger(fresh) {
            let why = self.io.why();
            self.io.cut(&mut self.state, why);
        }
    }

    /// Gets a connection going again whose own output has fallen to the low watermark. What the
    /// handler then writes is charged to the budget, too: one that streams to a fast reader must
    /// not hold the loop.
    fn drain(&mut self, id: Id, budget: &mut usize, turn: &mut Turn) -> bool {
        let packed = std::mem::take(&mut turn.meter.progress.packed);
        *budget = budget.saturating_sub(turn.record.out.len() + packed);
        self.io.flush(&mut self.state, turn);
        let is_low = self.io.own_output_len() <= turn.config.limits.output_low;
        // With a worker it is told when it is back.
        if *budget == 0 || !is_low || !self.state.is_open() || !self.state.is_here() {
            return false;
        }
        self.state.clear(Flags::ABOVE_HIGH);
        self.call(id, turn, Call::Drain);
        // It may be above the watermark again at once; then the loop comes back here.
        true
    }

    /// Handles an error that no call has returned, a message that is late, and a stop of the
    /// server.
    #[cold]
    fn handle_due(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) {
        if self.state.has(Flags::ERROR_PENDING) && self.state.is_open() && self.state.is_here() {
            self.handle_error(input, turn);
        }
        // The look at the socket that came first may have completed the message.
        if self.state.take(Flags::MESSAGE_LATE)
            && self.io.has_unused()
            && self.state.is_here()
            && !turn.meter.progress.used
        {
            self.reject(id, Close::Timeout(Timeout::Message), turn);
        }
        let is_between = self.io.has_received() && !self.io.has_unused();
        let is_due = match self.state.stop() {
            Stop::No => false,
            Stop::Asked => is_between,
            Stop::Overdue => true,
        };
        if is_due && !self.state.is_new() && self.state.is_here() {
            self.state.note_stop();
            self.call(id, turn, Call::Stop);
        }
    }

    /// A connection that is not read would not notice a reset for as long as it is not. Its
    /// output has failed; input that has arrived waits for the handler, but not for long.
    fn handle_error(&mut self, input: &mut [u8], turn: &mut Turn) {
        if !self.state.is_halted() {
            return;
        }
        let reset = Close::Io(std::io::ErrorKind::ConnectionReset);
        self.io.fail_output(reset, &mut self.state, &turn.config.limits);
        if self.state.is_open() && !self.io.has_unused() {
            match self.io.read(&mut self.state, input, 0, &mut turn.meter) {
                Some(n @ 1..=READ_SIZE) => self.io.keep_unused(&input[..n], 0, n),
                // Nothing has arrived.
                _ => {
                    let why = self.io.why();
                    self.io.cut(&mut self.state, why);
                }
            }
        }
    }

    /// Gives up the input. The handler may still say so to the peer.
    fn reject(&mut self, id: Id, why: Close, turn: &mut Turn) {
        if let Some(Err(why)) = self.call(id, turn, Call::Reject(why)) {
            self.end_rejected(why, turn);
        }
    }

    /// Ends the connection, whose input was given up: at once if the handler had nothing to say.
    fn end_rejected(&mut self, why: Close, turn: &Turn) {
        let is_silent = turn.record.out.is_empty() && self.io.output_len() == 0;
        if is_silent && self.state.is_open() && matches!(why, Close::Timeout(_)) {
            self.io.cut(&mut self.state, why);
        } else {
            self.io.end(&mut self.state, why);
        }
    }
}

/// The end of the pass.
impl<T: Transport> Connection<T> {
    /// Decides what the connection waits for from here.
    fn settle(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) {
        if self.state.is_open() && self.state.output() != Output::Open {
            self.settle_output(turn);
        }
        if !self.state.is_open() && self.conclude(id, input, turn) {
            return;
        }
        self.io.shed();
    }

    /// With both halves ended there is no connection any more.
    fn settle_output(&mut self, turn: &Turn) {
        self.io.shut_when_sent(&mut self.state, &turn.config.limits);
        if self.state.input() != Input::Ended || !self.state.is_here() {
            return;
        }
        match self.state.output() {
            Output::Shut => self.io.end(&mut self.state, Close::Eof),
            Output::Failed => {
                let why = self.io.why();
                self.io.cut(&mut self.state, why);
            }
            Output::Open | Output::Finishing => {}
        }
    }

    /// Says goodbye to the handler once everything is sent, or nothing can be. Returns true if the
    /// connection is over but for the peer.
    fn conclude(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) -> bool {
        if self.state.life() == Life::Closing && self.io.output_len() > 0 {
            return false;
        }
        if !self.finish_handler(id, turn) {
            return false;
        }
        if self.state.life() == Life::Closing {
            if self.state.has_failed() {
                self.state.cut(true);
            } else if !self.must_linger(input) {
                self.state.close();
            } else if self.io.start_lingering(&mut self.state, &turn.config.limits) {
                self.start_timeout(TimeoutKind::Linger, turn);
                self.io.linger(&mut self.state, input, turn);
            }
        }
        true
    }

    /// Returns true if the peer has sent bytes that were not read, or is about to.
    fn must_linger(&mut self, input: &mut [u8]) -> bool {
        if self.state.input() == Input::Open && self.state.has(Flags::READABLE) {
            self.io.probe(&mut self.state, input);
        }
        match self.state.input() {
            Input::Ended => false,
            Input::Unread => true,
            Input::Open => matches!(
                self.io.why(),
                Close::Malformed { .. } | Close::InputLimit | Close::Timeout(_)
            ),
        }
    }

    /// Closes the socket of a connection that has ended, once its handler is here. Returns true
    /// if it leaves the table.
    pub(super) fn leave(&mut self, id: Id, turn: &mut Turn) -> bool {
        let is_over =
            matches!(self.state.life(), Life::Closed | Life::Cut) && self.finish_handler(id, turn);
        if is_over {
            self.io.leave(&mut self.state);
        }
        is_over
    }

    /// The server stops. A look at the socket comes first: what has come already is still answered.
    pub(super) fn ask_to_stop(&mut self) {
        self.state.ask_to_stop();
        self.state.set(Flags::READABLE);
    }

    /// Cuts the connection.
    pub(super) fn cut(&mut self, why: Close) {
        self.io.cut(&mut self.state, why);
    }

    /// Ends the connection in good order.
    pub(super) fn end(&mut self, why: Close) {
        self.io.end(&mut self.state, why);
    }

    /// Returns true if the connection wants another pass without a new event.
    pub(super) fn wants_pass(&self, limits: &Limits) -> bool {
        let state = &self.state;
        if !state.is_here() {
            return false;
        }
        match state.life() {
            Life::Closed | Life::Cut | Life::Ended => false,
            Life::Lingering => state.has(Flags::READABLE),
            // A gated one is queued when its output may be written.
            Life::Closing => {
                self.io.output_len() > 0 && !state.has(Flags::BLOCKED) && !self.io.is_gated()
            }
            Life::Open if state.is_new() => true,
            Life::Open if state.has(Flags::ABOVE_HIGH) => {
                self.io.own_output_len() <= limits.output_low
            }
            Life::Open => {
                !state.is_halted()
                    && (state.has(Flags::READABLE)
                        || state.has(Flags::RETRY_INPUT) && self.io.has_unused())
            }
        }
    }
}

/// Timeouts.
impl<T: Transport> Connection<T> {
    /// Sets the deadline for what the connection waits for now.
    pub(super) fn rearm_timeout(&mut self, turn: &Turn) {
        let kind = TimeoutKind::of(&Situation {
            state: &self.state,
            armed: self.timeout,
            has_output: self.io.output_len() > 0,
            has_unused: self.io.has_unused(),
            has_received: self.io.has_received(),
        });
        if kind != self.timeout || kind.is_extended_by(&turn.meter.progress) {
            self.start_timeout(kind, turn);
        }
    }

    #[inline(always)]
    fn start_timeout(&mut self, kind: TimeoutKind, turn: &Turn) {
        self.timeout = kind;
        self.deadline = turn.config.periods.deadline(kind, turn.tick);
    }

    /// Returns true if something is under way that may extend its deadline, or replace it.
    pub(super) fn may_be_extended(&self) -> bool {
        let is_suspended = !self.state.is_here() && self.timeout == self.timeout.while_on_worker();
        // At the end of these the handler is asked first, after the news: a connection that always
        // has news must not be passed over for ever.
        let is_asked = matches!(self.timeout, TimeoutKind::Grace | TimeoutKind::Message);
        self.state.has(Flags::QUEUED) && !is_asked || is_suspended
    }
}

/// What others do with the connection.
impl<T: Transport> Connection<T> {
    /// Queues bytes that another connection or thread sends.
    pub(super) fn deliver(&mut self, bytes: &[u8]) {
        self.io.queue(bytes, Origin::Others);
    }

    /// Sends what was published: see [`Duplex::receive`].
    pub(super) fn receive(&mut self, slice: Slice<'_>, turn: &mut Turn) -> usize {
        self.io.receive(slice, &mut self.state, turn)
    }

    /// Sends what waits, outside a pass.
    pub(super) fn flush(&mut self, turn: &mut Turn) {
        self.io.flush(&mut self.state, turn);
    }

    pub(super) fn is_gated(&self) -> bool {
        self.io.is_gated()
    }

    /// Does not read it until every list has [let it go](Connection::unthrottle). No timeout counts
    /// its silence against it meanwhile.
    pub(super) fn throttle(&mut self) {
        self.io.cold_mut().throttle();
        self.state.set(Flags::THROTTLED);
    }

    /// One list lets it go. Returns true if it may be read again.
    pub(super) fn unthrottle(&mut self) -> bool {
        let is_free = self.state.is_open() && self.io.cold_mut().unthrottle();
        if is_free {
            self.state.clear(Flags::THROTTLED);
            self.state.set(Flags::RETRY_INPUT);
        }
        is_free
    }

    /// Gives up what it has to do with others, as far as it has ended or its output is low.
    pub(super) fn release_others(&mut self, id: Id, turn: &mut Turn) {
        let has_ended = self.state.life() >= Life::Lingering;
        if has_ended && self.state.memberships() != Memberships::None {
            turn.pending.push(id, Action::LeaveTopics);
        }
        let is_low = self.io.output_len() <= turn.config.limits.output_low;
        if is_low || !self.state.accepts_output() {
            if let Some(cold) = self.io.cold_if_any().filter(|c| !c.waiting_senders().is_empty()) {
                turn.pending.unthrottle(cold.take_waiting_senders());
            }
        }
    }
}

/// For the checks of debug builds.
#[cfg(debug_assertions)]
impl<T: Transport> Connection<T> {
    pub(super) fn transport(&self) -> &T {
        self.io.transport()
    }

    pub(super) fn own_output_len(&self) -> usize {
        self.io.own_output_len()
    }

    pub(super) fn has_unused(&self) -> bool {
        self.io.has_unused()
    }

    pub(super) fn has_handler(&self) -> bool {
        self.handler.is_some()
    }

    pub(super) fn counts_right(&self) -> bool {
        self.io.cold().is_none_or(|cold| cold.output.counts_right())
    }
}
