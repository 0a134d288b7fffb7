//! How bytes go through a connection: read, offer to the handler, keep what is left, write.
//! The second part of [`Connection`]; how it ends is said in `ending.rs`.

use std::io::{self, IoSlice};

use super::connection::{Connection, Link};
use super::desk::{Desk, Meter};
use super::marks;
use super::transport::Transport;
use crate::buffer::GATHERED;
use crate::close::Close;
use crate::exec::{Call, Returned};
use crate::id::Id;

/// Bytes asked for in one read. Linux moves 64 KiB about as fast per byte as it ever does.
pub(super) const READ_SIZE: usize = 64 * 1024;

impl<T: Transport> Connection<T> {
    /// Reads and runs the handler until the socket is empty, the handler wants no more, the
    /// output is full, or the budget of the turn is used up.
    ///
    /// `input` has room for [`Limits::pending_input`](crate::Limits::pending_input) and one read.
    pub(super) fn take_input(&mut self, id: Id, input: &mut [u8], desk: &mut Desk) {
        let mut budget = desk.limits.read_budget;
        while self.marks.has_any(marks::BUSY) {
            self.greet(id, desk);
            if self.marks.has(marks::FULL) && !self.drain(id, &mut budget, desk) {
                return;
            }
            if self.link != Link::Open || self.marks.has_any(marks::HALTED) {
                return;
            }
            if self.marks.has(marks::NEW) {
                // `on_open` or `on_drain` handed over: `on_open` comes first, next turn.
                return;
            }
            if budget == 0 {
                return;
            }
            let held = self.copy_leftover(input);
            let fresh = if self.marks.take(marks::REOFFER) && held > 0 {
                // Counted below too: a handler that pauses and resumes without using anything
                // must not hold the loop.
                0
            } else if self.marks.has(marks::READABLE) {
                let space = self.read_size();
                match self.read(&mut input[held..held + space], desk) {
                    Some(0) => {
                        self.call(id, desk, Call::Eof);
                        return;
                    }
                    Some(n) if n > READ_SIZE => {
                        self.reject(id, Close::InputLimit, desk);
                        return;
                    }
                    Some(n) => n,
                    None => continue,
                }
            } else {
                return;
            };
            budget = budget.saturating_sub(self.price(fresh.max(held)));
            self.offer(id, &mut input[..held + fresh], fresh, desk);
        }
    }

    /// How much to ask for in one read. A packet that fills one byte more than fits may have been
    /// cut by the system.
    fn read_size(&self) -> usize {
        READ_SIZE + usize::from(self.transport.keeps_boundaries())
    }

    /// One read. `Some(0)` is the end of the input; `None` if nothing came of it.
    // Lingering uses it too; without this the way of every request has one call more.
    #[inline(always)]
    pub(super) fn read(&mut self, space: &mut [u8], desk: &mut Desk) -> Option<usize> {
        match self.transport.read(space) {
            Ok(0) => {
                self.marks.clear(marks::READABLE);
                self.marks.set(marks::EOF);
                if let Some(leftovers) = &mut self.leftovers {
                    leftovers.input = Vec::new();
                }
                Some(0)
            }
            Ok(n) => {
                self.bytes_in += n as u64;
                desk.meter.counters.bytes_in.add(n as u64);
                desk.meter.progress.heard = true;
                self.marks.set(marks::SPOKE);
                // The short-read rule. It saves the second read that would say `WouldBlock`:
                // half of all reads.
                if n < READ_SIZE
                    && !self.marks.has(marks::HANGUP)
                    && self.transport.short_read_drains()
                {
                    self.marks.clear(marks::READABLE);
                }
                Some(n)
            }
            Err(error) => {
                self.read_failed(&error);
                None
            }
        }
    }

    fn read_failed(&mut self, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.marks.clear(marks::READABLE),
            io::ErrorKind::Interrupted => {}
            kind => {
                self.marks.clear(marks::READABLE);
                self.fail(Close::Io(kind));
            }
        }
    }

    /// Runs the handler on `bytes`, the last `fresh` of which are new, and keeps what it leaves.
    #[inline]
    fn offer(&mut self, id: Id, bytes: &mut [u8], fresh: usize, desk: &mut Desk) {
        let returned = self.call(id, desk, Call::Data(bytes));
        if self.is_in() {
            self.keep_unused(id, bytes, fresh, returned, desk);
        } else if let Some(leftovers) = &mut self.leftovers {
            // All of it travels; what is left of it comes back.
            leftovers.input = Vec::new();
        }
    }

    /// Keeps what the handler left of `bytes`, the last `fresh` of which are new.
    #[inline(always)]
    pub(super) fn keep_unused(
        &mut self,
        id: Id,
        bytes: &[u8],
        fresh: usize,
        returned: Returned,
        desk: &mut Desk,
    ) {
        let len = bytes.len();
        let used = match returned {
            Some(Ok(used)) => used.min(len),
            Some(Err(why)) => {
                self.end(why);
                self.marks.set(marks::UNREAD);
                return;
            }
            None => {
                self.marks.set(marks::UNREAD);
                return;
            }
        };
        desk.meter.progress.used |= used > 0;
        let left = len - used;
        if self.link != Link::Open {
            if left > 0 {
                self.marks.set(marks::UNREAD);
            }
            return;
        }
        if left == 0 || self.transport.keeps_boundaries() && !self.has_stopped() {
            if let Some(leftovers) = &mut self.leftovers {
                leftovers.input.clear();
            }
            return;
        }
        let leftover = &mut self.leftovers().input;
        if used == 0 {
            // What was left before is still there; a slow sender costs no copy of all of it.
            leftover.extend_from_slice(&bytes[len - fresh..]);
        } else {
            leftover.clear();
            leftover.extend_from_slice(&bytes[used..]);
        }
        if self.marks.has(marks::FULL) {
            self.marks.set(marks::REOFFER);
        } else if left > desk.limits.pending_input
            && !self.marks.has_any(marks::PAUSED.with(marks::REOFFER))
        {
            self.reject(id, Close::InputLimit, desk);
        }
    }

    /// Puts what was left over in front of what is read next.
    fn copy_leftover(&self, input: &mut [u8]) -> usize {
        match &self.leftovers {
            Some(leftovers) => {
                let held = leftovers.input.len();
                input[..held].copy_from_slice(&leftovers.input);
                held
            }
            None => 0,
        }
    }

    /// Gets a full connection going again if its output has fallen below the low mark. What the
    /// handler then writes counts against the budget too: one that streams to a fast reader
    /// must not hold the loop.
    fn drain(&mut self, id: Id, budget: &mut usize, desk: &mut Desk) -> bool {
        let packed = std::mem::take(&mut desk.meter.progress.packed);
        *budget = budget.saturating_sub(desk.record.out.len() + packed);
        self.flush(desk);
        if *budget == 0 || self.output_len() > desk.limits.output_low || self.link != Link::Open {
            return false;
        }
        if !self.is_in() {
            // It is told when it is back.
            return false;
        }
        self.marks.clear(marks::FULL);
        self.call(id, desk, Call::Drain);
        // It may have filled up again at once; then the loop comes back here.
        true
    }

    /// Sends what was written in this turn, behind what waits already. What the socket does not
    /// take becomes the connection's own.
    #[inline]
    pub(super) fn flush(&mut self, desk: &mut Desk) {
        if !desk.record.out.is_empty() || self.leftovers.is_some() {
            self.flush_all(desk);
        }
    }

    #[inline(always)]
    fn flush_all(&mut self, desk: &mut Desk) {
        if self.link > Link::Closing {
            desk.record.out.clear();
            return;
        }
        let waiting = self.output_len();
        if waiting == 0 && !self.is_deferred() {
            let sent = self.send(&desk.record.out, &mut desk.meter);
            if sent < desk.record.out.len() && self.link != Link::Closed {
                self.keep_output(&desk.record.out[sent..]);
            }
            desk.record.out.clear();
            return;
        }
        if !desk.record.out.is_empty() {
            if waiting > desk.limits.output_hard && !self.is_deferred() {
                self.fail(Close::SlowConsumer);
                desk.record.out.clear();
                return;
            }
            self.keep_output(&desk.record.out);
            desk.record.out.clear();
        }
        if !self.marks.has(marks::BLOCKED) && !self.is_deferred() {
            self.send_waiting(&mut desk.meter);
        }
    }

    /// Whether nothing may be written in this turn.
    #[inline]
    pub(super) fn is_deferred(&self) -> bool {
        self.leftovers.is_some() && self.marks.has(marks::DEFERRED)
    }

    /// Keeps output until the socket takes it.
    pub(super) fn keep_output(&mut self, bytes: &[u8]) {
        match self.transport.keeps_boundaries() {
            true => self.leftovers().output.push_apart(bytes),
            false => self.leftovers().output.push(bytes),
        }
    }

    fn send_waiting(&mut self, meter: &mut Meter) {
        let mut output = std::mem::take(&mut self.leftovers().output);
        while !output.is_empty() && !self.marks.has(marks::BLOCKED) && self.link != Link::Closed {
            let mut slices = [IoSlice::new(&[]); GATHERED];
            let gathered = match self.transport.keeps_boundaries() {
                true => 0,
                false => output.gather(&mut slices),
            };
            let sent = match gathered {
                0 => self.send(output.first(), meter),
                n => self.send_gathered(&slices[..n], meter),
            };
            output.consume(sent);
        }
        self.leftovers().output = output;
    }

    /// One write of several pieces.
    fn send_gathered(&mut self, slices: &[IoSlice<'_>], meter: &mut Meter) -> usize {
        let len = slices.iter().map(|slice| slice.len()).sum();
        let result = self.transport.write_vectored(slices);
        self.note_write(result, len, meter)
    }

    /// Writes until everything is gone or the socket takes no more. One call, as a rule.
    #[inline(always)]
    pub(super) fn send(&mut self, bytes: &[u8], meter: &mut Meter) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            let result = self.transport.write(&bytes[sent..]);
            sent += self.note_write(result, bytes.len() - sent, meter);
            if self.marks.has(marks::BLOCKED) || self.link == Link::Closed {
                break;
            }
        }
        sent
    }

    /// Takes note of what a write of `len` bytes gave. Returns how many of them are gone.
    #[inline(always)]
    fn note_write(&mut self, result: io::Result<usize>, len: usize, meter: &mut Meter) -> usize {
        match result {
            Ok(0) => self.fail(Close::Io(io::ErrorKind::WriteZero)),
            Ok(n) => {
                meter.counters.bytes_out.add(n as u64);
                meter.progress.sent = true;
                self.bytes_out += n as u64;
                if n < len && self.transport.short_read_drains() {
                    // What a short read is to input: the event will come.
                    self.marks.set(marks::BLOCKED);
                }
                return n;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.marks.set(marks::BLOCKED);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error)
                if error.kind() == io::ErrorKind::InvalidInput
                    && self.transport.keeps_boundaries() =>
            {
                self.fail(Close::PacketTooLong { bytes: len });
            }
            Err(error) => self.fail(Close::Io(error.kind())),
        }
        0
    }
}
