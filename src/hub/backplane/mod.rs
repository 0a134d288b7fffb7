//! The topics of a server that span several nodes: their publishers go through the exchange of the
//! first shard, and their members get messages from there. Must not know an engine's protocol.

mod home;

use std::sync::Arc;

use self::home::{Act, Home};
use super::Hub;
use super::shards::ShardMessage;
use super::transport::Transport;
use crate::backplane::config::Backplane;
#[cfg(feature = "testkit")]
use crate::backplane::exchange::Exchange;
#[cfg(feature = "testkit")]
use crate::backplane::presence::Presence;
use crate::handler::effect::{Dial, Purpose};
use crate::handler::link::{Link, LinkEvent};
use crate::handler::notification::{Notification, Ticket};
use crate::handler::payload::Payload;
use crate::handler::presence::{Answer, Answered, Request};
use crate::id::Id;
use crate::net::to_destination::sealed::Target;
use crate::topic::Topic;

/// The shard with the exchange.
const HOME: usize = 0;

/// The topics that span several nodes, for one shard.
pub(crate) enum Sharing {
    /// It has the exchange.
    Home(Backplane),
    /// Another shard has it.
    Branch(Arc<[Box<str>]>),
}

impl Sharing {
    /// Returns the same topics for another shard.
    pub(crate) fn branch(&self) -> Sharing {
        Sharing::Branch(match self {
            Sharing::Home(backplane) => backplane.prefixes(),
            Sharing::Branch(prefixes) => Arc::clone(prefixes),
        })
    }
}

/// The part of a shard in the topics that span several nodes.
pub(super) struct SharedTopics {
    /// The beginnings of their names.
    prefixes: Arc<[Box<str>]>,
    role: Role,
    /// The publishers that are throttled until the engine has accepted more.
    throttled: Vec<Id>,
    /// Whether publishers were held at the end of the last turn.
    is_held: bool,
}

enum Role {
    Home(Box<Home>),
    /// The home is another shard.
    Branch,
}

impl SharedTopics {
    fn shares(&self, topic: &Topic) -> bool {
        self.prefixes.iter().any(|prefix| topic.as_str().starts_with(&**prefix))
    }

    fn home(&mut self) -> Option<&mut Home> {
        match &mut self.role {
            Role::Home(home) => Some(home),
            Role::Branch => None,
        }
    }

    fn holds(&self) -> bool {
        match &self.role {
            Role::Home(home) => home.holds_publishers(),
            Role::Branch => self.is_held,
        }
    }
}

/// Setup.
impl<T: Transport> Hub<T> {
    /// Shares topics with other nodes.
    pub(crate) fn share_topics(&mut self, sharing: Sharing) {
        let (prefixes, role) = match sharing {
            Sharing::Home(backplane) => {
                let prefixes = backplane.prefixes();
                let home = Home::new(backplane, self.connections.turn().record.now);
                (prefixes, Role::Home(Box::new(home)))
            }
            Sharing::Branch(prefixes) => (prefixes, Role::Branch),
        };
        let (throttled, is_held) = (Vec::new(), false);
        self.shared_topics = Some(Box::new(SharedTopics { prefixes, role, throttled, is_held }));
    }
}

/// Publishing.
impl<T: Transport> Hub<T> {
    #[inline(always)]
    pub(super) fn is_shared(&self, topic: &Topic) -> bool {
        self.shared_topics.as_ref().is_some_and(|shared| shared.shares(topic))
    }

    /// Publishes to a topic that spans several nodes. The author waits while the engine is slow.
    pub(super) fn publish_shared(&mut self, author: Id, topic: &Topic, payload: Payload) {
        if payload.as_bytes().is_empty() {
            return;
        }
        let now = self.connections.turn().record.now;
        let Some(shared) = &mut self.shared_topics else { return };
        match &mut shared.role {
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
        if let Some(shared) = &mut self.shared_topics
            && is_here
            && shared.holds()
            && shared.throttled.last() != Some(&author)
            && self.connections.throttle(author)
        {
            shared.throttled.push(author);
        }
    }

    /// Returns true if publishers to a topic must wait for the engine.
    pub(super) fn is_held(&self, topic: &Topic) -> bool {
        self.shared_topics.as_ref().is_some_and(|it| it.shares(topic) && it.holds())
    }

    /// Returns the publishers that are throttled for the exchange.
    #[cfg(debug_assertions)]
    pub(super) fn throttled_for_exchange(&self) -> Vec<Id> {
        self.shared_topics.as_ref().map(|it| it.throttled.clone()).unwrap_or_default()
    }

    /// Notes whether publishers are held by the exchange.
    pub(super) fn note_hold(&mut self, is_held: bool) {
        let Some(shared) = &mut self.shared_topics else { return };
        shared.is_held = is_held;
        if !is_held {
            let released = std::mem::take(&mut shared.throttled);
            self.connections.turn_mut().pending.unthrottle(released);
        }
    }

    /// Asks the engine about names, and notifies the handler of the answer.
    pub(super) fn ask_presence(&mut self, from: Id, ticket: Ticket, request: Request) {
        match self.shared_topics.as_mut().map(|shared| &mut shared.role) {
            Some(Role::Home(home)) => {
                home.ask(from, ticket, request);
                self.carry_out();
            }
            Some(Role::Branch) => {
                self.post(HOME, from, ShardMessage::Presence { from, ticket, request });
            }
            None => self.answer(from, ticket, Answer::Unsupported),
        }
    }

    fn answer(&mut self, to: Id, ticket: Ticket, answer: Answer) {
        let answered = Answered { ticket, answer };
        self.notify(Id::NOBODY, to, Notification::Message(Box::new(answered)));
    }
}

/// Other shards.
impl<T: Transport> Hub<T> {
    /// Receives messages of other shards, and notes changes of their topics.
    pub(super) fn receive_shared(
        &mut self,
        messages: impl IntoIterator<Item = (usize, ShardMessage)>,
    ) {
        let shared = &mut self.shared_topics;
        self.shards.receive(messages.into_iter().inspect(|(_, message)| {
            if let ShardMessage::Interest { topic, .. } = message
                && let Some(shared) = shared
                && shared.shares(topic)
                && let Role::Home(home) = &mut shared.role
            {
                home.note_change(topic.clone());
            }
        }));
    }
}

/// The shard with the exchange.
impl<T: Transport> Hub<T> {
    fn home(&mut self) -> Option<&mut Home> {
        self.shared_topics.as_mut().and_then(|shared| shared.home())
    }

    /// Notes that a topic has gained its first member in a shard, or lost its last one.
    pub(super) fn note_members(&mut self, topic: &Topic) {
        if self.is_shared(topic)
            && let Some(home) = self.home()
        {
            home.note_change(topic.clone());
        }
    }

    /// Notes that a shard has ended, with its members.
    pub(super) fn note_members_of_all(&mut self) {
        if let Some(home) = self.home() {
            home.note_all_changed();
        }
    }

    /// Returns the time of the next work for the exchange, in milliseconds.
    pub(super) fn exchange_due_ms(&self) -> Option<u64> {
        match &self.shared_topics.as_ref()?.role {
            Role::Home(home) => home.due_ms(),
            Role::Branch => None,
        }
    }

    /// Takes an event of the connection to the engine.
    pub(super) fn on_link(&mut self, id: Id, attempt: u64, event: LinkEvent) {
        let now = self.connections.turn().record.now;
        if let Some(home) = self.home() {
            home.on_link(id, attempt, event, now);
            self.carry_out();
        }
    }

    /// Returns the requests about names, if this shard has the exchange.
    #[cfg(feature = "testkit")]
    pub(crate) fn presence(&self) -> Option<&Presence<(Id, Ticket)>> {
        match &self.shared_topics.as_ref()?.role {
            Role::Home(home) => Some(home.presence()),
            Role::Branch => None,
        }
    }

    /// Returns the exchange, if this shard has it.
    #[cfg(feature = "testkit")]
    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        match &self.shared_topics.as_ref()?.role {
            Role::Home(home) => Some(home.exchange()),
            Role::Branch => None,
        }
    }

    /// Returns the number of connections to the engine.
    pub(super) fn links(&self) -> usize {
        match self.shared_topics.as_ref().map(|shared| &shared.role) {
            Some(Role::Home(home)) => usize::from(home.link().is_some()),
            _ => 0,
        }
    }

    /// Returns true if this is the connection to the engine, which outlives those of clients.
    pub(super) fn is_link(&self, id: Id) -> bool {
        match self.shared_topics.as_ref().map(|shared| &shared.role) {
            Some(Role::Home(home)) => home.link() == Some(id),
            _ => false,
        }
    }

    /// Asks the engine for everything that this turn has brought.
    pub(super) fn tend_exchange(&mut self) {
        let now = self.connections.turn().record.now;
        let Some(Role::Home(home)) = self.shared_topics.as_mut().map(|it| &mut it.role) else {
            return;
        };
        for topic in home.take_changes() {
            let has_members =
                self.topics.serial_of(&topic).is_some() || self.shards.has_interest(&topic);
            home.set_watched(topic, has_members, now);
        }
        let is_over = self.connections.turn().record.stopping.is_on()
            && self.shards.have_ended()
            && self.connections.table().len() <= usize::from(home.link().is_some())
            && !home.is_sending();
        match is_over {
            true => home.end(),
            false => home.turn(now),
        }
        self.carry_out();
        self.announce_hold();
        self.settle_pending();
    }

    /// Tells the other shards whether publishers are held.
    fn announce_hold(&mut self) {
        let Some(shared) = &mut self.shared_topics else { return };
        let is_held = shared.holds();
        if is_held == shared.is_held {
            return;
        }
        self.note_hold(is_held);
        for shard in self.shards.others() {
            self.post(shard, Id::NOBODY, ShardMessage::Hold(is_held));
        }
    }

    /// Carries out the requests of the exchange.
    fn carry_out(&mut self) {
        let Some(home) = self.home() else { return };
        let link = home.link();
        let mut acts = home.take_acts();
        for act in acts.drain(..) {
            match act {
                Act::Publish { author, topic, payload } => {
                    self.deliver_shared(link, author, &topic, payload);
                }
                Act::Tell(to, bytes) => match self.shards.other_shard_of(to) {
                    Some(shard) => {
                        self.post(shard, Id::NOBODY, ShardMessage::Send(to, bytes.into_bytes()));
                    }
                    None => self.send(to, bytes.as_bytes()),
                },
                Act::Answer(to, ticket, answer) => self.answer(to, ticket, answer),
                Act::Connect { to, attempt } => {
                    let (to, handler) = (Target::Destination(to), Box::new(Link::new(attempt)));
                    let purpose = Purpose::Backplane;
                    self.dials.push(Dial { from: Id::NOBODY, to, handler, purpose });
                }
                Act::Write(id, bytes) => {
                    if self.connections.deliver(id, &bytes) {
                        self.connections.flush(id);
                    }
                }
                Act::Cut(id, why) => self.connections.cut(id, why),
            }
        }
        if let Some(home) = self.home() {
            home.put_back(acts);
        }
    }

    /// Delivers a message of the exchange to the members of all shards. If a topic is congested,
    /// the engine is not read until it is not.
    fn deliver_shared(&mut self, link: Option<Id>, author: Id, topic: &Topic, payload: Payload) {
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
}
