//! Effects on other connections: of handlers, of other threads and of other shards. The second part
//! of [`Hub`]; runs between two passes, never within one.

use std::io;
use std::sync::Arc;

use super::Hub;
use super::connection::state::Life;
use super::pubsub::Memberships;
use super::pubsub::log::Slice;
use super::shards::{Posted, ShardMessage};
use super::transport::Transport;
use super::turn::Action;
use crate::exec::Call;
use crate::handler::Handler;
use crate::handler::context::{Context, Effect, Notification, Undelivered};
use crate::id::Id;
use crate::net::local::Local;
use crate::net::peer::Peer;
use crate::panics;
use crate::topic::Topic;

impl<T: Transport> Hub<T> {
    /// Settles all pending actions: a connection that ends may leave more.
    #[inline(always)]
    pub(super) fn settle_pending(&mut self) {
        if self.connections.turn().pending.has_actions() {
            self.settle_all();
        }
    }

    fn settle_all(&mut self) {
        while let Some((id, action)) = self.connections.turn_mut().pending.pop() {
            match action {
                Action::Effect(effect) => self.apply(id, effect),
                Action::Unthrottle => self.unthrottle(id),
                Action::LeaveTopics => self.leave_all(id),
            }
        }
    }

    /// Applies an effect that is not about the connection's own bytes.
    fn apply(&mut self, from: Id, effect: Effect) {
        match effect {
            Effect::WakeAt(at_ms) => self.connections.set_timer(from, at_ms),
            Effect::CancelWake => self.connections.cancel_timer(from),
            Effect::Send(to, bytes) => match self.shards.other_shard_of(to) {
                Some(shard) => self.post(shard, from, ShardMessage::Send(to, bytes)),
                None => self.send(to, &bytes),
            },
            Effect::Join(topic) => self.join(from, &topic),
            Effect::Leave(topic) => self.leave(from, &topic),
            Effect::Publish(topic, bytes) => self.publish(from, &topic, &bytes),
            Effect::Forward(to, bytes) => self.forward(from, to, bytes),
            Effect::Notify(to, note) => self.notify(from, to, note),
            Effect::Connect(dial) => self.dials.push(*dial),
            Effect::Offload(work) => self.offloads.add(from, work, &mut self.connections),
            // The connection has applied these itself.
            Effect::Close(_)
            | Effect::Reset(_)
            | Effect::Pause
            | Effect::Resume
            | Effect::Finish => {}
            // Of a handler whose connection was not made.
            Effect::Upgrade(to) => panics::drop_quietly(to),
        }
    }

    /// Applies a command of another thread.
    pub(crate) fn obey(&mut self, effect: Effect) {
        self.apply(Id::NOBODY, effect);
    }

    /// Returns true if a command of another thread has to wait: a thread cannot be throttled as a
    /// connection can.
    pub(crate) fn must_wait(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Publish(topic, _) => {
                self.topics.is_congested(topic) || self.shards.is_any_congested()
            }
            Effect::Send(to, _) | Effect::Notify(to, _) => {
                let shard = self.shards.other_shard_of(*to);
                shard.is_some_and(|shard| self.shards.is_congested(shard))
            }
            _ => false,
        }
    }
}

/// Bytes and notes for other connections.
impl<T: Transport> Hub<T> {
    fn send(&mut self, to: Id, bytes: &[u8]) {
        if self.connections.has_room(to) {
            self.connections.deliver(to, bytes);
        }
    }

    /// Hands on bytes, and throttles their sender while there are too many. That bounds them, so
    /// the hard watermark does not count.
    fn forward(&mut self, from: Id, to: Id, bytes: Box<[u8]>) {
        let Some(shard) = self.shards.other_shard_of(to) else {
            if self.forward_here(from, to, &bytes) {
                self.connections.throttle(from);
            }
            return;
        };
        // The sender waits until the shard has taken it, which bounds what is in flight without
        // knowing how much output the receiver has. Other threads cannot be throttled.
        if from != Id::NOBODY && self.shards.await_forwarded(shard, from) {
            self.connections.throttle(from);
        }
        self.post(shard, from, ShardMessage::Forward { from, to, bytes });
    }

    /// Returns true if the sender must wait: the receiver's output is above the high watermark,
    /// and the sender in its list.
    fn forward_here(&mut self, from: Id, to: Id, bytes: &[u8]) -> bool {
        if !self.connections.deliver(to, bytes) {
            return false;
        }
        let high = self.connections.turn().config.limits.output_high;
        let is_remote = self.shards.other_shard_of(from).is_some();
        let receiver = self.connections.get_mut(to).filter(|c| c.output_len() >= high);
        receiver.is_some_and(|receiver| receiver.cold_mut().await_low(from, is_remote))
    }

    /// Has a handler told something in the next turn. A note that cannot be delivered comes back,
    /// once.
    pub(super) fn notify(&mut self, from: Id, to: Id, note: Notification) {
        if let Some(shard) = self.shards.other_shard_of(to) {
            return self.post(shard, from, ShardMessage::Notify { from, to, note });
        }
        match self.connections.get_mut(to) {
            Some(connection) if connection.state().is_open() => {
                connection.cold_mut().push_notification(from, note);
                self.connections.queue(to);
            }
            _ if from == Id::NOBODY => panics::drop_quietly(note),
            _ => self.notify(Id::NOBODY, from, Box::new(Undelivered { to, note })),
        }
    }

    /// Ends one of the reasons for which a connection is not read.
    fn unthrottle(&mut self, id: Id) {
        match self.shards.other_shard_of(id) {
            Some(shard) => self.post(shard, Id::NOBODY, ShardMessage::Unthrottle(id)),
            None => self.connections.unthrottle(id),
        }
    }

    /// Calls the handler whose connection could not be made.
    pub(crate) fn unreachable(
        &mut self,
        mut handler: Box<dyn Handler>,
        peer: &Peer,
        error: io::Error,
    ) {
        let turn = self.connections.turn_mut();
        turn.record.locals.select(Local::UNKNOWN);
        let mut cx = Context::new(Id::NOBODY, peer, &mut turn.record);
        let call = Call::Unreachable(error);
        let name = call.name();
        let result = call.make(&mut *handler, &mut cx);
        let counters = &turn.meter.counters;
        counters.unreachable.add(1);
        counters.calls.add(1);
        if let Some(slow) = turn.meter.stopwatch.lap(counters) {
            log::warn!("{peer}: {name} {slow}");
        }
        if let Err(said) = result {
            counters.panics.add(1);
            log::error!("{peer}: handler panicked: {said}");
        }
        panics::drop_quietly(handler);
        turn.record.out.clear();
        for effect in turn.record.effects.drain(..) {
            turn.pending.push_effect(Id::NOBODY, effect);
        }
        self.settle_pending();
    }
}

/// Topics.
impl<T: Transport> Hub<T> {
    fn join(&mut self, id: Id, topic: &Topic) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        // A connection that has said goodbye gets nothing more.
        if connection.state().life() < Life::Lingering {
            self.topics.join(id, topic);
            connection.set_memberships(self.topics.memberships(id));
            self.announce_changes();
        }
    }

    /// Ends a membership, after the messages that were published before.
    fn leave(&mut self, id: Id, topic: &Topic) {
        for message in self.topics.undelivered(id, topic) {
            self.connections.receive(id, Slice::new(&message, 0..message.len(), &mut None));
        }
        let released = self.topics.leave(id, topic);
        self.connections.turn_mut().pending.unthrottle(released);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.set_memberships(self.topics.memberships(id));
            // A message from one of several topics waits for the end of a delivery.
            self.connections.queue_if_able(id);
        }
        self.announce_changes();
    }

    /// Ends the memberships of a connection that has ended.
    fn leave_all(&mut self, id: Id) {
        let released = self.topics.leave_all(id);
        self.connections.turn_mut().pending.unthrottle(released);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.set_memberships(Memberships::None);
        }
        self.announce_changes();
    }

    /// Has `bytes` delivered to all members of `topic` but their author: at the end of the turn
    /// here, and once to each other shard that has members.
    fn publish(&mut self, author: Id, topic: &Topic, bytes: &[u8]) {
        self.connections.turn().meter.counters.published.add(1);
        if self.publish_here(author, topic, bytes) {
            self.connections.throttle(author);
        }
        let shards = self.shards.interested_in(topic);
        if shards.is_empty() || bytes.is_empty() {
            return;
        }
        let shared: Arc<[u8]> = bytes.into();
        for (shard, serial) in shards {
            let (topic, bytes) = (topic.clone(), Arc::clone(&shared));
            self.post(shard, author, ShardMessage::Publish { author, topic, serial, bytes });
        }
    }

    /// Returns true if the author must be throttled. An author of another shard is throttled there.
    fn publish_here(&mut self, author: Id, topic: &Topic, bytes: &[u8]) -> bool {
        let is_here = self.shards.other_shard_of(author).is_none();
        match self.topics.publish(author, topic, bytes) {
            Some(throttled) if is_here && throttled.last() != Some(&author) => {
                throttled.push(author);
                true
            }
            _ => false,
        }
    }

    /// Tells the other shards which topics have members here.
    fn announce_changes(&mut self) {
        self.shards.announce(self.topics.take_changes());
    }
}

/// Other shards.
impl<T: Transport> Hub<T> {
    /// Sends a message to another shard, and throttles its sender if too much is in flight.
    fn post(&mut self, shard: usize, from: Id, message: ShardMessage) {
        match self.shards.post(shard, from, message) {
            Posted::Sent => {}
            Posted::Congested => {
                self.connections.throttle(from);
            }
            Posted::Closed(message) => self.drop_undeliverable(message),
        }
    }

    /// Handles messages of other shards, as far as the turn allows. A message to a congested topic
    /// waits, and so do all after it: messages are handled in the order of sending.
    #[cold]
    pub(super) fn handle_inbox(&mut self) {
        for _ in 0..self.connections.turn().config.budgets.inbox {
            match self.shards.peek() {
                Some(ShardMessage::Publish { topic, .. }) if self.topics.is_congested(topic) => {
                    break;
                }
                _ => {}
            }
            let Some((shard, message)) = self.shards.pop() else { break };
            match message {
                ShardMessage::Send(to, bytes) => self.send(to, &bytes),
                ShardMessage::Publish { author, topic, serial, bytes } => {
                    // Those it was published for may have left, and others joined.
                    if self.topics.serial_of(&topic) == Some(serial) {
                        self.publish_here(author, &topic, &bytes);
                    }
                }
                ShardMessage::Notify { from, to, note } => self.notify(from, to, note),
                ShardMessage::Forward { from, to, bytes } => {
                    if !self.forward_here(from, to, &bytes) {
                        self.unthrottle(from);
                    }
                }
                ShardMessage::Unthrottle(id) => {
                    if self.shards.note_taken(shard, id) {
                        self.unthrottle(id);
                    }
                }
                ShardMessage::Credit(weight) => {
                    let released = self.shards.credit(shard, weight);
                    self.connections.turn_mut().pending.unthrottle(released);
                }
                // Taken when it came.
                ShardMessage::Interest { .. } => {}
            }
        }
    }

    /// A shard has ended: no connection waits for it any more, and messages to it come to nothing.
    pub(crate) fn close_shard(&mut self, shard: usize) {
        let (released, messages) = self.shards.close(shard);
        for id in released {
            self.unthrottle(id);
        }
        for message in messages {
            self.drop_undeliverable(message);
        }
    }

    /// A message cannot be delivered. The sender of a note hears of it.
    fn drop_undeliverable(&mut self, message: ShardMessage) {
        match message {
            ShardMessage::Notify { from, to, note } if self.connections.get_mut(from).is_some() => {
                self.notify(Id::NOBODY, from, Box::new(Undelivered { to, note }));
            }
            message => panics::drop_quietly(message),
        }
    }
}
