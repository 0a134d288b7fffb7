//! The states of a connection and all transitions between them. Must not know the socket, the
//! handler or the buffers: it receives events, and returns the permitted actions.
//!
//! A connection has two halves, which end separately, and a life.
//!
//! ```text
//! machine    from        on                                      to
//! ---------  ----------  --------------------------------------  ----------
//! Input      Open        a read returns 0                        Ended
//!            Open        the connection ends, bytes are unused   Unread
//!            Open        it ends, and output waits               Unread
//!            Unread      a read returns 0                        Ended
//!            Ended       another handler is installed            Open
//! Output     Open        the handler finishes its output         Finishing
//!            Finishing   all is sent, the write side is shut     Shut
//!            any         a write fails, or an error is reported  Failed
//! Life       Open        end: queued output is still sent         Closing
//!            Closing     all is sent, the peer may still send    Lingering
//!            Closing     all is sent, no input is expected       Closed
//!            Lingering   the peer closes, or its time is over    Closed
//!            < Closed    cut, nothing is queued, no call is made Closed
//!            < Closed    cut otherwise, or a reset               Cut
//!            <= Closed   on_close asks for a reset               Cut
//!            <= Closed   the server ends before on_close returns Cut
//!            >= Closed   the handler is dropped                  Ended
//! Callbacks  New         on_open is called                       Opened
//!            Opened      another handler is installed            New
//!            Opened      on_close is called                      Notified
//! Stop       No          the server stops                        Asked
//!            Asked       its grace is over                       Overdue
//!            Asked       its last input has effects on others    Overdue
//!            any         on_stop is called                       No
//! Pause      any         the handler pauses                      Resumed
//!            any         it pauses while others feed its output  PeerEnds
//!            any         it resumes, or another is installed     No
//! ```
//!
//! Laws:
//!
//! * After the output has failed, input that has arrived is still read and offered, for at most
//!   [`Limits::linger`](crate::Limits::linger) and
//!   [`linger_bytes`](crate::Limits::linger_bytes); then the connection ends.
//! * The input of a connection that ends is read and dropped, also while its output waits. Only
//!   sent bytes extend the timeout of that output.
//! * A lingering connection ends after [`Limits::linger`](crate::Limits::linger) without a byte,
//!   and after [`linger_total`](crate::Limits::linger_total) in any case.
//! * Only unsent output of a connection's own handler pauses its input
//!   ([`ABOVE_HIGH`](Flags::ABOVE_HIGH)). Output queued by other connections pauses those.
//! * A connection ends gracefully (`Closed`: FIN) or by a reset (`Cut`: RST).

use super::flags::Flags;
use super::states::{Callbacks, Input, Life, Output, Pause, Stop};
use crate::exec::Departure;
use crate::handler::effect::Until;

/// The whole state in eight bytes, so that one comparison shows an ordinary connection.
#[derive(Clone, Copy)]
#[repr(C)]
pub(in crate::hub) struct State {
    life: Life,
    input: Input,
    output: Output,
    callbacks: Callbacks,
    stop: Stop,
    pause: Pause,
    flags: Flags,
}

/// Open, and readable; nothing else.
const ORDINARY: State = State {
    life: Life::Open,
    input: Input::Open,
    output: Output::Open,
    callbacks: Callbacks::Opened,
    stop: Stop::No,
    pause: Pause::No,
    flags: Flags::READABLE,
};

/// The same, without work before the next event.
const IDLE: State = State { flags: Flags::NONE, ..ORDINARY };

/// The bits of the whole state that tell how a connection may end, and not its work.
const ENDING: u64 = State { flags: Flags::LONG_ANSWER, ..ORDINARY }.word()
    ^ State { flags: Flags::NONE, ..ORDINARY }.word();

impl State {
    /// Creates the state of a connection whose handler has not been called yet.
    pub(in crate::hub) fn new() -> State {
        State { callbacks: Callbacks::New, flags: Flags::NONE, ..ORDINARY }
    }

    /// Creates the state of a connection that was served elsewhere, and lingers here.
    pub(in crate::hub) fn adopted() -> State {
        State {
            life: Life::Closing,
            input: Input::Unread,
            callbacks: Callbacks::Adopted,
            flags: Flags::NONE,
            ..ORDINARY
        }
    }

    /// Returns the whole state as one number: one load, because the fields are adjacent.
    #[inline(always)]
    const fn word(&self) -> u64 {
        let [low, high] = self.flags.bits().to_ne_bytes();
        u64::from_ne_bytes([
            self.life as u8,
            self.input as u8,
            self.output as u8,
            self.callbacks as u8,
            self.stop as u8,
            self.pause as u8,
            low,
            high,
        ])
    }

    /// Returns true if the connection is open and readable, and has no other state.
    #[inline(always)]
    pub(in crate::hub) fn is_ordinary(&self) -> bool {
        self.word() == const { ORDINARY.word() } || self.differs_in_ending(&ORDINARY)
    }

    /// Returns true if the connection is open, and has no other state.
    #[inline(always)]
    pub(in crate::hub) fn is_idle(&self) -> bool {
        self.word() == const { IDLE.word() } || self.differs_in_ending(&IDLE)
    }

    /// Apart from the rest: with a mask, the compiler loads the state byte by byte.
    #[inline(never)]
    fn differs_in_ending(&self, other: &State) -> bool {
        self.word() & !ENDING == other.word()
    }
}

/// Flags.
impl State {
    #[inline(always)]
    pub(in crate::hub) fn has(&self, flag: Flags) -> bool {
        self.flags.has(flag)
    }

    #[inline(always)]
    pub(in crate::hub) fn has_any(&self, flags: Flags) -> bool {
        self.flags.has_any(flags)
    }

    #[inline(always)]
    pub(in crate::hub) fn set(&mut self, flags: Flags) {
        self.flags = self.flags.with(flags);
    }

    #[inline(always)]
    pub(in crate::hub) fn clear(&mut self, flags: Flags) {
        self.flags = self.flags.without(flags);
    }

    /// Clears `flag` and returns true if it was set.
    #[inline(always)]
    pub(in crate::hub) fn take(&mut self, flag: Flags) -> bool {
        let was = self.has(flag);
        self.clear(flag);
        was
    }
}

/// The life.
impl State {
    #[inline(always)]
    pub(in crate::hub) fn life(&self) -> Life {
        self.life
    }

    #[inline(always)]
    pub(in crate::hub) fn is_open(&self) -> bool {
        self.life == Life::Open
    }

    /// Ends it gracefully. Returns true if it was open.
    pub(in crate::hub) fn end(&mut self, has_unused_input: bool) -> bool {
        let was_open = self.is_open();
        if was_open {
            self.life = Life::Closing;
            if has_unused_input {
                self.discard_input();
            }
        }
        was_open
    }

    /// All output is sent; the peer still sends.
    pub(in crate::hub) fn linger(&mut self) {
        self.life = self.life.max(Life::Lingering);
    }

    /// No output is left.
    pub(in crate::hub) fn close(&mut self) {
        self.life = self.life.max(Life::Closed);
    }

    /// Ends it at once, by a reset.
    pub(in crate::hub) fn cut(&mut self) {
        self.life = self.life.max(Life::Cut);
    }

    /// The handler is dropped, and the socket will be.
    pub(in crate::hub) fn leave(&mut self) {
        self.life = Life::Ended;
    }
}

/// The halves.
impl State {
    pub(in crate::hub) fn input(&self) -> Input {
        self.input
    }

    pub(in crate::hub) fn output(&self) -> Output {
        self.output
    }

    /// The end of the input was read.
    pub(in crate::hub) fn end_input(&mut self) {
        self.input = Input::Ended;
        self.clear(Flags::READABLE);
        self.set(Flags::READ_CLOSED);
    }

    /// The connection ends with unused input.
    pub(in crate::hub) fn discard_input(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Unread;
        }
    }

    /// The handler has finished its output.
    pub(in crate::hub) fn finish_output(&mut self) {
        if self.output == Output::Open {
            self.output = Output::Finishing;
        }
    }

    /// Notes that the write side is shut. Returns true if the output was finishing.
    pub(in crate::hub) fn shut_output(&mut self) -> bool {
        let was_finishing = self.output == Output::Finishing;
        if was_finishing {
            self.output = Output::Shut;
        }
        was_finishing
    }

    /// Notes that nothing can be sent any more. Input that has arrived is still read, and an event
    /// may be missing for it, so it is checked for.
    pub(in crate::hub) fn fail_output(&mut self) {
        self.output = Output::Failed;
        self.clear(Flags::BLOCKED);
        if self.take(Flags::ABOVE_HIGH) {
            self.set(Flags::RETRY_INPUT);
        }
        if self.input == Input::Open {
            self.set(Flags::READABLE.with(Flags::READ_TO_END));
        }
    }

    /// Returns how far the peer is known to have left.
    pub(in crate::hub) fn departure(&self) -> Option<Departure> {
        if self.has(Flags::ERROR_PENDING) || self.has_failed() {
            Some(Departure::Gone)
        } else {
            self.has(Flags::READ_CLOSED).then_some(Departure::EndOfInput)
        }
    }

    /// Notes an event that reports an error, the end of the input or urgent data.
    #[cold]
    pub(in crate::hub) fn note_unusual(&mut self, is_error: bool) {
        self.set(Flags::READABLE.with(Flags::READ_TO_END));
        if is_error {
            self.set(Flags::ERROR_PENDING);
            // The next write will return the error.
            self.clear(Flags::BLOCKED);
        }
    }

    pub(in crate::hub) fn has_failed(&self) -> bool {
        self.output == Output::Failed
    }

    /// Returns true if only the peer can have ended both directions: the own one is not shut.
    pub(in crate::hub) fn can_hang_up(&self) -> bool {
        self.life <= Life::Closing && self.output != Output::Shut
    }

    /// Returns true if queued output may still be sent.
    #[inline(always)]
    pub(in crate::hub) fn can_send(&self) -> bool {
        self.life <= Life::Closing && self.output != Output::Failed
    }

    /// Returns true if queued output may be sent, and the socket is not full.
    #[inline(always)]
    pub(in crate::hub) fn may_write(&self) -> bool {
        self.can_send() && !self.has(Flags::BLOCKED)
    }

    /// Returns true if other connections can queue output.
    pub(in crate::hub) fn accepts_output(&self) -> bool {
        self.life == Life::Open && self.output == Output::Open
    }

    /// Returns true if the handler is offered no input.
    #[inline(always)]
    pub(in crate::hub) fn is_halted(&self) -> bool {
        self.has_any(Flags::THROTTLED.with(Flags::ON_WORKER))
            || self.is_paused()
            || self.input == Input::Ended
    }

    /// Returns true if the peer is not read for now: its handler pauses it, or output waits.
    pub(in crate::hub) fn is_held(&self) -> bool {
        self.has_any(Flags::THROTTLED.with(Flags::ABOVE_HIGH)) || self.is_paused()
    }

    /// Returns true if there may be work for `take_input`.
    #[inline(always)]
    pub(in crate::hub) fn may_take_input(&self) -> bool {
        const NEWS: Flags = Flags::READABLE.with(Flags::ABOVE_HIGH).with(Flags::RETRY_INPUT);
        self.has_any(NEWS) || self.is_new()
    }
}

/// The callbacks.
impl State {
    #[inline(always)]
    pub(in crate::hub) fn is_new(&self) -> bool {
        self.callbacks == Callbacks::New
    }

    pub(in crate::hub) fn is_adopted(&self) -> bool {
        self.callbacks == Callbacks::Adopted
    }

    /// Returns true if the handler is not with a worker.
    #[inline(always)]
    pub(in crate::hub) fn is_here(&self) -> bool {
        !self.has(Flags::ON_WORKER)
    }

    /// Notes the call of `on_open`. Returns true if it was due.
    pub(in crate::hub) fn note_open(&mut self) -> bool {
        let was_new = self.is_new();
        if was_new {
            self.callbacks = Callbacks::Opened;
        }
        was_new
    }

    /// Notes the call of `on_close`. Returns true if it was due.
    pub(in crate::hub) fn note_close(&mut self) -> bool {
        let was_opened = self.callbacks == Callbacks::Opened;
        if was_opened {
            self.callbacks = Callbacks::Notified;
        }
        was_opened
    }

    pub(in crate::hub) fn was_close_noted(&self) -> bool {
        self.callbacks == Callbacks::Notified
    }

    /// Reverts the notes on a call that a worker did not make.
    pub(in crate::hub) fn take_back_call(&mut self, was_open: bool, was_close: bool) {
        self.clear(Flags::ON_WORKER);
        if was_open {
            self.callbacks = Callbacks::New;
        } else if was_close {
            self.callbacks = Callbacks::Opened;
        }
    }

    /// Notes that the handler pauses. A later pause replaces the end of an earlier one.
    pub(in crate::hub) fn pause(&mut self, until: Until) {
        self.pause = match until {
            Until::Resumed => Pause::Resumed,
            Until::PeerEnds => Pause::PeerEnds,
        };
    }

    /// Ends a pause. Input that waits is offered again.
    pub(in crate::hub) fn resume(&mut self) {
        if self.is_paused() {
            self.pause = Pause::No;
            self.set(Flags::RETRY_INPUT);
        }
    }

    #[inline(always)]
    pub(in crate::hub) fn is_paused(&self) -> bool {
        self.pause != Pause::No
    }

    /// Returns true if the peer has ended its input and the handler pauses until then.
    pub(in crate::hub) fn ends_with_peer(&self) -> bool {
        self.pause == Pause::PeerEnds && self.has(Flags::READ_CLOSED)
    }

    /// Notes a replacement of the handler. If the old handler was notified of the end of the input,
    /// the new one must be, too: another read returns the end again.
    pub(in crate::hub) fn upgrade(&mut self, is_stopping: bool) {
        self.callbacks = Callbacks::New;
        self.pause = Pause::No;
        self.clear(Flags::TIMED);
        self.set(Flags::RETRY_INPUT);
        if self.input == Input::Ended {
            self.input = Input::Open;
            self.set(Flags::READABLE);
        }
        if is_stopping {
            self.ask_to_stop();
        }
    }
}

/// The stop of the server.
impl State {
    pub(in crate::hub) fn stop(&self) -> Stop {
        self.stop
    }

    pub(in crate::hub) fn ask_to_stop(&mut self) {
        self.stop = Stop::Asked;
    }

    /// Notes that the grace for an incomplete message has passed, or that there is none.
    pub(in crate::hub) fn end_grace(&mut self) {
        if self.stop == Stop::Asked {
            self.stop = Stop::Overdue;
        }
    }

    pub(in crate::hub) fn note_stop(&mut self) {
        self.stop = Stop::No;
    }
}
