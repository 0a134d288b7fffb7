//! How a connection ends: in good order, at once, or lingering. The last part of [`Connection`];
//! what it reads is thrown away.

use std::io;

use super::connection::{Connection, Link};
use super::deadline::Watch;
use super::desk::Desk;
use super::flow::READ_SIZE;
use super::marks;
use super::transport::Transport;
use crate::close::{Close, Timeout};
use crate::exec::Call;
use crate::handler::context::Effect;
use crate::handler::context::Undelivered;
use crate::id::Id;
use crate::panics;

impl<T: Transport> Connection<T> {
    /// The end of the peer that nobody has read, that of a message's time, and that of the server.
    pub(super) fn heed_the_end(&mut self, id: Id, desk: &mut Desk) {
        // A connection that is not read would not notice a reset for as long as it is not. What
        // the peer sent before has nobody to answer to.
        if self.marks.has(marks::BROKEN)
            && self.link == Link::Open
            && self.marks.has_any(marks::HALTED)
        {
            self.fail(Close::Io(io::ErrorKind::ConnectionReset));
        }
        // The look at the socket that came first may have completed the message.
        if self.marks.take(marks::OVERDUE)
            && self.has_input()
            && self.is_in()
            && !desk.meter.progress.used
        {
            self.reject(id, Close::Timeout(Timeout::Message), desk);
        }
        let is_between = self.marks.has(marks::SPOKE) && !self.has_input();
        if self.marks.has(marks::STOP)
            && (is_between || self.marks.has(marks::URGED))
            && !self.marks.has(marks::NEW)
            && self.is_in()
        {
            self.marks.clear(marks::STOP.with(marks::URGED));
            self.call(id, desk, Call::Stop);
        }
    }

    /// Notes that an event spoke of the end of the input, or of an error.
    #[cold]
    pub(super) fn note_end(&mut self, is_error: bool) {
        self.marks.set(marks::READABLE.with(marks::HANGUP));
        if is_error {
            self.marks.set(marks::BROKEN);
            // The next write will tell.
            self.marks.clear(marks::BLOCKED);
        }
    }

    /// A handler that sends no more: the peer is told so behind everything that was sent. With
    /// both directions ended there is no connection any more.
    pub(super) fn shut_when_sent(&mut self) {
        if self.link != Link::Open || self.output_len() > 0 {
            return;
        }
        if !self.marks.has(marks::SHUT) {
            self.marks.set(marks::SHUT);
            if let Err(error) = self.transport.shutdown_write() {
                self.fail(Close::Io(error.kind()));
            }
        }
        if self.marks.has(marks::EOF) {
            self.end(Close::Eof);
        }
    }

    /// Ends the connection in good order: what was written is still sent. The first reason
    /// stays.
    pub(super) fn end(&mut self, why: Close) {
        if self.link == Link::Open {
            self.link = Link::Closing;
            if self.has_input() {
                self.marks.set(marks::UNREAD);
            }
            self.leftovers().why.get_or_insert(why);
        }
    }

    /// Gives up its input. The handler may still say so to the peer.
    pub(super) fn reject(&mut self, id: Id, why: Close, desk: &mut Desk) {
        if let Some(Err(why)) = self.call(id, desk, Call::Reject(why)) {
            self.end_rejected(why, desk);
        }
    }

    /// Ends the connection, whose input was given up: at once if nobody had anything to say.
    pub(super) fn end_rejected(&mut self, why: Close, desk: &Desk) {
        let is_silent = desk.record.out.is_empty() && self.output_len() == 0;
        if is_silent && self.link == Link::Open && matches!(why, Close::Timeout(_)) {
            self.fail(why);
        } else {
            self.end(why);
        }
    }

    /// Ends the connection at once.
    pub(super) fn fail(&mut self, why: Close) {
        if self.link < Link::Lingering {
            self.leftovers().why = Some(why);
        }
        self.link = Link::Closed;
    }

    /// Takes leave of the handler once everything is sent, or nothing can be, and it is here. Tells
    /// whether the connection is over but for the peer.
    pub(super) fn conclude(&mut self, id: Id, input: &mut [u8], desk: &mut Desk) -> bool {
        if self.link == Link::Closing && self.output_len() > 0 {
            return false;
        }
        if !self.retire(id, desk) {
            return false;
        }
        if self.link == Link::Closing && self.must_linger(input) {
            self.start_lingering(input, desk);
        } else {
            self.link = Link::Closed;
        }
        true
    }

    /// Says goodbye to the handler. Whatever it writes now has nowhere to go. Tells whether that
    /// is done, or the handler is with a worker.
    pub(super) fn retire(&mut self, id: Id, desk: &mut Desk) -> bool {
        if !self.is_in() {
            return false;
        }
        if !self.marks.has_any(marks::NEW.with(marks::TOLD)) {
            self.marks.set(marks::TOLD);
            let why = self.why();
            self.make(id, desk, Call::Close(&why));
            if !self.is_in() {
                return false;
            }
        }
        if let Some(handler) = self.handler.take() {
            panics::drop_quietly(handler);
        }
        desk.record.out.clear();
        // Wishes for this connection are void; those for others still count.
        for effect in desk.record.effects.drain(..) {
            match effect {
                Effect::Send(..)
                | Effect::Publish(..)
                | Effect::Forward(..)
                | Effect::Tell(..)
                | Effect::Connect(..) => desk.outward.push_back((id, effect)),
                void => panics::drop_quietly(void),
            }
        }
        let Some(leftovers) = &mut self.leftovers else { return true };
        panics::drop_quietly(std::mem::take(&mut leftovers.work));
        for (from, note) in leftovers.notes.drain(..) {
            let undelivered = Effect::Tell(from, Box::new(Undelivered { to: id, note }));
            desk.outward.push_back((Id::NOBODY, undelivered));
        }
        true
    }

    /// Whether the peer has sent what nobody read, or is about to.
    fn must_linger(&mut self, input: &mut [u8]) -> bool {
        if self.marks.has(marks::EOF) {
            return false;
        }
        if self.marks.has(marks::READABLE) && !self.marks.has(marks::UNREAD) {
            self.probe(input);
        }
        self.marks.has(marks::UNREAD)
            || matches!(self.why(), Close::Malformed { .. } | Close::InputLimit | Close::Timeout(_))
    }

    fn start_lingering(&mut self, input: &mut [u8], desk: &mut Desk) {
        self.link = Link::Lingering;
        let leftovers = self.leftovers();
        leftovers.input = Vec::new();
        leftovers.linger_left = desk.limits.linger_bytes;
        self.watch(Watch::Linger, desk);
        match self.transport.shutdown_write() {
            Ok(()) => self.linger(input, desk),
            Err(_) => self.link = Link::Closed,
        }
    }

    pub(super) fn why(&self) -> Close {
        self.leftovers.as_ref().and_then(|l| l.why.clone()).unwrap_or(Close::Done)
    }

    /// Finds out whether there is unread input where there may be.
    pub(super) fn probe(&mut self, input: &mut [u8]) {
        match self.transport.read(&mut input[..READ_SIZE]) {
            Ok(0) => self.marks.set(marks::EOF),
            Ok(_) => self.marks.set(marks::UNREAD),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.marks.clear(marks::READABLE);
            }
            // The next use of the socket will tell.
            Err(_) => self.marks.set(marks::UNREAD),
        }
    }

    /// Throws input away until the peer closes, or there has been enough of it.
    pub(super) fn linger(&mut self, input: &mut [u8], desk: &mut Desk) {
        let mut budget = desk.limits.read_budget;
        while self.link == Link::Lingering && self.marks.has(marks::READABLE) && budget > 0 {
            let Some(n) = self.read(&mut input[..READ_SIZE], desk) else { continue };
            let price = self.price(n);
            budget = budget.saturating_sub(price);
            let leftovers = self.leftovers();
            leftovers.linger_left = leftovers.linger_left.saturating_sub(price);
            if n == 0 || leftovers.linger_left == 0 {
                self.link = Link::Closed;
            }
        }
    }
}
