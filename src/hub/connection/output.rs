//! The sending half of a connection: flush, queue, write, and failed writes. The second part of
//! [`Duplex`].

#[cfg(feature = "files")]
use std::fs::File;
use std::io::{self, IoSlice};

use super::cold::Cold;
use super::duplex::Duplex;
use super::flags::Flags;
use super::state::State;
use super::states::{Input, Life};
use super::write_queue::{GATHERED, Origin};
use crate::close::Close;
use crate::hub::pubsub::log::Slice;
use crate::hub::transport::Transport;
use crate::hub::turn::{Meter, Turn};
use crate::limits::{Limits, SMALLEST_ROOM, SlowConsumer};

/// The sending half.
impl<T: Transport> Duplex<T> {
    #[inline(always)]
    pub(super) fn output_len(&self) -> usize {
        self.cold().map_or(0, |cold| cold.output.len())
    }

    /// Returns the length of the output written by the handler.
    #[inline(always)]
    pub(super) fn own_output_len(&self) -> usize {
        self.cold().map_or(0, |cold| cold.output.own_len())
    }

    /// Returns true if nothing may be written in this turn.
    pub(super) fn is_gated(&self) -> bool {
        self.cold().is_some_and(Cold::is_gated)
    }

    /// Queues output until the socket accepts it.
    pub(super) fn queue(&mut self, bytes: &[u8], origin: Origin) {
        match self.keeps_boundaries() {
            true => self.cold_mut().output.push_apart(bytes, origin),
            false => self.cold_mut().output.push(bytes, origin),
        }
    }

    /// Sends the output of the handler, after queued output. The rest that the socket does not
    /// accept is queued.
    #[inline(always)]
    pub(super) fn flush(&mut self, state: &mut State, turn: &mut Turn) {
        if !turn.record.out.is_empty() || self.has_cold() {
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
            // Output of other connections is bounded where they queue it. The socket of a gated
            // connection may have room, unless it has said otherwise.
            let is_slow = !is_gated || state.has(Flags::BLOCKED);
            if self.own_output_len() > turn.config.limits.output_hard && is_slow {
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

    /// Sends the output of the handler, with no queued output before it.
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
            #[cfg(feature = "files")]
            if let Some(part) = output.first_file() {
                let sent = send_part(self, part, state, meter, limits);
                output.consume(sent);
                continue;
            }
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

    /// Writes several pieces in one call.
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

    /// Writes until the queue is empty or the socket is full. Usually this is one call.
    #[inline(always)]
    fn send(
        &mut self,
        bytes: &[u8],
        state: &mut State,
        meter: &mut Meter,
        limits: &Limits,
    ) -> usize {
        let mut sent = 0;
        while let Some(rest @ [_, ..]) = bytes.get(sent..) {
            let result = self.transport.write(rest);
            sent += self.note_write(result, rest.len(), state, meter, limits);
            if sent == bytes.len() || !state.may_write() {
                break;
            }
        }
        sent
    }

    /// Notes the result of a write of `len` bytes. Returns the number of bytes written.
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
                if len as u64 > SMALLEST_ROOM {
                    state.set(Flags::LONG_ANSWER);
                }
                if n < len && self.transport.short_read_drains() {
                    // As with a short read: an event will follow.
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
                // An error of the handler: its peer is still connected.
                io::ErrorKind::InvalidInput if self.keeps_boundaries() => {
                    return self.reset(state, Close::PacketTooLong { bytes: len });
                }
                kind => Close::Io(kind),
            },
        };
        self.fail_output(why, state, limits);
    }

    /// Notes that nothing can be sent any more. An open connection continues with its input for a
    /// while, because the peer may have sent it before it closed.
    pub(super) fn fail_output(&mut self, why: Close, state: &mut State, limits: &Limits) {
        if state.life() >= Life::Lingering || state.has_failed() {
            return;
        }
        let cold = self.cold_mut();
        cold.note_cut(why);
        cold.output.clear();
        state.fail_output();
        if state.is_open() && state.input() == Input::Open {
            cold.offer_rest(limits.linger_bytes.max(1));
        } else {
            self.cut_off(state);
        }
    }

    /// Shuts down the write side once the handler has finished and everything has been sent.
    pub(super) fn shut_when_sent(&mut self, state: &mut State, limits: &Limits) {
        if self.output_len() == 0
            && state.shut_output()
            && let Err(error) = self.transport.shutdown_write()
        {
            self.fail_output(Close::Io(error.kind()), state, limits);
        }
    }

    /// Shuts down the write side, to wait for the peer to close. Closes if that fails.
    pub(super) fn start_lingering(&mut self, state: &mut State, turn: &Turn) {
        self.drop_unused();
        self.cold_mut().discard_rest(turn.config.periods.end_of_linger(turn.tick));
        match self.transport.shutdown_write() {
            Ok(()) => state.linger(),
            Err(_) => state.close(),
        }
    }
}

/// Published messages.
impl<T: Transport> Duplex<T> {
    /// Sends a slice of a topic's log: at once if no output is queued, else after it. If it
    /// `collects`, the slice is only queued. Returns its length.
    pub(super) fn receive(
        &mut self,
        mut slice: Slice<'_>,
        collects: bool,
        state: &mut State,
        turn: &mut Turn,
    ) -> usize {
        let len = slice.bytes().len();
        if len == 0 {
            // The slice contains only messages of this member.
            return 0;
        }
        // While it collects, only a refusal of the socket makes it slow.
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

    /// Returns true if `len` more bytes may be queued. Applies the policy for slow consumers.
    fn has_room_for(&mut self, len: usize, state: &mut State, limits: &Limits) -> bool {
        let hard = limits.output_hard;
        // A connection that must not write in this turn is not slow.
        if self.output_len() <= hard || self.is_gated() && !state.has(Flags::BLOCKED) {
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

/// Sends a part of a file: where it begins, and its length. Returns the number of bytes sent. If
/// the file has become too short, the connection is reset, because the peer waits for that length.
#[cfg(feature = "files")]
fn send_part<T: Transport>(
    duplex: &mut Duplex<T>,
    (file, offset, len): (&File, u64, usize),
    state: &mut State,
    meter: &mut Meter,
    limits: &Limits,
) -> usize {
    match duplex.transport.send_file(file, offset, len) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            duplex.reset(state, Close::Io(error.kind()));
            0
        }
        // Less than all does not show that the socket is full: the file may have ended.
        Ok(sent) => duplex.note_write(Ok(sent), sent, state, meter, limits),
        Err(error) => duplex.note_write(Err(error), len, state, meter, limits),
    }
}
