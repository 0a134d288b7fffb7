//! Holds up the input of a member: until its next line may come, and until a question to the other
//! nodes is answered. Must not know lines or questions.

use super::rate::{Pace, Rate};
use crate::handler::context::Context;

/// The timer that ends the pause of a member whose lines come too fast.
const NEXT_LINE: u64 = 0;

/// Reads no further line before its time. The peer is held up by its own socket, so that no line is
/// lost, and no other member is closed for the flood.
pub(super) struct Hold {
    pace: Pace,
    is_too_fast: bool,
    #[cfg(feature = "backplane")]
    is_waiting: bool,
}

impl Hold {
    pub(super) fn new(rate: Rate) -> Hold {
        Hold {
            pace: Pace::new(rate),
            is_too_fast: false,
            #[cfg(feature = "backplane")]
            is_waiting: false,
        }
    }

    /// Counts a line of `len` bytes. Returns true if the next one is too early, and is not read.
    /// While the server stops, it is.
    pub(super) fn count(&mut self, len: usize, cx: &mut Context<'_>) -> bool {
        let wait = self.pace.count(len, cx.now().elapsed());
        if !wait.is_zero() && !cx.is_stopping() {
            self.is_too_fast = true;
            cx.pause();
            cx.set_timer(NEXT_LINE, wait);
        }
        !wait.is_zero()
    }

    /// The time for the next line has come.
    pub(super) fn on_timer(&mut self, cx: &mut Context<'_>) {
        self.is_too_fast = false;
        self.read_on(cx);
    }

    fn read_on(&self, cx: &mut Context<'_>) {
        if !self.is_too_fast && !self.is_waiting() {
            cx.resume();
        }
    }

    #[cfg(not(feature = "backplane"))]
    #[allow(clippy::unused_self, reason = "there are no questions")]
    fn is_waiting(&self) -> bool {
        false
    }
}

#[cfg(feature = "backplane")]
impl Hold {
    /// Reads nothing until there is an answer, so that the lines after a question are said after
    /// it.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) {
        self.is_waiting = true;
        cx.pause();
    }

    pub(super) fn on_answer(&mut self, cx: &mut Context<'_>) {
        self.is_waiting = false;
        self.read_on(cx);
    }

    fn is_waiting(&self) -> bool {
        self.is_waiting
    }
}
