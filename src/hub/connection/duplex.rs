//! The two halves of a connection as bytes: read, keep what is unused, queue, send, shut. Knows
//! the socket and the buffers; no handler, and no other connection.

use std::io::{self, IoSlice};

use super::cold::Cold;
use super::state::{Flags, Input, Life, Memberships, State};
use super::write_queue::{GATHERED, Origin};
use crate::close::Close;
use crate::hub::pubsub::log::Slice;
use crate::hub::transport::Transport;
use crate::hub::turn::{Meter, Turn};
use crate::limits::{Limits, SlowConsumer};

/// Bytes asked for in one read. Linux moves 64 KiB about as fast per byte as it ever does.
pub(in crate::hub) const READ_SIZE: usize = 64 * 1024;
/// What a packet counts at least against a budget: small ones cost their calls, and not the bytes
/// in them.
const PACKET_PRICE: usize = 4096;

pub(super) struct Duplex<T> {
    transport: T,
    cold: Option<Box<Cold>>,
    bytes_in: u64,
    bytes_out: u64,
}

impl<T: Transport> Duplex<T> {
    pub(super) fn new(transport: T) -> Duplex<T> {
        Duplex { transport, cold: None, bytes_in: 0, bytes_out: 0 }
    }

    /// Returns how many bytes were read and written.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.bytes_in, self.bytes_out)
    }

    /// Returns true if the peer has sent at least one byte.
    #[inline(always)]
    pub(super) fn has_received(&self) -> bool {
        self.bytes_in > 0
    }

    #[cfg(debug_assertions)]
    pub(super) fn transport(&self) -> &T {
        &self.transport
    }

    pub(super) fn keeps_boundaries(&self) -> bool {
        self.transport.keeps_boundaries()
    }

    #[inline(always)]
    pub(super) fn has_cold(&self) -> bool {
        self.cold.is_some()
    }

    pub(super) fn cold(&self) -> Option<&Cold> {
        self.cold.as_deref()
    }

    pub(super) fn cold_if_any(&mut self) -> Option<&mut Cold> {
        self.cold.as_deref_mut()
    }

    pub(super) fn cold_mut(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    /// Gives memory back that nothing is in any more.
    pub(super) fn shed(&mut self) {
        if self.cold.as_deref().is_some_and(Cold::is_idle) {
            self.cold = None;
        }
    }
}

/// The half that receives.
impl<T: Transport> Duplex<T> {
    pub(super) fn has_unused(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| !cold.input.is_empty())
    }

    /// Copies unused input to the front of `input`. Returns its length.
    pub(super) fn copy_unused(&self, input: &mut [u8]) -> usize {
        let unused = self.cold.as_ref().map_or(&[][..], |cold| &cold.input);
        input[..unused.len()].copy_from_slice(unused);
        unused.len()
    }

    /// Keeps what the handler left of `bytes`, of which it used `used` and the last `fresh` are
    /// new.
    pub(super) fn keep_unused(&mut self, bytes: &[u8], used: usize, fresh: usize) {
        let unused = &mut self.cold_mut().input;
        if used == 0 {
            // What was kept before is still there; a slow sender costs no copy of all of it.
            unused.extend_from_slice(&bytes[bytes.len() - fresh..]);
        } else {
            unused.clear();
            unused.extend_from_slice(&bytes[used..]);
        }
    }

    pub(super) fn forget_unused(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.input.clear();
        }
    }

    /// The same, and its memory.
    pub(super) fn drop_unused(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.input = Vec::new();
        }
    }

    /// Returns what taking so many bytes counts against a budget.
    pub(super) fn price(&self, bytes: usize) -> usize {
        match self.keeps_boundaries() {
            true => bytes.max(PACKET_PRICE),
            false => bytes,
        }
    }

    /// Reads once behind `held` bytes of `input`. A packet that fills one byte more than fits may
    /// have been cut by the system.
    pub(super) fn read(
        &mut self,
        state: &mut State,
        input: &mut [u8],
        held: usize,
        meter: &mut Meter,
    ) -> Option<usize> {
        let space = READ_SIZE + usize::from(self.keeps_boundaries());
        let result = self.read_raw(&mut input[held..held + space]);
        self.note_read(state, result, meter)
    }

    #[inline(always)]
    pub(super) fn read_raw(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.transport.read(space)
    }

    /// Notes the result of a read. `Some(0)` is the end of the input; `None` if the read gave
    /// nothing.
    // The ordinary path and the general one share it.
    #[inline(always)]
    pub(super) fn note_read(
        &mut self,
        state: &mut State,
        result: io::Result<usize>,
        meter: &mut Meter,
    ) -> Option<usize> {
        match result {
            Ok(n @ 1..) => {
                self.bytes_in += n as u64;
                meter.counters.bytes_in.add(n as u64);
                meter.progress.received = true;
                // The short-read rule. It saves the second read that would say `WouldBlock`:
                // half of all reads.
                if n < READ_SIZE
                    && !state.has(Flags::READ_TO_END)
                    && self.transport.short_read_drains()
                {
                    state.clear(Flags::READABLE);
                }
                Some(n)
            }
            other => self.note_unusual_read(state, other),
        }
    }

    #[cold]
    fn note_unusual_read(&mut self, state: &mut State, result: io::Result<usize>) -> Option<usize> {
        match result {
            Ok(n) => {
                state.end_input();
                self.drop_unused();
                return Some(n);
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    state.clear(Flags::READABLE.with(Flags::READ_TO_END));
                }
                io::ErrorKind::Interrupted => {}
                kind => {
                    state.clear(Flags::READABLE);
                    self.cut(state, Close::Io(kind));
                }
            },
        }
        None
    }

    /// Finds out whether there is unread input where there may be.
    pub(super) fn probe(&mut self, state: &mut State, input: &mut [u8]) {
        match self.transport.read(&mut input[..READ_SIZE]) {
            Ok(0) => state.end_input(),
            Ok(_) => state.discard_input(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                state.clear(Flags::READABLE);
            }
            // The next use of the socket will tell.
            Err(_) => state.discard_input(),
        }
    }

    /// Discards input until the peer closes, or there has been enough of it.
    pub(super) fn linger(&mut self, state: &mut State, input: &mut [u8], turn: &mut Turn) {
        let mut budget = turn.config.limits.read_budget;
        while state.life() == Life::Lingering && state.has(Flags::READABLE) && budget > 0 {
            let Some(n) = self.read(state, input, 0, &mut turn.meter) else { continue };
            budget = budget.saturating_sub(self.price(n));
            if n == 0 || self.spend_linger(n) {
                state.close();
            }
        }
    }

    /// So much was read after the output had ended. Returns true if that was enough.
    pub(super) fn spend_linger(&mut self, n: usize) -> bool {
        let price = self.price(n);
        self.cold_mut().linger(price)
    }
}

/// The half that sends.
impl<T: Transport> Duplex<T> {
    #[inline(always)]
    pub(super) fn output_len(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.output.len())
    }

    /// Returns how much of the output is the handler's own.
    #[inline(always)]
    pub(super) fn own_output_len(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.output.own_len())
    }

    /// Returns true if nothing may be written in this turn.
    pub(super) fn is_gated(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.is_gated())
    }

    /// Keeps output until the socket takes it.
    pub(super) fn queue(&mut self, bytes: &[u8], origin: Origin) {
        match self.keeps_boundaries() {
            true => self.cold_mut().output.push_apart(bytes, origin),
            false => self.cold_mut().output.push(bytes, origin),
        }
    }

    /// Sends what the handler wrote, behind what waits already. The socket takes as much as it
    /// can; the rest is queued.
    #[inline(always)]
    pub(super) fn flush(&mut self, state: &mut State, turn: &mut Turn) {
        if !turn.record.out.is_empty() || self.cold.is_some() {
            self.flush_all(state, turn);
        }
    }

    fn flush_all(&mut self, state: &mut State, turn: &mut Turn) {
        if !state.can_send() {
            turn.record.out.clear();
            return;
        }
        let (waiting, is_gated) = (self.output_len(), self.is_gated());
        if waiting == 0 && !is_gated {
            self.send_or_queue(state, turn);
            return;
        }
        if !turn.record.out.is_empty() {
            if waiting > turn.config.limits.output_hard && !is_gated {
                self.cut(state, Close::SlowConsumer);
                turn.record.out.clear();
                return;
            }
            self.queue(&turn.record.out, Origin::Handler);
            turn.record.out.clear();
        }
        if !state.has(Flags::BLOCKED) && !is_gated {
            self.send_waiting(state, turn);
        }
    }

    /// Sends what the handler wrote, with nothing waiting before it.
    #[inline(always)]
    pub(super) fn send_or_queue(&mut self, state: &mut State, turn: &mut Turn) {
        let Turn { record, meter, config, .. } = turn;
        let sent = self.send(&record.out, state, meter, &config.limits);
        if sent < record.out.len() && state.can_send() {
            self.queue(&record.out[sent..], Origin::Handler);
        }
        record.out.clear();
    }

    fn send_waiting(&mut self, state: &mut State, turn: &mut Turn) {
        let (meter, limits) = (&mut turn.meter, &turn.config.limits);
        let mut output = std::mem::take(&mut self.cold_mut().output);
        while !output.is_empty() && state.may_write() {
            let mut slices = [IoSlice::new(&[]); GATHERED];
            let gathered = match self.keeps_boundaries() {
                true => 0,
                false => output.gather(&mut slices),
            };
            let sent = match gathered {
                0 => self.send(output.first(), state, meter, limits),
                n => self.send_gathered(&slices[..n], state, meter, limits),
            };
            output.consume(sent);
        }
        if state.can_send() {
            self.cold_mut().output = output;
        }
    }

    /// One write of several pieces.
    fn send_gathered(
        &mut self,
        slices: &[IoSlice<'_>],
        state: &mut State,
        meter: &mut Meter,
        limits: &Limits,
    ) -> usize {
        let len = slices.iter().map(|slice| slice.len()).sum();
        let result = self.transport.write_vectored(slices);
        self.note_write(result, len, state, meter, limits)
    }

    /// Writes until everything is gone or the socket takes no more. One call, as a rule.
    #[inline(always)]
    fn send(
        &mut self,
        bytes: &[u8],
        state: &mut State,
        meter: &mut Meter,
        limits: &Limits,
    ) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            let result = self.transport.write(&bytes[sent..]);
            sent += self.note_write(result, bytes.len() - sent, state, meter, limits);
            if !state.may_write() {
                break;
            }
        }
        sent
    }

    /// Notes the result of a write of `len` bytes. Returns how many of them are gone.
    #[inline(always)]
    fn note_write(
        &mut self,
        result: io::Result<usize>,
        len: usize,
        state: &mut State,
        meter: &mut Meter,
        limits: &Limits,
    ) -> usize {
        match result {
            Ok(n @ 1..) => {
                meter.counters.bytes_out.add(n as u64);
                meter.progress.sent = true;
                self.bytes_out += n as u64;
                if n < len && self.transport.short_read_drains() {
                    // As with a short read: the event will come.
                    state.set(Flags::BLOCKED);
                }
                n
            }
            other => {
                self.note_unusual_write(other, len, state, limits);
                0
            }
        }
    }

    #[cold]
    fn note_unusual_write(
        &mut self,
        result: io::Result<usize>,
        len: usize,
        state: &mut State,
        limits: &Limits,
    ) {
        let why = match result {
            Ok(_) => Close::Io(io::ErrorKind::WriteZero),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => return state.set(Flags::BLOCKED),
                io::ErrorKind::Interrupted => return,
                // The fault of the handler: its peer is still there.
                io::ErrorKind::InvalidInput if self.keeps_boundaries() => {
                    return self.reset(state, Close::PacketTooLong { bytes: len });
                }
                kind => Close::Io(kind),
            },
        };
        self.fail_output(why, state, limits);
    }

    /// Nothing can be sent any more. An open connection goes on with its input for a while: what
    /// the peer sent before it left has arrived.
    pub(super) fn fail_output(&mut self, why: Close, state: &mut State, limits: &Limits) {
        if state.life() >= Life::Lingering || state.has_failed() {
            return;
        }
        let cold = self.cold_mut();
        cold.note_cut(why);
        cold.output.clear();
        state.fail_output();
        if state.is_open() && state.input() == Input::Open {
            cold.start_lingering(limits.linger_bytes.max(1));
        } else {
            state.cut(true);
        }
    }

    /// Shuts the write side once the handler sends no more and everything has been sent.
    pub(super) fn shut_when_sent(&mut self, state: &mut State, limits: &Limits) {
        if self.output_len() == 0 && state.shut_output() {
            if let Err(error) = self.transport.shutdown_write() {
                self.fail_output(Close::Io(error.kind()), state, limits);
            }
        }
    }

    /// Returns true if the write side could be shut, for the peer to close too.
    pub(super) fn start_lingering(&mut self, state: &mut State, limits: &Limits) -> bool {
        self.drop_unused();
        self.cold_mut().start_lingering(limits.linger_bytes);
        let is_shut = self.transport.shutdown_write().is_ok();
        match is_shut {
            true => state.linger(),
            false => state.close(),
        }
        is_shut
    }
}

/// What was published.
impl<T: Transport> Duplex<T> {
    /// Sends what was published: at once if nothing waits, else behind what does. Returns how many
    /// bytes it was.
    pub(super) fn receive(
        &mut self,
        mut slice: Slice<'_>,
        state: &mut State,
        turn: &mut Turn,
    ) -> usize {
        let len = slice.bytes().len();
        if len == 0 {
            // Its own messages only.
            return 0;
        }
        let collects = state.memberships() == Memberships::Several;
        // One that only collects so far is slow no sooner than its socket says so.
        let must_try = !collects || self.output_len() > turn.config.limits.output_hard;
        if self.output_len() > 0 && !state.has(Flags::BLOCKED) && must_try {
            self.flush(state, turn);
        }
        if !state.accepts_output() {
            return len;
        }
        let sent = if self.output_len() > 0 || collects {
            if !self.has_room_for(len, state, &turn.config.limits) {
                return len;
            }
            0
        } else {
            self.send(slice.bytes(), state, &mut turn.meter, &turn.config.limits)
        };
        if sent < len && state.accepts_output() {
            let (bytes, part) = slice.share(sent);
            match self.keeps_boundaries() {
                true => self.cold_mut().output.push_published_apart(bytes, part),
                false => self.cold_mut().output.push_published(bytes, part, sent > 0),
            }
        }
        len
    }

    /// Returns true if `len` more bytes may wait. A slow consumer meets its policy.
    fn has_room_for(&mut self, len: usize, state: &mut State, limits: &Limits) -> bool {
        let hard = limits.output_hard;
        // One that is kept from writing is not slow.
        if self.output_len() <= hard || self.is_gated() {
            return true;
        }
        match limits.slow_consumer {
            SlowConsumer::DropNewest => return false,
            SlowConsumer::DropOldest => {
                self.cold_mut().output.drop_oldest(hard.saturating_sub(len));
                if self.output_len() <= hard {
                    return true;
                }
                // The rest was not published: it cannot be dropped.
            }
            SlowConsumer::Close => {}
        }
        self.cut(state, Close::SlowConsumer);
        false
    }
}

/// The end.
impl<T: Transport> Duplex<T> {
    pub(super) fn why(&self) -> Close {
        self.cold.as_ref().and_then(|cold| cold.why().cloned()).unwrap_or(Close::Done)
    }

    /// Ends the connection in good order: what is queued is still sent. The first reason stays.
    pub(super) fn end(&mut self, state: &mut State, why: Close) {
        if state.end(self.has_unused()) {
            self.cold_mut().note_end(why);
        }
    }

    /// Ends the connection at once: by a reset if output is lost.
    pub(super) fn cut(&mut self, state: &mut State, why: Close) {
        if state.life() < Life::Lingering && !state.has_failed() {
            self.cold_mut().note_cut(why);
        }
        let is_lost = self.output_len() > 0 || state.has_failed();
        state.cut(is_lost && state.life() < Life::Lingering);
    }

    /// The same, by a reset in any case.
    pub(super) fn reset(&mut self, state: &mut State, why: Close) {
        self.cut(state, why);
        state.cut(true);
    }

    /// The socket is about to be closed.
    pub(super) fn leave(&mut self, state: &mut State) {
        if state.life() == Life::Cut {
            self.transport.reset_on_close();
        }
        state.leave();
    }
}
