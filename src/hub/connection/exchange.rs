//! The exchange between the bytes of a connection and its handler: the pass from readiness to
//! reply. Must not know time or other connections.
//!
//! [`Exchange::pass`] is the general path. [`Exchange::ordinary_pass`] does the same for a
//! connection that is open and readable and has no other state: the same steps, fewer checks.

use super::callee::Callee;
use super::cold::Cold;
use super::duplex::{Duplex, READ_SIZE};
use super::flags::Flags;
use super::state::State;
use super::states::{Input, Life, Output, Stop};
use std::io;

use crate::close::{Close, Timeout};
use crate::exec::{Call, Departure};
use crate::handler::Handler;
use crate::handler::effect::Follow;
use crate::hub::transport::Transport;
use crate::hub::turn::Turn;
use crate::id::Id;
use crate::limits::{Limits, SMALLEST_ROOM};
use crate::net::peer::Peer;

/// Facts that concern the end of a pass.
const DUE: Flags =
    Flags::ERROR_PENDING.with(Flags::MESSAGE_LATE).with(Flags::CROWDED).with(Flags::READ_CLOSED);

pub(super) struct Exchange<T> {
    pub(super) io: Duplex<T>,
    pub(super) callee: Callee,
    pub(super) state: State,
}

impl<T: Transport> Exchange<T> {
    pub(super) fn new(transport: T, peer: Peer, handler: Option<Box<dyn Handler>>) -> Exchange<T> {
        let state = match handler {
            Some(_) => State::new(),
            None => State::adopted(),
        };
        Exchange { io: Duplex::new(transport), callee: Callee::new(peer, handler), state }
    }

    /// Returns true if [`ordinary_pass`](Exchange::ordinary_pass) will do.
    #[inline(always)]
    pub(super) fn is_ordinary(&self) -> bool {
        self.state.is_ordinary() && !self.io.has_cold()
    }

    /// Reads, calls the handler and writes, once each, straight down. Returns true if nothing
    /// unusual came of it; else the general path has to go on from where it is: see
    /// [`finish_pass`](Exchange::finish_pass).
    #[inline(always)]
    pub(super) fn ordinary_pass(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) -> bool {
        let budget = turn.config.limits.read_budget;
        if !self.io.short_read_drains() {
            self.take_input(id, input, budget, turn);
            return false;
        }
        let fresh = match self.io.read_raw(&mut input[..READ_SIZE]) {
            Ok(fresh @ 1..READ_SIZE) => {
                self.io.count_read(fresh, &mut turn.meter);
                self.state.clear(Flags::READABLE.with(Flags::LONG_ANSWER));
                fresh
            }
            // The first read of the general path continues here.
            other => match self.io.note_read(&mut self.state, other, &mut turn.meter) {
                Some(0) => {
                    self.call(id, turn, Call::Eof);
                    return false;
                }
                Some(fresh) => fresh,
                None => {
                    self.take_input(id, input, budget, turn);
                    return false;
                }
            },
        };
        turn.record.room = turn.config.limits.output_high;
        let returned = self.callee.call_here(id, Call::Data(&mut input[..fresh]), turn);
        let is_plain = matches!(returned, Some(Ok(used)) if used == fresh)
            && turn.record.effects.is_empty()
            && turn.record.out.len() < turn.record.room
            && self.state.is_idle();
        if !is_plain {
            self.heed(id, turn, returned.is_some());
            self.keep_unused(id, &input[..fresh], fresh, returned, turn);
            let budget = budget.saturating_sub(fresh);
            self.take_input(id, input, budget, turn);
            return false;
        }
        turn.meter.progress.used = true;
        if !turn.record.out.is_empty() {
            self.io.send_or_queue(&mut self.state, turn);
        }
        self.state.is_idle() && !self.io.has_cold()
    }

    /// Does everything that is due, once: sends queued output, makes the due calls, reads, calls
    /// the handler, sends, settles.
    pub(super) fn pass(&mut self, id: Id, input: &mut [u8], has_come_back: bool, turn: &mut Turn) {
        if self.state.life() >= Life::Lingering {
            self.io.discard(&mut self.state, input, turn);
            if self.state.input() == Input::Ended {
                self.state.close();
            }
            // The handler returned from a worker to a closed connection.
            self.finish_handler(id, turn);
            return;
        }
        self.io.flush(&mut self.state, turn);
        self.open_if_new(id, turn);
        if self.state.is_here() && self.io.cold().is_some_and(Cold::has_notifications) {
            self.deliver_notifications(id, turn);
        }
        // Input goes first: after a pause of the whole process it may be the input that the timer
        // waits for. But a handler that moves to a worker with each input would never be called.
        if has_come_back {
            self.ring(id, turn);
        }
        self.take_input(id, input, turn.config.limits.read_budget, turn);
        self.finish_pass(id, input, turn);
    }

    /// Does the rest of a pass, after the input.
    pub(super) fn finish_pass(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) {
        self.ring(id, turn);
        if self.state.has_any(DUE) || self.state.stop() != Stop::No {
            self.handle_due(id, input, turn);
        }
        self.io.flush(&mut self.state, turn);
        self.settle(id, input, turn);
        debug_assert!(turn.record.out.is_empty() && turn.record.effects.is_empty());
    }

    /// Calls the handler for timers that have fired.
    fn ring(&mut self, id: Id, turn: &mut Turn) {
        while self.state.is_here() && self.state.is_open() {
            let Some(key) = self.io.cold_if_any().and_then(Cold::pop_rung) else { return };
            turn.record.is_held = self.state.is_held();
            self.call(id, turn, Call::Timer(key));
        }
    }
}

/// Input.
impl<T: Transport> Exchange<T> {
    /// Reads and calls the handler until the socket is empty, the handler stops the input, its
    /// output is above the high watermark, or the budget of the turn is used up.
    ///
    /// `input` has room for [`Limits::pending_input`] and one read.
    fn take_input(&mut self, id: Id, input: &mut [u8], mut budget: usize, turn: &mut Turn) {
        while self.state.may_take_input() {
            self.open_if_new(id, turn);
            if self.state.has(Flags::ABOVE_HIGH) && !self.drain(id, &mut budget, turn) {
                return;
            }
            // A handler installed in `on_open` or `on_drain` gets its own `on_open` in the next
            // turn.
            if !self.state.is_open() || self.state.is_halted() || self.state.is_new() || budget == 0
            {
                return;
            }
            let held = self.io.copy_unused(input);
            let read = if self.state.take(Flags::RETRY_INPUT) && held > 0 {
                // Charged below, too: a handler that pauses and resumes without using input must
                // not hold the loop.
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

    /// Calls the handler with `bytes`, the last `fresh` of which are new, and keeps the rest.
    fn offer(&mut self, id: Id, bytes: &mut [u8], fresh: usize, turn: &mut Turn) {
        let returned = self.call(id, turn, Call::Data(bytes));
        if self.state.is_here() {
            self.keep_unused(id, bytes, fresh, returned, turn);
        } else {
            // The handler gets all of it, and the rest comes back with it.
            self.io.drop_unused();
        }
        if self.state.has_failed() && self.io.spend_rest(fresh) {
            self.io.cut_for_the_same(&mut self.state);
        }
    }

    /// Resumes a connection whose own output has fallen to the low watermark. The output that the
    /// handler then writes is charged to the budget, too: a stream to a fast reader must not hold
    /// the loop.
    fn drain(&mut self, id: Id, budget: &mut usize, turn: &mut Turn) -> bool {
        let packed = std::mem::take(&mut turn.meter.progress.packed);
        *budget = budget.saturating_sub(turn.record.out.len() + packed);
        self.io.flush(&mut self.state, turn);
        let is_low = self.io.own_output_len() <= turn.config.limits.output_low;
        // A handler with a worker is called when it returns.
        if !is_low || !self.state.is_open() || !self.state.is_here() {
            return false;
        }
        let cold = self.io.cold_if_any();
        let follow = cold.map(|cold| std::mem::take(&mut cold.follow)).unwrap_or_default();
        if *budget == 0 {
            // Without a call it need not come again in the next turn.
            if follow == Follow::Nothing {
                self.state.clear(Flags::ABOVE_HIGH);
            }
            return false;
        }
        self.state.clear(Flags::ABOVE_HIGH);
        self.call(id, turn, Call::Drain);
        // The output may be above the watermark again; the next call of `drain` handles that.
        true
    }

    /// Handles an error that no call has returned, a late message, and a stop of the server.
    #[cold]
    fn handle_due(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) {
        if self.state.has(Flags::ERROR_PENDING) && self.state.is_open() && self.state.is_here() {
            self.handle_error(input, turn);
        }
        if self.state.ends_with_peer() && self.state.is_open() && self.state.is_here() {
            self.io.end(&mut self.state, Close::Eof);
        }
        if let Some(departure) = self.state.departure().filter(|_| self.state.is_open()) {
            if !self.state.is_here() {
                turn.pending.note_left(id, departure);
            } else if self.io.cold().is_some_and(Cold::has_work) {
                // Not withdrawn: the connection may go on with the input that has arrived.
                turn.pending.note_left(id, Departure::EndOfInput);
            }
        }
        // The read that came first may have completed the message.
        if self.state.take(Flags::MESSAGE_LATE)
            && self.io.has_unused()
            && self.state.is_here()
            && !turn.meter.progress.used
        {
            self.reject(id, Close::Timeout(Timeout::Message), turn);
        }
        let is_crowded = self.state.take(Flags::CROWDED) && !turn.meter.progress.received;
        if is_crowded && self.is_waiting(turn) {
            self.call(id, turn, Call::Crowded);
        }
        let is_between = self.io.has_received() && !self.io.has_unused();
        let is_due = match self.state.stop() {
            Stop::No => false,
            // An effect of the last input may be a message to this connection.
            Stop::Asked if is_between && self.state.is_here() && turn.pending.has_actions() => {
                self.state.end_grace();
                false
            }
            Stop::Asked => is_between,
            Stop::Overdue => true,
        };
        if is_due && !self.state.is_new() && self.state.is_here() {
            self.state.note_stop();
            self.call(id, turn, Call::Stop);
        }
    }

    /// Returns true if the next step is the peer's: to send a message.
    fn is_waiting(&self, turn: &Turn) -> bool {
        self.state.is_open()
            && !self.state.is_new()
            && !self.state.is_halted()
            // A read that failed for the moment does not show that none has arrived.
            && !self.state.has(Flags::READABLE)
            && !self.io.has_unused()
            && self.io.output_len() == 0
            && turn.record.out.is_empty()
    }

    /// Handles a reported error. A connection that is not read would not notice a reset. Its output
    /// has failed; input that has arrived waits for the handler, within the linger limits.
    fn handle_error(&mut self, input: &mut [u8], turn: &mut Turn) {
        if !self.state.is_halted() {
            return;
        }
        let reset = Close::Io(io::ErrorKind::ConnectionReset);
        self.io.fail_output(reset, &mut self.state, &turn.config.limits);
        if self.state.is_open() && !self.io.has_unused() {
            match self.io.read(&mut self.state, input, 0, &mut turn.meter) {
                Some(n @ 1..=READ_SIZE) => self.io.keep_unused(&input[..n], 0, n),
                // No input has arrived.
                _ => self.io.cut_for_the_same(&mut self.state),
            }
        }
    }

    /// Gives up the input. The handler may still write a last reply.
    pub(super) fn reject(&mut self, id: Id, why: Close, turn: &mut Turn) {
        if let Some(Err(why)) = self.call(id, turn, Call::Reject(why)) {
            self.end_rejected(why, turn);
        }
    }

    /// Ends a connection whose input was given up: at once if the handler wrote no reply.
    pub(super) fn end_rejected(&mut self, why: Close, turn: &Turn) {
        let is_silent = turn.record.out.is_empty() && self.io.output_len() == 0;
        if is_silent && self.state.is_open() && matches!(why, Close::Timeout(_)) {
            self.io.cut(&mut self.state, why);
        } else {
            self.io.end(&mut self.state, why);
        }
    }
}

/// The end of a pass.
impl<T: Transport> Exchange<T> {
    /// Settles the state of the connection at the end of a pass.
    fn settle(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) {
        if self.state.is_open() && self.state.output() != Output::Open {
            self.settle_output(&turn.config.limits);
        }
        if !self.state.is_open() && self.conclude(id, input, turn) {
            return;
        }
        self.io.shed();
    }

    /// With both halves ended the connection is over.
    fn settle_output(&mut self, limits: &Limits) {
        self.io.shut_when_sent(&mut self.state, limits);
        if self.state.input() != Input::Ended || !self.state.is_here() {
            return;
        }
        match self.state.output() {
            Output::Shut => self.io.end(&mut self.state, Close::Eof),
            Output::Failed => self.io.cut_for_the_same(&mut self.state),
            Output::Open | Output::Finishing => {}
        }
    }

    /// Calls `on_close` once all output is sent, or none can be. Returns true if only the peer's
    /// end is missing.
    fn conclude(&mut self, id: Id, input: &mut [u8], turn: &mut Turn) -> bool {
        if self.state.life() == Life::Closing && self.io.output_len() > 0 {
            // The peer may send before it has read all of it, and read only after it has sent all.
            self.state.discard_input();
            self.io.discard(&mut self.state, input, turn);
            return false;
        }
        if !self.finish_handler(id, turn) {
            return false;
        }
        if self.state.life() == Life::Closing {
            if self.state.has_failed() {
                self.io.cut_off(&mut self.state);
            } else if !self.must_linger(input) {
                self.state.close();
            } else {
                self.io.start_lingering(&mut self.state, turn);
            }
        }
        true
    }

    /// Returns true if the peer has sent unread bytes, or may still send before it has the answer.
    fn must_linger(&mut self, input: &mut [u8]) -> bool {
        if self.state.input() == Input::Open && self.state.has(Flags::READABLE) {
            self.io.probe(&mut self.state, input);
        }
        match self.state.input() {
            Input::Ended => false,
            Input::Unread => true,
            Input::Open => match self.io.why() {
                Close::Malformed { .. } | Close::InputLimit | Close::Timeout(_) => true,
                // The peer is between messages. It has all answers but the last one.
                Close::Stopping | Close::Crowded => self.state.has(Flags::LONG_ANSWER),
                // A paused peer was not read, and may be in the middle of a message.
                _ => self.state.is_paused() || self.io.bytes().1 > SMALLEST_ROOM,
            },
        }
    }

    /// Closes the socket of a connection that has ended, once its handler is here. Returns true if
    /// the connection leaves the table.
    pub(super) fn leave(&mut self, id: Id, turn: &mut Turn) -> bool {
        let is_over =
            matches!(self.state.life(), Life::Closed | Life::Cut) && self.finish_handler(id, turn);
        if is_over {
            self.state.leave();
        }
        is_over
    }

    /// Returns true if the connection needs another pass without a new event.
    pub(super) fn wants_pass(&self, limits: &Limits) -> bool {
        let state = &self.state;
        if !state.is_here() {
            return false;
        }
        match state.life() {
            Life::Closed | Life::Cut | Life::Ended => false,
            // Queued output that the socket does not accept waits for an event.
            Life::Closing | Life::Lingering => state.has(Flags::READABLE),
            Life::Open if state.is_new() || state.stop() == Stop::Overdue => true,
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
