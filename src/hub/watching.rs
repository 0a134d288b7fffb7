//! Which deadline holds for a connection: one at a time, for what it waits for. A part of
//! [`Connection`].

use super::connection::{Connection, Link};
use super::deadline::Watch;
use super::desk::Desk;
use super::marks::{self, Marks};
use super::transport::Transport;

impl<T: Transport> Connection<T> {
    /// Sets the deadline for what the connection waits for now.
    // At the end of every pump; its other callers would take it out of line.
    #[inline(always)]
    pub(super) fn renew_watch(&mut self, desk: &Desk) {
        let watch = self.watch_for();
        let anew = watch != self.watch
            || match watch {
                Watch::Nothing | Watch::FirstByte | Watch::Grace | Watch::Linger => false,
                Watch::Message => desk.meter.progress.used,
                Watch::Idle => desk.meter.progress.heard || desk.meter.progress.sent,
                Watch::WriteStall => desk.meter.progress.sent,
            };
        if anew {
            self.watch(watch, desk);
        }
    }

    #[inline(always)]
    fn watch_for(&self) -> Watch {
        const WAITS: Marks = marks::STOP.with(marks::PAUSED).with(marks::HELD).with(marks::AWAY);
        match self.marks.has_any(WAITS) {
            true => self.watch_while_waiting(),
            false => self.watch_for_peer(),
        }
    }

    /// What is waited for if nobody but the peer is waited for.
    #[inline(always)]
    fn watch_for_peer(&self) -> Watch {
        if self.output_len() > 0 {
            Watch::WriteStall
        } else if !self.marks.has(marks::SPOKE) {
            Watch::FirstByte
        } else if self.has_input() {
            Watch::Message
        } else {
            Watch::Idle
        }
    }

    fn watch_while_waiting(&self) -> Watch {
        let asked = self.link == Link::Open && self.marks.has(marks::STOP);
        let has_spoken = self.marks.has(marks::SPOKE);
        let waits = self.marks.has_any(marks::PAUSED.with(marks::HELD).with(marks::AWAY));
        if asked && !self.marks.has(marks::URGED) && (!has_spoken || self.has_input() && !waits) {
            Watch::Grace
        } else if self.output_len() > 0 {
            Watch::WriteStall
        } else if self.marks.has_any(marks::PAUSED.with(marks::HELD)) {
            Watch::Nothing
        } else if self.marks.has(marks::AWAY) {
            // The journey is no news of the peer: who sends a byte at a time must not begin anew
            // with each.
            self.watch.while_away()
        } else {
            self.watch_for_peer()
        }
    }

    /// Whether something is under way that may renew its deadline, or replace it.
    pub(super) fn awaits_news(&self) -> bool {
        let is_put_off = self.marks.has(marks::AWAY) && self.watch == self.watch.while_away();
        // At the end of these it is asked first, after its news: who always has news must not be
        // passed over for ever.
        let is_asked = matches!(self.watch, Watch::Grace | Watch::Message);
        self.marks.has(marks::QUEUED) && !is_asked || is_put_off
    }

    pub(super) fn watch(&mut self, watch: Watch, desk: &Desk) {
        self.watch = watch;
        self.deadline = desk.periods.deadline(watch, desk.tick);
    }
}
