//! The two halves of a connection as bytes: reads, keeps unused input, queues, sends, shuts down.
//! Knows the socket and the buffers; must not know the handler, or other connections.

use std::io;

use super::cold::Cold;
use super::flags::Flags;
use super::state::State;
use super::states::Life;
use crate::close::Close;
use crate::hub::transport::{Readiness, Transport};
use crate::hub::turn::{Meter, Turn};

/// The size of one read. Linux is about as fast per byte with 64 KiB as with more.
pub(in crate::hub) const READ_SIZE: usize = 64 * 1024;
/// The least charge of a packet to a budget: small packets cost calls rather than bytes.
const PACKET_PRICE: usize = 4096;

pub(super) struct Duplex<T> {
    pub(super) transport: T,
    cold: Option<Box<Cold>>,
    bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl<T: Transport> Duplex<T> {
    pub(super) fn new(transport: T) -> Duplex<T> {
        Duplex { transport, cold: None, bytes_in: 0, bytes_out: 0 }
    }

    pub(super) fn into_transport(self) -> T {
        self.transport
    }

    /// Returns the number of bytes read and written.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.bytes_in, self.bytes_out)
    }

    /// Returns true if the peer has sent at least one byte.
    #[inline(always)]
    pub(super) fn has_received(&self) -> bool {
        self.bytes_in > 0
    }

    #[cfg(all(debug_assertions, feature = "testkit"))]
    pub(super) fn transport(&self) -> &T {
        &self.transport
    }

    pub(super) fn keeps_boundaries(&self) -> bool {
        self.transport.keeps_boundaries()
    }

    #[inline(always)]
    pub(super) fn short_read_drains(&self) -> bool {
        self.transport.short_read_drains()
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

    /// Frees the cold part once it is empty.
    pub(super) fn shed(&mut self) {
        if self.cold.as_deref().is_some_and(Cold::is_idle) {
            self.cold = None;
        }
    }
}

/// The receiving half.
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

    /// Keeps the unused rest of `bytes`; the handler `used` some, and the last `fresh` are new.
    pub(super) fn keep_unused(&mut self, bytes: &[u8], used: usize, fresh: usize) {
        let unused = &mut self.cold_mut().input;
        if used == 0 {
            // The bytes kept earlier are still there, so a slow sender causes no repeated copies.
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

    /// Drops unused input and its memory.
    pub(super) fn drop_unused(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.input = Vec::new();
        }
    }

    /// Returns the charge of `bytes` to a budget.
    pub(super) fn price(&self, bytes: usize) -> usize {
        match self.keeps_boundaries() {
            true => bytes.max(PACKET_PRICE),
            false => bytes,
        }
    }

    /// Reads once after the first `held` bytes of `input`. A packet that fills the buffer, which
    /// has one byte more than fits, may have been truncated by the system.
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

    /// Notes the result of a read. Returns `Some(0)` at the end of the input, and `None` if the
    /// read returned no bytes.
    pub(super) fn note_read(
        &mut self,
        state: &mut State,
        result: io::Result<usize>,
        meter: &mut Meter,
    ) -> Option<usize> {
        match result {
            Ok(n @ 1..) => {
                self.count_read(n, meter);
                state.clear(Flags::LONG_ANSWER);
                // The short-read rule. It saves the second read that would return `WouldBlock`:
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

    #[inline(always)]
    pub(super) fn count_read(&mut self, n: usize, meter: &mut Meter) {
        self.bytes_in += n as u64;
        meter.counters.bytes_in.add(n as u64);
        meter.progress.received = true;
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

    /// Checks for unread input if there may be some.
    pub(super) fn probe(&mut self, state: &mut State, input: &mut [u8]) {
        match self.transport.read(&mut input[..READ_SIZE]) {
            Ok(0) => state.end_input(),
            Ok(_) => state.discard_input(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                state.clear(Flags::READABLE);
            }
            // The next use of the socket will return the error.
            Err(_) => state.discard_input(),
        }
    }

    /// Reads and drops the input that has arrived, within the budget of the turn.
    pub(super) fn discard(&mut self, state: &mut State, input: &mut [u8], turn: &mut Turn) {
        let mut budget = turn.config.limits.read_budget;
        while state.life() < Life::Closed && state.has(Flags::READABLE) && budget > 0 {
            let Some(n) = self.read(state, input, 0, &mut turn.meter) else { continue };
            budget = budget.saturating_sub(self.price(n));
        }
    }

    /// Counts input offered after a failure. Returns true if the limit has been reached.
    pub(super) fn spend_rest(&mut self, n: usize) -> bool {
        let price = self.price(n);
        self.cold_mut().spend_rest(price)
    }
}

/// The end of the halves.
impl<T: Transport> Duplex<T> {
    /// Notes an event, without acting on it. Returns true if the connection needs a pass.
    #[inline(always)]
    pub(super) fn note(&self, state: &mut State, readiness: Readiness) -> bool {
        if readiness.read_closed || readiness.error || readiness.urgent {
            state.note_unusual(readiness.error || readiness.hung_up && state.can_hang_up());
            if readiness.read_closed {
                state.set(Flags::READ_CLOSED);
            }
        }
        if readiness.writable {
            state.clear(Flags::BLOCKED);
        }
        if readiness.readable {
            state.set(Flags::READABLE);
            return true;
        }
        // A newly registered socket is writable; without output that does not require a pass.
        state.has(Flags::READABLE) || self.output_len() > 0
    }
}

/// The end.
impl<T: Transport> Duplex<T> {
    pub(super) fn why(&self) -> Close {
        self.cold.as_ref().and_then(|cold| cold.why().cloned()).unwrap_or(Close::Done)
    }

    /// Ends the connection gracefully: queued output is still sent. An earlier reason stays.
    pub(super) fn end(&mut self, state: &mut State, why: Close) {
        if state.end(self.has_unused()) {
            self.cold_mut().note_end(why);
        }
    }

    /// Ends the connection at once: by a reset if output is lost. That of a call that is under way
    /// will be.
    pub(super) fn cut(&mut self, state: &mut State, why: Close) {
        if state.life() >= Life::Lingering {
            return state.close();
        }
        if !state.has_failed() {
            self.cold_mut().note_cut(why);
        }
        match self.output_len() > 0 || state.has_failed() || !state.is_here() {
            true => self.cut_off(state),
            false => state.close(),
        }
    }

    /// Ends the connection by a reset in any case.
    pub(super) fn reset(&mut self, state: &mut State, why: Close) {
        self.cut(state, why);
        self.cut_off(state);
    }

    /// Requests the reset at once: the socket may be closed before the handler returns from its
    /// worker.
    pub(super) fn cut_off(&mut self, state: &mut State) {
        if state.life() < Life::Cut {
            state.cut();
            self.transport.reset_on_close();
        }
    }

    /// Ends a connection whose output has failed, with the same reason.
    pub(super) fn cut_for_the_same(&mut self, state: &mut State) {
        self.cut(state, self.why());
    }
}
