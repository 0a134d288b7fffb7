//! Effects on other connections, caused by handlers, other threads and other shards. The second
//! part of [`Hub`]; runs between two passes, never within one.

use std::io;

use super::Hub;
use super::connection::states::Life;
use super::post::{drop_undeliverable, post};
use super::pubsub::Memberships;
use super::pubsub::log::Slice;
use super::shards::ShardMessage;
use super::transport::Transport;
use super::turn::Action;
use crate::exec::Call;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::effect::{Delivery, Effect};
use crate::handler::notification::Notification;
use crate::handler::payload::Payload;
use crate::id::Id;
use crate::limits::Limits;
use crate::net::local::Local;
use crate::net::peer::Peer;
use crate::panics;
use crate::topic::Topic;

impl<T: Transport> Hub<T> {
    /// Applies pending actions until none are left: the end of a connection may cause more.
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
                Action::Return { to, notification: Notification::Message(message) } => {
                    self.notify(Id::NOBODY, id, Notification::Undelivered { to, message });
                }
                // Only messages are returned.
                Action::Return { notification, .. } => panics::drop_quietly(notification),
            }
        }
        self.connections.turn_mut().pending.shrink();
    }

    /// Applies an effect that does not concern the connection's own bytes.
    fn apply(&mut self, from: Id, effect: Effect) {
        match effect {
            Effect::SetTimer { key, at_ms, period_ms } => {
                self.connections.set_timer(from, key, at_ms, period_ms);
            }
            Effect::CancelTimer(key) => self.connections.cancel_timer(from, key),
            Effect::CancelTimers => self.connections.cancel_timers(from),
            Effect::Send(to, bytes) => match self.shards.other_shard_of(to) {
                Some(shard) => self.post(shard, from, ShardMessage::Send(to, bytes)),
                None => self.send(to, &bytes),
            },
            Effect::Join(topic, delivery) => self.join(from, &topic, delivery),
            Effect::Leave(topic) => self.leave(from, &topic),
            Effect::Publish(topic, payload) => self.publish(from, &topic, payload),
            Effect::Forward(to, bytes) => self.forward(from, to, bytes),
            Effect::Notify(to, message) => self.notify(from, to, Notification::Message(message)),
            Effect::Connect(dial) => self.dials.push(*dial),
            Effect::Offload(ticket, work) => {
                self.offloads.add(from, ticket, work, &mut self.connections);
            }
            #[cfg(feature = "backplane")]
            Effect::Link(attempt, event) => {
                if let Some(mut desk) = self.desk() {
                    desk.on_link(from, attempt, event);
                }
            }
            #[cfg(feature = "backplane")]
            Effect::Presence(ticket, request) => {
                if let Some(mut desk) = self.desk() {
                    desk.ask(from, ticket, *request);
                }
            }
            // Applied by the connection itself.
            Effect::Close(_)
            | Effect::Reset(_)
            | Effect::Pause(_)
            | Effect::Resume
            | Effect::Finish => {}
            #[cfg(feature = "files")]
            Effect::SendFile(..) => {}
            // From a handler whose connection was not established.
            Effect::Upgrade(to) => panics::drop_quietly(to),
        }
    }

    /// Applies a command of another thread.
    pub(crate) fn obey(&mut self, effect: Effect) {
        self.apply(Id::NOBODY, effect);
    }

    /// Returns true if a command of another thread has to wait, because a thread cannot be
    /// throttled as a connection can.
    pub(crate) fn must_wait(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Publish(topic, _) => {
                #[cfg(feature = "backplane")]
                if self.shared_topics.as_ref().is_some_and(|it| it.shares(topic) && it.holds()) {
                    return true;
                }
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

/// Bytes and notifications for other connections.
impl<T: Transport> Hub<T> {
    fn send(&mut self, to: Id, bytes: &[u8]) {
        if self.connections.has_room(to) {
            self.connections.deliver(to, bytes);
        }
    }

    /// Forwards bytes, and throttles the sender above the high watermark. That bounds them, so the
    /// hard watermark does not apply.
    fn forward(&mut self, from: Id, to: Id, bytes: Box<[u8]>) {
        let Some(shard) = self.shards.other_shard_of(to) else {
            if self.forward_here(from, to, &bytes) {
                self.connections.throttle(from);
            }
            return;
        };
        // The sender waits until the shard has taken the bytes, which bounds them without knowing
        // the receiver's output. Other threads cannot be throttled.
        if from != Id::NOBODY && self.shards.await_forwarded(shard, from) {
            self.connections.throttle(from);
        }
        self.post(shard, from, ShardMessage::Forward { from, to, bytes });
    }

    /// Returns true if the sender must wait: the receiver's output is above the high watermark, and
    /// the sender was added to its list.
    fn forward_here(&mut self, from: Id, to: Id, bytes: &[u8]) -> bool {
        let Limits { output_high: high, output_hard: hard, .. } =
            self.connections.turn().config.limits;
        // A timer or a notification may have a throttled handler forward more: the hard watermark
        // bounds that.
        let exceeds = self.connections.get_mut(to).is_some_and(|receiver| {
            receiver.output_len() > hard
                && receiver.cold_if_any().is_some_and(|cold| cold.is_awaited_by(from))
        });
        if exceeds && !self.connections.has_room(to) || !self.connections.deliver(to, bytes) {
            return false;
        }
        let is_remote = self.shards.other_shard_of(from).is_some();
        let receiver = self.connections.get_mut(to).filter(|c| c.output_len() >= high);
        receiver.is_some_and(|receiver| receiver.cold_mut().await_low(from, is_remote))
    }

    /// Notifies a handler in the next turn. An undeliverable message is returned, once.
    pub(super) fn notify(&mut self, from: Id, to: Id, notification: Notification) {
        if let Some(shard) = self.shards.other_shard_of(to) {
            return self.post(shard, from, ShardMessage::Notify { from, to, notification });
        }
        match self.connections.get_mut(to) {
            Some(connection) if connection.state().is_open() => {
                connection.cold_mut().push_notification(from, notification);
                self.connections.queue(to);
            }
            _ if from == Id::NOBODY => panics::drop_quietly(notification),
            _ => {
                let pending = &mut self.connections.turn_mut().pending;
                pending.push(from, Action::Return { to, notification });
            }
        }
    }

    /// Removes one throttle of a connection.
    fn unthrottle(&mut self, id: Id) {
        match self.shards.other_shard_of(id) {
            Some(shard) => self.post(shard, Id::NOBODY, ShardMessage::Unthrottle(id)),
            None => self.connections.unthrottle(id),
        }
    }

    /// Calls the handler of a connection that could not be established.
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
    fn join(&mut self, id: Id, topic: &Topic, delivery: Delivery) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        // A connection with complete output receives no more.
        if connection.state().life() < Life::Lingering {
            self.topics.join(id, topic, delivery);
            connection.set_memberships(self.topics.memberships(id));
            self.announce_changes();
        }
    }

    /// Ends a membership, after the messages published before.
    fn leave(&mut self, id: Id, topic: &Topic) {
        let (delivery, undelivered) = self.topics.undelivered(id, topic);
        for message in undelivered {
            match delivery {
                Delivery::Output | Delivery::Packed => {
                    let all = 0..message.len();
                    self.connections.receive(id, Slice::new(&message, all, &mut None));
                }
                #[cfg(feature = "backplane")]
                Delivery::Nothing => {}
                Delivery::Handler => {
                    self.connections.notify_published(id, topic, message.into());
                }
            }
        }
        let released = self.topics.leave(id, topic);
        self.connections.turn_mut().pending.unthrottle(released);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.set_memberships(self.topics.memberships(id));
            // A message from one of several topics would wait for a delivery.
            self.connections.queue_if_able(id);
        }
        self.announce_changes();
    }

    /// Ends the memberships of a closed connection.
    fn leave_all(&mut self, id: Id) {
        let released = self.topics.leave_all(id);
        self.connections.turn_mut().pending.unthrottle(released);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.set_memberships(Memberships::None);
        }
        self.announce_changes();
    }

    /// Publishes a payload to all members of `topic` except the author: at the end of the turn
    /// here, and once to each other shard with members.
    fn publish(&mut self, author: Id, topic: &Topic, payload: Payload) {
        self.connections.turn().meter.counters.published.add(1);
        #[cfg(feature = "backplane")]
        if self.shared_topics.as_ref().is_some_and(|shared| shared.shares(topic))
            && let Some(mut desk) = self.desk()
        {
            return desk.publish(author, topic, payload);
        }
        let shards = self.shards.interested_in(topic);
        let payload = if shards.is_empty() { payload } else { payload.shared() };
        if self.publish_here(author, topic, &payload) {
            self.connections.throttle(author);
        }
        if payload.as_bytes().is_empty() {
            return;
        }
        for (shard, serial) in shards {
            let (topic, payload) = (topic.clone(), payload.clone());
            self.post(shard, author, ShardMessage::Publish { author, topic, serial, payload });
        }
    }

    /// Returns true if the author must be throttled. An author of another shard is throttled there.
    fn publish_here(&mut self, author: Id, topic: &Topic, payload: &Payload) -> bool {
        let is_here = self.shards.other_shard_of(author).is_none();
        match self.topics.publish(author, topic, payload) {
            Some(throttled) if is_here && throttled.last() != Some(&author) => {
                throttled.push(author);
                true
            }
            _ => false,
        }
    }

    /// Announces changes of local topics to the other shards.
    fn announce_changes(&mut self) {
        let changes = self.topics.take_changes();
        #[cfg(feature = "backplane")]
        if let Some(shared) = &mut self.shared_topics {
            changes.iter().for_each(|change| shared.note_change(&change.topic));
        }
        self.shards.announce(changes);
    }
}

/// Other shards.
impl<T: Transport> Hub<T> {
    fn post(&mut self, shard: usize, from: Id, message: ShardMessage) {
        post(&mut self.shards, &mut self.connections, shard, from, message);
    }

    /// Handles messages of other shards within the budget. A message to a congested topic waits,
    /// and so do all after it: messages are handled in the order of sending.
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
                ShardMessage::Publish { author, topic, serial, payload } => {
                    // The members at that time may have left, and others joined.
                    if self.topics.serial_of(&topic) == Some(serial) {
                        self.publish_here(author, &topic, &payload);
                    }
                }
                ShardMessage::Notify { from, to, notification } => {
                    self.notify(from, to, notification)
                }
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
                #[cfg(feature = "backplane")]
                ShardMessage::Export { author, topic, payload } => {
                    if let Some(mut desk) = self.desk() {
                        desk.publish(author, &topic, payload);
                    }
                }
                #[cfg(feature = "backplane")]
                ShardMessage::Presence { from, ticket, request } => {
                    if let Some(mut desk) = self.desk() {
                        desk.ask(from, ticket, request);
                    }
                }
                #[cfg(feature = "backplane")]
                ShardMessage::Hold(is_held) => {
                    if let Some(mut desk) = self.desk() {
                        desk.note_hold(is_held);
                    }
                }
                // Handled on arrival.
                ShardMessage::Interest { .. } => {}
            }
        }
    }

    /// Handles the end of a shard: releases connections that wait for it, and drops messages to it.
    pub(crate) fn close_shard(&mut self, shard: usize) {
        #[cfg(feature = "backplane")]
        if let Some(shared) = &mut self.shared_topics {
            shared.note_end();
        }
        let (released, messages) = self.shards.close(shard);
        for id in released {
            self.unthrottle(id);
        }
        for message in messages {
            drop_undeliverable(&mut self.connections, message);
        }
    }
}
