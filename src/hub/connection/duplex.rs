//! The two halves of a connection as bytes: read, keep what is unused, queue, send, shut. Knows
//! the socket and the buffers; no handler, and no other connection.

use std::io;

use super::cold::Cold;
use super::flags::Flags;
use super::state::{Life, State};
use crate::close::Close;
use crate::hub::transport::{Readiness, Transport};
use crate::hub::turn::{Meter, Turn};

/// Bytes asked for in one read. Linux moves 64 KiB about as fast per byte as it ever does.
pub(in crate::hub) const READ_SIZE: usize = 64 * 1024;
/// The least that a packet is charged to a budget: small ones cost their calls, and not the bytes
/// in them.
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

    /// Returns how many bytes were read and written.
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

    /// Keeps the rest of `bytes`, of which the handler used `used` and the last `fresh` are new.
    pub(super) fn keep_unused(&mut self, bytes: &[u8], used: usize, fresh: usize) {
        let unused = &mut self.cold_mut().input;
        if used == 0 {
            // The bytes kept before are still there; a slow sender costs no copy of all of them.
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

    /// Returns the charge to a budget for taking so many bytes.
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
    pub(super) fn note_read(
        &mut self,
        state: &mut State,
        result: io::Result<usize>,
        meter: &mut Meter,
    ) -> Option<usize> {
        match result {
            Ok(n @ 1..) => {
                self.count_read(n, meter);
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

/// How the halves end.
impl<T: Transport> Duplex<T> {
    /// Notes what an event reports, without doing anything about it. Returns true if that is
    /// worth a pass.
    #[inline(always)]
    pub(super) fn note(&self, state: &mut State, readiness: Readiness) -> bool {
        if readiness.read_closed || readiness.error || readiness.urgent {
            state.note_unusual(readiness.error);
        }
        if readiness.writable {
            state.clear(Flags::BLOCKED);
        }
        if readiness.readable {
            state.set(Flags::READABLE);
            return true;
        }
        // A newly registered socket is writable; that alone is no news for a connection that
        // has nothing to send.
        state.has(Flags::READABLE) || self.output_len() > 0
    }
}

/// The end.
impl<T: Transport> Duplex<T> {
    pub(super) fn why(&self) -> Close {
        self.cold.as_ref().and_then(|cold| cold.why().cloned()).unwrap_or(Close::Done)
    }

    /// Ends the connection in good order: queued output is still sent. The first reason stays.
    pub(super) fn end(&mut self, state: &mut State, why: Close) {
        if state.end(self.has_unused()) {
            self.cold_mut().note_end(why);
        }
    }

    /// Ends the connection at once: by a reset if output is lost.
    pub(super) fn cut(&mut self, state: &mut State, why: Close) {
        if state.life() >= Life::Lingering {
            return state.close();
        }
        if !state.has_failed() {
            self.cold_mut().note_cut(why);
        }
        match self.output_len() > 0 || state.has_failed() {
            true => self.cut_off(state),
            false => state.close(),
        }
    }

    /// Ends the connection by a reset in any case.
    pub(super) fn reset(&mut self, state: &mut State, why: Close) {
        self.cut(state, why);
        self.cut_off(state);
    }

    /// The socket is told at once: it may be closed before the handler is back from its worker.
    pub(super) fn cut_off(&mut self, state: &mut State) {
        if state.life() < Life::Cut {
            state.cut();
            self.transport.reset_on_close();
        }
    }

    /// Ends a connection whose output has failed, for the reason that it has.
    pub(super) fn cut_for_the_same(&mut self, state: &mut State) {
        self.cut(state, self.why());
    }
}
