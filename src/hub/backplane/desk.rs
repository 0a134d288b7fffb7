//! The work for the topics that span several nodes, on the parts of the hub that it concerns. Runs
//! between two passes, never within one.

use super::home::Act;
use super::{HOME, Role, SharedTopics};
use crate::handler::effect::LinkEvent;
use crate::handler::notification::Ticket;
use crate::handler::payload::Payload;
use crate::handler::presence::Request;
use crate::hub::connections::Connections;
use crate::hub::post::post;
use crate::hub::pubsub::Topics;
use crate::hub::shards::{ShardMessage, Shards};
use crate::hub::transport::Transport;
use crate::id::Id;
use crate::topic::Topic;

/// The shared topics of a shard, with the parts of the hub that they use. Its methods are `cold`: a
/// server with local topics alone calls none, and has none of them in its turn.
pub(in crate::hub) struct Desk<'a, T> {
    pub(in crate::hub) shared: &'a mut SharedTopics,
    pub(in crate::hub) topics: &'a mut Topics,
    pub(in crate::hub) shards: &'a mut Shards,
    pub(in crate::hub) connections: &'a mut Connections<T>,
}

impl<T: Transport> Desk<'_, T> {
    /// Publishes to a topic that spans several nodes. The author waits while the engine is slow.
    #[cold]
    pub(in crate::hub) fn publish(&mut self, author: Id, topic: &Topic, payload: Payload) {
        if payload.as_bytes().is_empty() {
            return;
        }
        let now = self.connections.turn().record.now;
        match &mut self.shared.role {
            Role::Home(home) => {
                home.publish(topic, author, payload.as_bytes(), now);
                self.carry_out();
            }
            Role::Branch => {
                let topic = topic.clone();
                self.post(HOME, author, ShardMessage::Export { author, topic, payload });
            }
        }
        let is_here = author != Id::NOBODY && self.shards.other_shard_of(author).is_none();
        if is_here
            && self.shared.holds()
            && self.shared.throttled.last() != Some(&author)
            && self.connections.throttle(author)
        {
            self.shared.throttled.push(author);
        }
    }

    /// Notes whether the exchange holds publishers.
    pub(in crate::hub) fn note_hold(&mut self, is_held: bool) {
        self.shared.is_held = is_held;
        if !is_held {
            self.release();
        }
    }

    fn release(&mut self) {
        let released = std::mem::take(&mut self.shared.throttled);
        self.connections.turn_mut().pending.unthrottle(released);
    }

    /// Asks the engine about names; the answer is a notification.
    #[cold]
    pub(in crate::hub) fn ask(&mut self, from: Id, ticket: Ticket, request: Request) {
        match &mut self.shared.role {
            Role::Home(home) => {
                home.ask(from, ticket, request);
                self.carry_out();
            }
            Role::Branch => {
                self.post(HOME, from, ShardMessage::Presence { from, ticket, request });
            }
        }
    }

    /// Takes an event of the connection to the engine.
    #[cold]
    pub(in crate::hub) fn on_link(&mut self, id: Id, attempt: u64, event: LinkEvent) {
        let now = self.connections.turn().record.now;
        if let Some(home) = self.shared.home_mut() {
            home.on_link(id, attempt, event, now);
            // The exchange probes it, and gives it up when the engine is silent.
            self.connections.set_lasting(home.link().unwrap_or(Id::NOBODY));
            self.carry_out();
        }
    }

    /// Tells publishers of messages that will not be sent, because the server stops: before their
    /// connections end.
    #[cold]
    pub(in crate::hub) fn stop(&mut self) {
        let now = self.connections.turn().record.now;
        if let Some(home) = self.shared.home_mut() {
            home.stop(now);
            self.carry_out();
        }
    }

    /// Asks the engine for everything that this turn has brought.
    #[cold]
    pub(in crate::hub) fn tend(&mut self) {
        let turn = self.connections.turn();
        let (now, is_stopping) = (turn.record.now, turn.record.stopping.is_on());
        let Some(home) = self.shared.home_mut() else { return };
        for topic in home.take_changes() {
            let has_members =
                self.topics.serial_of(&topic).is_some() || self.shards.has_interest(&topic);
            home.set_watched(topic, has_members, now);
        }
        let is_over = is_stopping
            && self.shards.have_ended()
            && self.connections.table().len() <= usize::from(home.link().is_some())
            && !home.is_sending();
        match is_over {
            true => home.end(),
            false => home.turn(now),
        }
        self.carry_out();
        self.announce_hold();
    }

    /// Tells the other shards whether publishers are held.
    fn announce_hold(&mut self) {
        let is_held = self.shared.holds();
        if is_held == self.shared.is_held {
            // The window may have been full within this turn.
            if !is_held {
                self.release();
            }
            return;
        }
        self.note_hold(is_held);
        for shard in self.shards.others() {
            self.post(shard, Id::NOBODY, ShardMessage::Hold(is_held));
        }
    }

    /// Carries out the requests of the exchange.
    fn carry_out(&mut self) {
        let Some(home) = self.shared.home_mut() else { return };
        let link = home.link();
        let mut acts = home.take_acts();
        for act in acts.drain(..) {
            match act {
                Act::Publish { author, topic, payload } => {
                    self.deliver(link, author, &topic, payload);
                }
                Act::Effect(effect) => {
                    self.connections.turn_mut().pending.push_effect(Id::NOBODY, effect);
                }
                // In one write, in this turn.
                Act::Write(id, bytes) => {
                    if self.connections.deliver(id, &bytes) {
                        self.connections.flush(id);
                    }
                }
                Act::Cut(id, why) => self.connections.cut(id, why),
            }
        }
        if let Some(home) = self.shared.home_mut() {
            home.put_back(acts);
        }
    }

    /// Delivers a message of the exchange to the members of all shards. If a topic is congested,
    /// the engine is not read until it is not.
    fn deliver(&mut self, link: Option<Id>, author: Id, topic: &Topic, payload: Payload) {
        let shards = self.shards.interested_in(topic);
        let payload = if shards.is_empty() { payload } else { payload.shared() };
        let reader = link.unwrap_or(Id::NOBODY);
        if let Some(throttled) = self.topics.publish(author, topic, &payload)
            && throttled.last() != Some(&reader)
            && self.connections.throttle(reader)
        {
            throttled.push(reader);
        }
        if payload.as_bytes().is_empty() {
            return;
        }
        for (shard, serial) in shards {
            let (topic, payload) = (topic.clone(), payload.clone());
            self.post(shard, reader, ShardMessage::Publish { author, topic, serial, payload });
        }
    }

    fn post(&mut self, shard: usize, from: Id, message: ShardMessage) {
        post(self.shards, self.connections, shard, from, message);
    }
}
