//! How what was published reaches its members: one write each for all of a turn's messages. The
//! third part of [`Hub`]; runs after the connections of the turn have been pumped.

use super::connection::{Connection, Link};
use super::desk::{Desk, OUT_KEPT, Progress};
use super::feed::Share;
use super::topics::Memberships;
use super::transport::Transport;
use super::{Hub, lookup, marks};
use crate::close::Close;
use crate::id::Id;
use crate::limits::SlowConsumer;
use crate::topic::Topic;

/// What the deliveries of one turn may cost, in bytes. A room of 10,000 takes several turns, and
/// everybody else is served in between.
const BUDGET: usize = 2 * 1024 * 1024;
/// A write costs at least as much as copying so many bytes.
pub(super) const WRITE_COST: usize = 512;

impl<T: Transport> Hub<T> {
    pub(super) fn join(&mut self, id: Id, topic: &Topic) {
        let Some(connection) = lookup(&mut self.table, id) else { return };
        // The one that has said goodbye gets nothing more.
        if connection.link < Link::Lingering {
            self.topics.join(id, topic);
            connection.note_memberships(self.topics.memberships(id));
        }
    }

    pub(super) fn leave(&mut self, id: Id, topic: &Topic) {
        for message in self.topics.unseen(id, topic) {
            let Some(connection) = lookup(&mut self.table, id) else { return };
            if connection.is_listening() {
                self.desk.meter.progress = Progress::default();
                let mut alone = None;
                let share = Share::new(&message, 0..message.len(), &mut alone);
                connection.receive(share, &mut self.desk);
                self.after_leaving(id);
            }
        }
        let released = self.topics.leave(id, topic);
        self.release(released);
        if let Some(connection) = lookup(&mut self.table, id) {
            connection.note_memberships(self.topics.memberships(id));
        }
    }

    /// What comes of the last messages of a member that leaves.
    fn after_leaving(&mut self, id: Id) {
        let Some(connection) = lookup(&mut self.table, id) else { return };
        if connection.link == Link::Closed {
            self.bury(id);
            return;
        }
        connection.renew_watch(&self.desk);
        self.sweep.note(connection.deadline);
        self.queue_if_able(id);
    }

    /// Ends all memberships of a connection that has ended.
    pub(super) fn leave_all(&mut self, id: Id) {
        let released = self.topics.leave_all(id);
        self.release(released);
    }

    /// Has `bytes` delivered to all members of `topic` but their author: here at the end of the
    /// turn.
    pub(super) fn publish(&mut self, author: Id, topic: &Topic, bytes: &[u8]) {
        self.desk.meter.counters.published.add(1);
        if self.publish_here(author, topic, bytes) {
            self.hold(author);
        }
        self.publish_abroad(author, topic, bytes);
    }

    /// The same for the members that are here. Tells whether the author must be held.
    pub(super) fn publish_here(&mut self, author: Id, topic: &Topic, bytes: &[u8]) -> bool {
        // An author of a sibling is held there.
        let is_here = self.siblings.home.abroad(author).is_none();
        match self.topics.publish(author, topic, bytes) {
            Some(held) if is_here && held.last() != Some(&author) => {
                held.push(author);
                true
            }
            _ => false,
        }
    }

    /// Serves the topics in turn, as far as the budget goes; the rest comes in the next turn.
    pub(super) fn fan_out(&mut self) {
        let mut budget = BUDGET;
        for _ in 0..self.topics.busy_len() {
            if budget == 0 {
                break;
            }
            self.serve_topic(&mut budget);
            let released = self.topics.yield_busy();
            self.release(released);
        }
        self.send_collected();
        self.apply_outward();
        if self.scratch.capacity() > OUT_KEPT {
            self.scratch = Vec::new();
        }
    }

    /// Gives the members of one topic what they have not seen of its pass.
    fn serve_topic(&mut self, budget: &mut usize) {
        let mut failed = Vec::new();
        let Hub { topics, table, desk, sweep, ready, collected, scratch, .. } = self;
        let Some(audience) = topics.next_busy() else { return };
        while *budget > 0 {
            let Some((id, positions)) = audience.next_member() else { break };
            let Some(connection) = lookup(table, id) else { continue };
            if positions.is_empty() || !connection.is_listening() {
                continue;
            }
            desk.meter.progress = Progress::default();
            if connection.transport.keeps_boundaries() {
                connection.receive_packets(id, audience, positions, budget, desk);
            } else {
                let feed = &mut audience.feed;
                let len = if feed.is_author(id) {
                    feed.gather(id, &positions, scratch);
                    connection.receive(Share::new(scratch, 0..scratch.len(), &mut None), desk)
                } else {
                    connection.receive(feed.share(&positions), desk)
                };
                *budget = budget.saturating_sub(len + WRITE_COST);
            }
            if connection.link == Link::Closed {
                failed.push(id);
                continue;
            }
            if connection.marks.has(marks::SEVERAL) && !connection.marks.has(marks::COLLECTS) {
                connection.marks.set(marks::COLLECTS);
                collected.push(id);
            }
            connection.renew_watch(desk);
            sweep.note(connection.deadline);
            if connection.queue_if_wanted(&desk.limits) {
                ready.push(id);
            }
        }
        for id in failed {
            self.bury(id);
        }
    }

    /// One write each for those who are members of several topics: until here they have only
    /// collected.
    fn send_collected(&mut self) {
        let mut collected = std::mem::take(&mut self.collected);
        for id in collected.drain(..) {
            let Some(connection) = lookup(&mut self.table, id) else { continue };
            connection.marks.clear(marks::COLLECTS);
            if connection.link == Link::Closed {
                // Another topic was too much for it.
                continue;
            }
            self.desk.meter.progress = Progress::default();
            connection.flush(&mut self.desk);
            if connection.link == Link::Closed {
                self.bury(id);
            } else {
                connection.renew_watch(&self.desk);
                self.sweep.note(connection.deadline);
                if connection.queue_if_wanted(&self.desk.limits) {
                    self.ready.push(id);
                }
            }
        }
        self.collected = collected;
    }
}

impl<T: Transport> Connection<T> {
    pub(super) fn note_memberships(&mut self, memberships: Memberships) {
        self.marks.clear(marks::JOINED.with(marks::SEVERAL));
        match memberships {
            Memberships::None => {}
            Memberships::One => self.marks.set(marks::JOINED),
            Memberships::Several => self.marks.set(marks::JOINED.with(marks::SEVERAL)),
        }
    }

    /// Gets what was published: at once if nothing waits, else behind what does. Returns how
    /// many bytes it was.
    pub(super) fn receive(&mut self, mut share: Share<'_>, desk: &mut Desk) -> usize {
        let len = share.bytes.len();
        if len == 0 {
            // Its own messages only.
            return 0;
        }
        let collects = self.marks.has(marks::SEVERAL);
        // One that only collects so far is slow no sooner than its socket says so.
        let must_try = !collects || self.output_len() > desk.limits.output_hard;
        if self.output_len() > 0 && !self.marks.has(marks::BLOCKED) && must_try {
            self.flush(desk);
        }
        if self.link == Link::Closed {
            return len;
        }
        let sent = if self.output_len() > 0 || collects {
            if !self.has_room_for(len, desk) {
                return len;
            }
            0
        } else {
            self.send(share.bytes, &mut desk.meter)
        };
        if sent < len && self.link != Link::Closed {
            let (slice, part) = share.keep(sent);
            let keeps_boundaries = self.transport.keeps_boundaries();
            let output = &mut self.leftovers().output;
            match keeps_boundaries {
                true => output.push_published_apart(slice, part),
                false => output.push_published(slice, part, sent > 0),
            }
        }
        if self.output_len() >= desk.limits.output_high {
            self.marks.set(marks::FULL);
        }
        len
    }

    /// Whether `len` more bytes may wait. A slow consumer meets its policy.
    fn has_room_for(&mut self, len: usize, desk: &Desk) -> bool {
        let hard = desk.limits.output_hard;
        // One that is kept from writing is not slow.
        if self.output_len() <= hard || self.is_deferred() {
            return true;
        }
        match desk.limits.slow_consumer {
            SlowConsumer::DropNewest => false,
            SlowConsumer::DropOldest => {
                self.leftovers().output.drop_oldest(hard.saturating_sub(len));
                if self.output_len() > hard {
                    // It is its own output that waits.
                    self.fail(Close::SlowConsumer);
                }
                self.link != Link::Closed
            }
            SlowConsumer::Close => {
                self.fail(Close::SlowConsumer);
                false
            }
        }
    }
}
