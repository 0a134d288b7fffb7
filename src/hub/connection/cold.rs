//! The parts of a connection that exist only when needed: unused input, unsent output, due calls
//! and work, and its ties to other connections. Must not know the socket or the handler.

use std::collections::VecDeque;

use super::write_queue::WriteQueue;
use crate::close::Close;
use crate::handler::effect::{Follow, Work};
use crate::handler::notification::{Notification, Ticket};
use crate::hub::time::sweep::Tick;
use crate::id::Id;

/// The cold part of a connection. An idle connection has none.
#[derive(Default)]
pub(in crate::hub) struct Cold {
    /// Bytes that the handler has not used yet.
    pub(super) input: Vec<u8>,
    pub(super) output: WriteQueue,
    /// The wait of the handler, while its output is above the high watermark.
    pub(super) follow: Follow,
    /// Set if nothing is written in this turn: see [`gate`](Cold::gate).
    is_gated: bool,
    /// The reason for the end, once it has begun.
    why: Option<Close>,
    rest: Rest,
    /// Notifications for the handler, each with its sender.
    notifications: VecDeque<(Id, Notification)>,
    /// The number of bytes in published messages among them.
    published_bytes: usize,
    /// The keys of timers that have fired: `on_timer` is due.
    rung: VecDeque<u64>,
    offload: Offload,
    /// Connections that forwarded to this one, paused until its output is low again.
    waiting_senders: Vec<Id>,
    /// The number of lists of throttled connections that contain this one.
    throttles: usize,
}

/// The bound of the input that comes after the end of the output.
#[derive(Default)]
enum Rest {
    #[default]
    None,
    /// The output has failed: this number of bytes is still offered to the handler.
    Offered(usize),
    /// The output has ended: input is discarded until this time.
    Discarded(Tick),
}

/// Work offloaded by the handler.
#[derive(Default)]
enum Offload {
    #[default]
    Idle,
    /// One piece is running or waits for a worker; these follow it.
    Busy(VecDeque<(Ticket, Work)>),
}

impl Cold {
    /// Returns true if it is empty.
    pub(super) fn is_idle(&self) -> bool {
        self.input.is_empty()
            && self.output.is_empty()
            && !self.is_gated
            && self.why.is_none()
            && matches!(self.rest, Rest::None)
            && self.notifications.is_empty()
            && self.rung.is_empty()
            && matches!(self.offload, Offload::Idle)
            && self.waiting_senders.is_empty()
            && self.throttles == 0
    }

    /// Stops writes until the next turn: messages for another shard must arrive there before the
    /// peer sees the output.
    pub(in crate::hub) fn gate(&mut self) {
        self.is_gated = true;
    }

    pub(in crate::hub) fn ungate(&mut self) {
        self.is_gated = false;
    }

    pub(super) fn is_gated(&self) -> bool {
        self.is_gated
    }

    pub(super) fn why(&self) -> Option<&Close> {
        self.why.as_ref()
    }

    /// Notes a graceful end. An earlier reason stays.
    pub(super) fn note_end(&mut self, why: Close) {
        self.why.get_or_insert(why);
    }

    /// Notes a cut, whose reason replaces any other.
    pub(super) fn note_cut(&mut self, why: Close) {
        self.why = Some(why);
    }

    /// Limits the input that is offered after the output has failed.
    pub(super) fn offer_rest(&mut self, bytes: usize) {
        self.rest = Rest::Offered(bytes);
    }

    /// Counts offered input. Returns true if the limit has been reached.
    pub(super) fn spend_rest(&mut self, bytes: usize) -> bool {
        if let Rest::Offered(left) = &mut self.rest {
            *left = left.saturating_sub(bytes);
            return *left == 0;
        }
        false
    }

    pub(super) fn discard_rest(&mut self, until: Tick) {
        self.rest = Rest::Discarded(until);
    }

    /// Returns the end of lingering.
    pub(super) fn lingers_until(&self) -> Tick {
        match self.rest {
            Rest::Discarded(until) => until,
            Rest::None | Rest::Offered(_) => Tick::NEVER,
        }
    }
}

/// Calls of the handler that are due.
impl Cold {
    pub(in crate::hub) fn push_notification(&mut self, from: Id, notification: Notification) {
        if let Notification::Published(_, bytes) = &notification {
            self.published_bytes += bytes.len();
        }
        self.notifications.push_back((from, notification));
    }

    pub(super) fn pop_notification(&mut self) -> Option<(Id, Notification)> {
        let (from, notification) = self.notifications.pop_front()?;
        if let Notification::Published(_, bytes) = &notification {
            self.published_bytes -= bytes.len();
        }
        Some((from, notification))
    }

    /// Drops the oldest published message.
    pub(in crate::hub) fn drop_oldest_published(&mut self) {
        let is_published = |(_, n): &(Id, Notification)| matches!(n, Notification::Published(..));
        let at = self.notifications.iter().position(is_published);
        if let Some((_, Notification::Published(_, bytes))) =
            at.and_then(|at| self.notifications.remove(at))
        {
            self.published_bytes -= bytes.len();
        }
    }

    pub(in crate::hub) fn has_notifications(&self) -> bool {
        !self.notifications.is_empty()
    }

    /// Returns the bytes of published messages that wait for the handler.
    pub(in crate::hub) fn published_bytes(&self) -> usize {
        self.published_bytes
    }

    /// Notes that a timer has fired. Firing again before the call counts once.
    pub(in crate::hub) fn push_rung(&mut self, key: u64) {
        if !self.rung.contains(&key) {
            self.rung.push_back(key);
        }
    }

    pub(super) fn pop_rung(&mut self) -> Option<u64> {
        self.rung.pop_front()
    }

    #[cfg(debug_assertions)]
    pub(in crate::hub) fn has_rung(&self) -> bool {
        !self.rung.is_empty()
    }

    /// Drops the pending call of a timer that was set again or cancelled.
    pub(super) fn forget_rung(&mut self, key: u64) {
        self.rung.retain(|rung| *rung != key);
    }

    pub(super) fn forget_all_rung(&mut self) {
        self.rung.clear();
    }
}

/// Offloaded work.
impl Cold {
    /// Adds a piece of work. Returns true if the connection had none.
    pub(in crate::hub) fn push_work(&mut self, ticket: Ticket, work: Work) -> bool {
        match &mut self.offload {
            Offload::Idle => {
                self.offload = Offload::Busy(VecDeque::from([(ticket, work)]));
                true
            }
            Offload::Busy(waiting) => {
                waiting.push_back((ticket, work));
                false
            }
        }
    }

    /// Takes the next piece of work.
    pub(in crate::hub) fn pop_work(&mut self) -> Option<(Ticket, Work)> {
        match &mut self.offload {
            Offload::Idle => None,
            Offload::Busy(waiting) => waiting.pop_front(),
        }
    }

    /// Notes that a piece of work is done. Returns true if there is another one.
    pub(in crate::hub) fn finish_work(&mut self) -> bool {
        match &self.offload {
            Offload::Busy(waiting) if !waiting.is_empty() => true,
            _ => {
                self.offload = Offload::Idle;
                false
            }
        }
    }

    /// Returns true if a piece of work is running or waits.
    pub(super) fn has_work(&self) -> bool {
        matches!(self.offload, Offload::Busy(_))
    }

    /// Takes the work that is not with the workers. Returns `None` if there was no work at all.
    pub(super) fn take_all_work(&mut self) -> Option<VecDeque<(Ticket, Work)>> {
        match std::mem::take(&mut self.offload) {
            Offload::Idle => None,
            Offload::Busy(waiting) => Some(waiting),
        }
    }
}

/// Backpressure between connections.
impl Cold {
    /// Adds a sender that waits until the output is low, unless it was the last to be added. A
    /// sender of another shard is added each time that it forwards, and released as often.
    pub(in crate::hub) fn await_low(&mut self, sender: Id, is_remote: bool) -> bool {
        let must_wait = is_remote || self.waiting_senders.last() != Some(&sender);
        if must_wait {
            self.waiting_senders.push(sender);
        }
        must_wait
    }

    /// Returns true if a sender waits until the output is low.
    pub(in crate::hub) fn is_awaited_by(&self, sender: Id) -> bool {
        self.waiting_senders.contains(&sender)
    }

    pub(in crate::hub) fn waiting_senders(&self) -> &[Id] {
        &self.waiting_senders
    }

    pub(super) fn take_waiting_senders(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.waiting_senders)
    }

    pub(super) fn throttle(&mut self) {
        self.throttles += 1;
    }

    /// Removes one throttle. Returns true if it was the last.
    pub(super) fn unthrottle(&mut self) -> bool {
        self.throttles = self.throttles.saturating_sub(1);
        self.throttles == 0
    }

    #[cfg(debug_assertions)]
    pub(in crate::hub) fn throttles(&self) -> usize {
        self.throttles
    }
}
