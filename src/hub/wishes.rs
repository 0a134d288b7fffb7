//! What handlers wished for others than their own connection, or of the hub itself. The second
//! half of [`Hub`]; runs between two connections, never within one.

use super::connection::Link;
use super::transport::Transport;
use super::{Hub, lookup, marks};
use crate::context::Effect;
use crate::{Close, Id};

impl<T: Transport> Hub<T> {
    /// What pumped connections wished for others, and those who ended over it for yet others.
    pub(super) fn apply_outward(&mut self) {
        while let Some((from, effect)) = self.desk.outward.pop_front() {
            self.apply(from, effect);
        }
    }

    /// Applies a wish that is not about the connection's own bytes.
    fn apply(&mut self, from: Id, effect: Effect) {
        match effect {
            Effect::WakeAt(at_ms) => {
                if let Some(connection) = lookup(&mut self.table, from) {
                    connection.marks.set(marks::TIMED);
                    self.timers.set(from, at_ms);
                }
            }
            Effect::CancelWake => {
                if let Some(connection) = lookup(&mut self.table, from) {
                    connection.marks.clear(marks::TIMED);
                    self.timers.cancel(from);
                }
            }
            Effect::Send(to, bytes) => self.deliver(to, &bytes),
            Effect::Join(topic) => self.join(from, &topic),
            Effect::Leave(topic) => self.leave(from, &topic),
            Effect::Publish(topic, bytes) => self.publish(from, &topic, &bytes),
            // The connection has applied these itself.
            Effect::Close(_) | Effect::Pause | Effect::Resume | Effect::Upgrade(_) => {}
        }
    }

    /// Hands bytes of one connection to another; they leave with its next pump.
    pub(crate) fn deliver(&mut self, to: Id, bytes: &[u8]) {
        let Some(connection) = lookup(&mut self.table, to) else {
            return;
        };
        if connection.link != Link::Open {
            return;
        }
        if connection.output_len() > self.desk.limits.output_hard && !self.relieve(to) {
            return;
        }
        let Some(connection) = lookup(&mut self.table, to) else {
            return;
        };
        connection.leftovers().output.push(bytes);
        if connection.output_len() >= self.desk.limits.output_high {
            connection.marks.set(marks::FULL);
        }
        if !connection.marks.has(marks::BLOCKED) {
            self.queue(to);
        }
    }

    /// Tries to send what waits for a connection above the hard mark: it is slow only if its
    /// socket says so. Ends it if it is.
    fn relieve(&mut self, id: Id) -> bool {
        let Some(connection) = lookup(&mut self.table, id) else { return false };
        connection.flush(&mut self.desk);
        if connection.link == Link::Closed {
            self.bury(id);
            return false;
        }
        if connection.output_len() > self.desk.limits.output_hard {
            self.end_now(id, Close::SlowConsumer);
            return false;
        }
        true
    }
}
