//! The exchange of a node, with its feeds and its connection to the engine. Knows ids and bytes;
//! must not know connections or sockets.

use std::collections::HashSet;
use std::sync::Arc;

use crate::backplane::config::{Backplane, EngineAddress, LogBounds, Share};
use crate::backplane::engine::{Engine, News};
use crate::backplane::exchange::{Exchange, Published};
use crate::backplane::feed::{Feed, Mark, Recovery, SharedMessage};
use crate::backplane::line::Wish;
use crate::backplane::members::Members;
use crate::backplane::presence::Presence;
use crate::backplane::record::Message;
use crate::close::Close;
use crate::handler::effect::{Dial, Effect, LinkEvent, Purpose};
use crate::handler::link::Link;
use crate::handler::notification::Ticket;
use crate::handler::payload::Payload;
use crate::handler::presence::{Answered, Request, Roster};
use crate::history::Position;
use crate::id::Id;
use crate::metrics::backplane::BackplaneStatus;
use crate::net::to_destination::sealed::Target;
use crate::now::Now;
use crate::topic::Topic;

/// A request to the hub.
pub(super) enum Act {
    /// Deliver to the members of this server, except the author.
    Publish {
        author: Id,
        topic: Topic,
        payload: Payload,
    },
    /// Send to a connection of this server, answer a handler, or connect to the engine.
    Effect(Effect),
    Write(Id, Vec<u8>),
    Cut(Id, Close),
}

/// The connection to the engine.
enum LinkState {
    Down,
    Rising,
    /// `input` is the beginning of a message.
    Up {
        id: Id,
        engine: Box<dyn Engine + Send>,
        input: Vec<u8>,
    },
    /// The server stops.
    Ended,
}

pub(super) struct Home {
    /// The name of the node in logs.
    name: Box<str>,
    exchange: Exchange,
    /// The reason of the last failure, since a connection was steady.
    why: Box<str>,
    engine: EngineAddress,
    log: LogBounds,
    link: LinkState,
    /// The number of the last connection.
    attempt: u64,
    out: Vec<u8>,
    /// The time of the last turn.
    updated_ms: u64,
    changes: Vec<Topic>,
    members: LocalMembers,
    presence: Presence<(Id, Ticket)>,
    roster: Box<dyn Roster>,
}

/// The roster of a server whose services share no names.
struct NoNames;

impl Roster for NoNames {
    fn note_names(&mut self) {}

    fn next_names(&mut self) -> Vec<Request> {
        Vec::new()
    }

    fn has_key(&self, _: &str) -> bool {
        false
    }

    fn has_member(&self, _: &str, _: &str) -> bool {
        false
    }

    fn lost(&mut self, _: &Request) {}
}

/// The longest time between two updates of the status, in milliseconds.
const STATUS_MS: u64 = 1_000;

/// The members of this server, as the exchange knows them.
struct LocalMembers {
    node: u64,
    feeds: Vec<Share>,
    /// The topics with members.
    names: HashSet<Topic>,
    acts: Vec<Act>,
    status: Arc<BackplaneStatus>,
}

impl Home {
    pub(super) fn new(backplane: Backplane, now: Now) -> Home {
        let Backplane {
            engine,
            policy,
            shares,
            log,
            bounds,
            status,
            node: name,
            number: node,
            roster,
        } = backplane;
        // Watched in the first turn.
        let changes = shares.iter().filter_map(|share| share.kept.clone()).collect();
        let members =
            LocalMembers { node, feeds: shares, names: HashSet::new(), acts: Vec::new(), status };
        let name = match name {
            Some(name) => format!("backplane: node {name}"),
            None => format!("backplane: node {node:016x}"),
        };
        Home {
            name: name.into(),
            why: Box::default(),
            exchange: Exchange::new(node, policy, bounds, now),
            engine,
            log,
            link: LinkState::Down,
            attempt: 0,
            out: Vec::new(),
            updated_ms: now.millis(),
            changes,
            members,
            presence: Presence::new(),
            roster: roster.unwrap_or_else(|| Box::new(NoNames)),
        }
    }

    pub(super) fn take_acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.members.acts)
    }

    /// Takes back the memory of acts that were carried out.
    pub(super) fn put_back(&mut self, mut acts: Vec<Act>) {
        std::mem::swap(&mut self.members.acts, &mut acts);
        // Acts that were caused meanwhile.
        self.members.acts.append(&mut acts);
    }

    /// Returns the connection to the engine.
    pub(super) fn link(&self) -> Option<Id> {
        match &self.link {
            LinkState::Up { id, .. } => Some(*id),
            LinkState::Down | LinkState::Rising | LinkState::Ended => None,
        }
    }

    #[cfg(feature = "testkit")]
    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    #[cfg(feature = "testkit")]
    pub(super) fn presence(&self) -> &Presence<(Id, Ticket)> {
        &self.presence
    }

    pub(super) fn holds_publishers(&self) -> bool {
        self.exchange.holds_publishers()
    }

    /// Returns the time of the next [turn](Home::turn), in milliseconds; `None` after the end.
    pub(super) fn due_ms(&self) -> Option<u64> {
        match self.link {
            LinkState::Ended => None,
            LinkState::Up { .. } if self.presence.is_due() => Some(0),
            _ if !self.changes.is_empty() => Some(0),
            LinkState::Up { .. } => Some(self.exchange.due_ms()),
            // The status tells for how long the engine has been away.
            LinkState::Down | LinkState::Rising => {
                Some(self.exchange.due_ms().min(self.updated_ms + STATUS_MS))
            }
        }
    }

    /// Returns true if messages wait for the engine, which may come back before they are given up.
    /// Names end without it.
    pub(super) fn is_sending(&self) -> bool {
        let has_messages = self.exchange.unaccepted() > 0;
        match self.link {
            LinkState::Up { .. } => has_messages || self.presence.is_due(),
            LinkState::Down | LinkState::Rising => has_messages,
            LinkState::Ended => false,
        }
    }

    pub(super) fn stop(&mut self, now: Now) {
        self.exchange.stop(now, &mut self.members);
    }

    pub(super) fn publish(&mut self, topic: &Topic, author: Id, bytes: &[u8], now: Now) {
        let Home { exchange, members, .. } = self;
        let (name, number) = (topic.as_str(), author.to_token() as u64);
        if exchange.publish(name, number, bytes, now, members) == Published::Refused {
            members.unshared(name, number, bytes);
        }
    }
}

/// The topics with members.
impl Home {
    /// Notes that a topic may have gained its first member, or lost its last one.
    pub(super) fn note_change(&mut self, topic: Topic) {
        self.changes.push(topic);
    }

    pub(super) fn note_all_changed(&mut self) {
        self.changes.extend(self.members.names.iter().cloned());
    }

    pub(super) fn take_changes(&mut self) -> Vec<Topic> {
        std::mem::take(&mut self.changes)
    }

    /// Watches a topic with members, and no other one, except for those with a history.
    pub(super) fn set_watched(&mut self, topic: Topic, has_members: bool, now: Now) {
        let is_wanted = has_members || self.members.keeps(&topic);
        match is_wanted {
            // Members of another shard.
            _ if is_wanted == self.members.names.contains(&topic) => {}
            true => {
                let backlog = self.members.backlog(&topic);
                self.members.names.insert(topic.clone());
                self.exchange.watch(topic.as_str(), backlog);
            }
            false => {
                self.exchange.unwatch(topic.as_str(), now);
                self.members.names.remove(&topic);
            }
        }
    }
}

/// The connection to the engine.
impl Home {
    /// Does the work that is due, and asks the engine for everything that the turn has brought.
    pub(super) fn turn(&mut self, now: Now) {
        if matches!(self.link, LinkState::Ended) {
            return;
        }
        match self.exchange.wish(now, &mut self.members) {
            Wish::Connect => self.connect(),
            Wish::Cut(why) => self.cut(Close::failed(why), now),
            Wish::Probe(_) | Wish::Nothing => {}
        }
        let Home { exchange, members, link, out, presence, roster, .. } = self;
        if let LinkState::Up { id, engine, .. } = link {
            exchange.ask(&mut **engine, out, now, members);
            presence.flush(now.millis(), &mut **engine, out, &mut **roster);
            if !out.is_empty() {
                members.acts.push(Act::Write(*id, std::mem::take(out)));
            }
        }
        self.answer();
        self.updated_ms = now.millis();
        let Home { exchange, members, why, name, engine, .. } = self;
        // One that ends at once, again and again, is one event.
        if exchange.is_steady() && !why.is_empty() {
            *why = "".into();
            log::info!("{name}: connected to the engine {engine} again");
        }
        let (age_ms, unaccepted) = (exchange.silence_ms(now), exchange.unaccepted());
        members.status.update(age_ms, unaccepted, exchange.holds_publishers());
    }

    fn connect(&mut self) {
        self.attempt += 1;
        self.link = LinkState::Rising;
        let to = Target::Destination(self.engine.destination().clone());
        let (handler, purpose) = (Box::new(Link::new(self.attempt)), Purpose::Backplane);
        let dial = Dial { from: Id::NOBODY, to, handler, purpose };
        self.members.acts.push(Act::Effect(Effect::Connect(Box::new(dial))));
    }

    /// Gives the connection up.
    fn cut(&mut self, why: Close, now: Now) {
        if let Some(id) = self.link() {
            // The reason is logged here.
            self.members.acts.push(Act::Cut(id, Close::Done));
        }
        match why {
            Close::Failed(why) => self.lose(&why.to_string(), now),
            why => self.lose(&why.to_string(), now),
        }
    }

    /// Notes that the connection is gone.
    fn lose(&mut self, why: &str, now: Now) {
        // Attempts that fail for the same reason are one event.
        let is_known = *self.why == *why;
        let level = if is_known { log::Level::Debug } else { log::Level::Warn };
        log::log!(level, "{}: the engine {}: {why}", self.name, self.engine);
        self.why = why.into();
        self.members.status.ended(why);
        self.link = LinkState::Down;
        self.exchange.cut(now);
        self.presence.cut();
        self.answer();
    }

    /// Asks the engine about names.
    pub(super) fn ask(&mut self, from: Id, ticket: Ticket, request: Request) {
        self.presence.ask((from, ticket), request, &*self.roster);
        self.answer();
    }

    fn answer(&mut self) {
        for ((to, ticket), answer) in self.presence.take_answers() {
            let answered = Box::new(Answered { ticket, answer });
            self.members.acts.push(Act::Effect(Effect::Notify(to, answered)));
        }
    }

    /// Ends the connection after the last client: the server stops.
    pub(super) fn end(&mut self) {
        if let LinkState::Up { id, engine, .. } = &mut self.link {
            self.presence.sign_out(&mut **engine, &mut self.out);
            self.members.acts.push(Act::Write(*id, std::mem::take(&mut self.out)));
            self.members.acts.push(Act::Cut(*id, Close::Stopping));
        }
        self.link = LinkState::Ended;
    }

    /// Takes an event of the connection `id`. Those of a connection that was given up count no
    /// more.
    pub(super) fn on_link(&mut self, id: Id, attempt: u64, event: LinkEvent, now: Now) {
        let is_current = attempt == self.attempt;
        match (event, &self.link) {
            (LinkEvent::Opened, LinkState::Rising) if is_current => self.open(id),
            (LinkEvent::Opened, _) => self.members.acts.push(Act::Cut(id, Close::Done)),
            (LinkEvent::Data(bytes), LinkState::Up { .. }) if is_current => {
                self.receive(&bytes, now);
            }
            (LinkEvent::Ended(why), LinkState::Up { .. } | LinkState::Rising) if is_current => {
                self.lose(&why, now);
            }
            (LinkEvent::Data(_) | LinkEvent::Ended(_), _) => {}
        }
    }

    fn open(&mut self, id: Id) {
        let mut engine = self.engine.connection(self.members.node, self.attempt, self.log);
        let mut out = Vec::new();
        engine.opening(&mut out);
        self.members.acts.push(Act::Write(id, out));
        self.link = LinkState::Up { id, engine, input: Vec::new() };
    }

    fn receive(&mut self, bytes: &[u8], now: Now) {
        let Home { exchange, members, link, name, engine: address, presence, roster, why, .. } =
            self;
        let LinkState::Up { engine, input, .. } = link else { return };
        let mut news = |news: News<'_>| {
            if let News::Ready = news {
                if why.is_empty() {
                    log::info!("{name}: connected to the engine {address}");
                }
                members.status.connected();
            }
            presence.on_news(&news, &mut **roster);
            exchange.on_news(news, now, members);
        };
        // Usually whole messages arrive.
        let end = match input.is_empty() {
            true => engine.on_data(bytes, &mut news).map(|used| {
                input.extend_from_slice(bytes.get(used..).unwrap_or_default());
            }),
            false => {
                input.extend_from_slice(bytes);
                engine.on_data(input, &mut news).map(|used| drop(input.drain(..used)))
            }
        };
        match end {
            Ok(()) => self.answer(),
            Err(why) => self.cut(why, now),
        }
    }
}

impl LocalMembers {
    /// Returns the feed of a topic.
    fn feed(&mut self, topic: &str) -> Option<&mut (dyn Feed + 'static)> {
        let share = self.feeds.iter_mut().find(|share| topic.starts_with(&*share.prefix));
        share.map(|share| &mut *share.feed)
    }

    /// Returns true if the topic has a history.
    fn keeps(&self, topic: &Topic) -> bool {
        self.feeds.iter().any(|share| share.kept.as_ref() == Some(topic))
    }

    /// Returns the number of earlier messages that the feed of a topic wants.
    fn backlog(&mut self, topic: &Topic) -> u32 {
        self.feed(topic.as_str()).map_or(0, |feed| feed.backlog(topic))
    }

    /// Has the feed of a topic with members make bytes, and publishes them.
    fn publish(
        &mut self,
        name: &str,
        author: Id,
        make: impl FnOnce(&mut dyn Feed, &Topic) -> Option<Payload>,
    ) {
        let Some(topic) = self.names.get(name).cloned() else { return };
        let Some(feed) = self.feed(name) else { return };
        if let Some(payload) = make(feed, &topic) {
            self.acts.push(Act::Publish { author, topic, payload });
        }
    }

    /// Returns the author of a message, if it is a connection of this server.
    fn author(&self, message: &Message<'_>) -> Option<Id> {
        (message.node == self.node).then(|| id_of(message.author)).flatten()
    }
}

impl Members for LocalMembers {
    fn deliver(&mut self, topic: &str, at: Position, message: &Message<'_>) {
        let (author, position, bytes) = (self.author(message), Some(at), message.bytes);
        if message.node != self.node {
            self.status.count_delivery();
        }
        self.publish(topic, author.unwrap_or(Id::NOBODY), |feed, topic| {
            feed.message(&SharedMessage { topic, position, bytes, author })
        });
    }

    fn mark(&mut self, topic: &str, why: Mark) {
        self.status.count_mark();
        self.publish(topic, Id::NOBODY, |feed, topic| feed.mark(topic, why));
    }

    fn earlier(&mut self, topic: &str, at: Position, message: &Message<'_>) {
        let (author, position, bytes) = (self.author(message), Some(at), message.bytes);
        self.publish(topic, Id::NOBODY, |feed, topic| {
            feed.earlier(&SharedMessage { topic, position, bytes, author });
            None
        });
    }

    fn joined(&mut self, topic: &str, at: Position) {
        self.publish(topic, Id::NOBODY, |feed, topic| feed.joined(topic, at));
    }

    fn recovered(&mut self, topic: &str, at: Position, recovery: Recovery) {
        self.publish(topic, Id::NOBODY, |feed, topic| feed.recovered(topic, at, recovery));
    }

    fn unshared(&mut self, topic: &str, author: u64, bytes: &[u8]) {
        self.status.count_refused();
        // The server itself cannot be told otherwise.
        let Some(author) = id_of(author) else {
            return log::debug!("a message of the server to {topic:?} was not shared");
        };
        // Its publisher may not be a member.
        let topic = self.names.get(topic).cloned().unwrap_or_else(|| Topic::new(topic));
        let Some(feed) = self.feed(topic.as_str()) else { return };
        let (position, author_too) = (None, Some(author));
        let message = SharedMessage { topic: &topic, position, bytes, author: author_too };
        if let Some(payload) = feed.unshared(&message) {
            self.acts.push(Act::Effect(Effect::Send(author, payload.into_bytes())));
        }
    }

    fn deliver_here(&mut self, topic: &str, author: u64, bytes: &[u8]) {
        let (author, position) = (id_of(author), None);
        self.publish(topic, author.unwrap_or(Id::NOBODY), |feed, topic| {
            feed.message(&SharedMessage { topic, position, bytes, author })
        });
    }
}

/// Returns the connection with this number; `None` for that of no connection.
fn id_of(number: u64) -> Option<Id> {
    let id = Id::from_token(usize::try_from(number).ok()?);
    (id != Id::NOBODY).then_some(id)
}
