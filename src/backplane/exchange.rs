//! All topics of a node, and its messages on their way. Knows no engine, no socket and no clock.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::bounds::Bounds;
use super::engine::{Ask, Engine, News};
use super::feed::Mark;
use super::line::{Line, Wish};
use super::members::Members;
use super::record::{MESSAGE_MAX, Record};
use super::topic::{Event, Request, Topic};
use super::watched::Watched;
use super::window::Window;
#[cfg(any(test, feature = "testkit"))]
use crate::history::Position;
use crate::now::Now;

/// The treatment of messages while the engine is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Publishers are told.
    Refuse,
    /// The members of this node get them, behind a mark. They are not sent later.
    Local,
    /// They wait for this number of milliseconds, then publishers are told.
    Hold(u64),
}

/// The treatment of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is on its way.
    Queued,
    /// The members of this node got it.
    Here,
    /// The engine is away, the message is longer than 48 KiB, or far too many wait.
    Refused,
}

/// With this multiple of the window, messages are refused.
const HARD_FACTOR: usize = 4;

/// A request that waits for the next turn.
#[derive(Debug)]
enum Order {
    Ask(Box<str>, Request),
    Unwatch(Box<str>),
    Probe(u64),
}

/// The topics of one node. The calls take the time of the turn.
#[derive(Debug)]
pub(crate) struct Exchange {
    node: u64,
    policy: Policy,
    bounds: Bounds,
    line: Line,
    topics: HashMap<Box<str>, Watched>,
    /// The topics to watch, those that wait for messages first.
    queue: VecDeque<Box<str>>,
    /// The topics without members.
    lingering: BTreeSet<(u64, Box<str>)>,
    /// The reads without an answer.
    reads: usize,
    orders: VecDeque<Order>,
    window: Window,
    /// True from a full window on until half of it is free.
    holds: bool,
    /// Counts the marks of this node: each is another entry.
    marks: u64,
    random: u64,
}

impl Exchange {
    /// `node` is a random number of this process.
    pub(crate) fn new(node: u64, policy: Policy, bounds: Bounds, now: Now) -> Exchange {
        Exchange {
            node,
            policy,
            bounds,
            line: Line::new(now.millis()),
            topics: HashMap::new(),
            queue: VecDeque::new(),
            lingering: BTreeSet::new(),
            reads: 0,
            orders: VecDeque::new(),
            window: Window::new(node),
            holds: false,
            marks: 0,
            random: node,
        }
    }

    /// The topic has its first member, and up to `backlog` messages before it are wanted.
    pub(crate) fn watch(&mut self, name: &str, backlog: u32) {
        let watched = self.watched(name);
        let (lingered, request) = (watched.lingers_until.take(), watched.topic.join(backlog));
        if let Some(until) = lingered {
            self.lingering.remove(&(until, name.into()));
        }
        self.order(name, request);
    }

    /// Returns the topic, which is watched from now on.
    fn watched(&mut self, name: &str) -> &mut Watched {
        let (line, queue) = (&self.line, &mut self.queue);
        self.topics.entry(name.into()).or_insert_with(|| {
            let mut topic = Topic::new();
            if line.is_up() {
                topic.ready();
                queue.push_back(name.into());
            }
            Watched::new(topic)
        })
    }

    /// The last member of the topic has left.
    pub(crate) fn unwatch(&mut self, name: &str, now: Now) {
        let until = self.linger(now.millis());
        if let Some(watched) = self.topics.get_mut(name)
            && watched.lingers_until.is_none()
        {
            watched.topic.leave();
            watched.lingers_until = Some(until);
            self.lingering.insert((until, name.into()));
        }
    }

    /// Returns when a topic without members is given up: not that of all at the same time.
    fn linger(&mut self, now: u64) -> u64 {
        let linger = self.bounds.linger_ms;
        now + linger * 7 / 10 + self.random() % (linger * 6 / 10 + 1)
    }

    /// A topic is watched for some time after a message of this node. If the engine loses its
    /// latest writes, this node sees that its message is gone before it publishes the next one.
    fn watch_published(&mut self, name: &str, now: u64) {
        if let Some(watched) = self.topics.get_mut(name) {
            watched.published = Some(now);
            return;
        }
        let until = self.linger(now);
        let watched = self.watched(name);
        (watched.lingers_until, watched.published) = (Some(until), Some(now));
        self.lingering.insert((until, name.into()));
    }

    /// Returns the position up to which the members have everything, if the topic is in step.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn position(&self, name: &str) -> Option<Position> {
        self.topics.get(name)?.topic.joined()
    }

    pub(crate) fn publish(
        &mut self,
        name: &str,
        author: u64,
        bytes: &[u8],
        now: Now,
        members: &mut dyn Members,
    ) -> Published {
        if bytes.len() > MESSAGE_MAX {
            return Published::Refused;
        }
        if self.give_up(now, members) {
            return match self.policy {
                Policy::Local => self.publish_here(name, author, bytes, members),
                Policy::Refuse | Policy::Hold(_) => Published::Refused,
            };
        }
        // Callbacks of held publishers, and the server itself, may still publish.
        let Bounds { window_messages, window_bytes, .. } = self.bounds;
        let is_full = self.window.len() >= window_messages.saturating_mul(HARD_FACTOR)
            || self.window.bytes() >= window_bytes.saturating_mul(HARD_FACTOR);
        if is_full {
            return Published::Refused;
        }
        self.watch_published(name, now.millis());
        self.window.push(name, author, bytes);
        self.hold();
        Published::Queued
    }

    fn publish_here(
        &mut self,
        name: &str,
        author: u64,
        bytes: &[u8],
        members: &mut dyn Members,
    ) -> Published {
        if let Some(watched) = self.topics.get_mut(name)
            && watched.lingers_until.is_none()
        {
            if watched.topic.part(self.node, self.window.last()) {
                members.mark(name, Mark::Apart);
            }
            members.deliver_here(name, author, bytes);
        }
        Published::Here
    }

    /// The server stops: publishers leave, so the policy decides at once.
    pub(crate) fn stop(&mut self, now: Now, members: &mut dyn Members) {
        self.bounds.grace_ms = 0;
        self.give_up(now, members);
    }

    /// Returns true while publishers must not be read.
    pub(crate) fn holds_publishers(&self) -> bool {
        self.holds
    }

    /// Returns the number of messages that the engine has not accepted.
    pub(crate) fn unaccepted(&self) -> usize {
        self.window.len()
    }

    /// Returns true if nothing is on its way.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn is_settled(&self) -> bool {
        let mut topics = self.topics.values();
        self.line.is_up()
            && self.window.len() == 0
            && self.orders.is_empty()
            && topics.all(|watched| watched.topic.in_step().is_some())
    }

    /// Returns true while there is a connection that has not ended at once.
    pub(crate) fn is_steady(&self) -> bool {
        self.line.is_steady()
    }

    /// Returns the milliseconds since the engine is known to work.
    pub(crate) fn silence_ms(&self, now: Now) -> u64 {
        self.line.silence(now.millis())
    }

    /// Returns the time of the next [`wish`](Exchange::wish), in milliseconds.
    pub(crate) fn due_ms(&self) -> u64 {
        let lingering = self.lingering.first().map(|(until, _)| *until);
        let waits = self.window.len() > 0 && !self.line.is_up();
        let gives_up = waits.then(|| self.line.worked() + self.patience() + 1);
        [lingering, gives_up].into_iter().flatten().fold(self.line.due(), u64::min)
    }

    /// Does the work that is due, and returns the next step for the connection.
    pub(crate) fn wish(&mut self, now: Now, members: &mut dyn Members) -> Wish {
        self.stop_lingering(now.millis());
        self.give_up(now, members);
        match self.line.wish(now.millis()) {
            Wish::Probe(number) => {
                self.orders.push_back(Order::Probe(number));
                self.queue_topics(Topic::retry);
                Wish::Nothing
            }
            wish => wish,
        }
    }

    /// The connection has ended, or could not be made.
    pub(crate) fn cut(&mut self, now: Now) {
        let random = self.random();
        self.line.cut(now.millis(), random);
        self.orders.clear();
        self.queue.clear();
        self.reads = 0;
        self.window.rewind();
        self.topics.values_mut().for_each(Watched::cut);
    }

    /// The engine has told something.
    pub(crate) fn on_news(&mut self, news: News<'_>, now: Now, members: &mut dyn Members) {
        match news {
            News::Ready => self.ready(now),
            News::Live { topic, at, after, record } => {
                self.on_topic(topic, Event::Live { at, after, record }, members);
            }
            News::Past { topic, at, after, record } => {
                self.on_topic(topic, Event::Past { at, after, record }, members);
            }
            News::PastEnd { topic, rest } => {
                self.reads = self.reads.saturating_sub(1);
                self.on_topic(topic, Event::PastEnd(rest), members);
                self.note_rest();
            }
            News::Unusable(topic) => self.on_topic(topic, Event::Unusable, members),
            News::Accepted(seq) => {
                self.window.accept(seq);
                self.hold();
                self.note_rest();
            }
            News::Refused(seq) => {
                let refused = self.window.get(seq);
                if let Some((refused, message)) = refused.and_then(|r| Some((r, r.message()?))) {
                    members.unshared(&refused.topic, message.author, message.bytes);
                }
            }
            News::Probed(number) => {
                self.line.probed(number, now.millis());
                self.note_rest();
            }
            // Of the presence, which asks for itself.
            News::SignedIn(_) | News::Presence(..) => {}
        }
    }

    /// Asks for everything that is due, at the end of a turn.
    pub(crate) fn ask(
        &mut self,
        engine: &mut dyn Engine,
        out: &mut Vec<u8>,
        now: Now,
        members: &mut dyn Members,
    ) {
        if !self.line.is_up() {
            return;
        }
        while self.reads < self.bounds.reads
            && let Some(name) = self.queue.pop_front()
        {
            self.on_topic(&name, Event::Turn, members);
        }
        while let Some(order) = self.orders.pop_front() {
            match order {
                Order::Ask(name, request) => self.request(&name, request, engine, out),
                Order::Unwatch(name) => engine.ask(Ask::Unwatch(&name), out),
                Order::Probe(number) => engine.ask(Ask::Probe(number), out),
            }
        }
        let (lowest, renewal_ms) = (self.window.lowest(), self.bounds.renewal_ms);
        let topics = &mut self.topics;
        while let Some(message) =
            self.window.send(|name| topics.get(name).is_none_or(|it| it.topic.takes_messages()))
        {
            let (topic, seq, record) = (&*message.topic, message.seq, &*message.record);
            let mut epoch = 0;
            if let Some(watched) = topics.get_mut(topic) {
                epoch = watched.topic.epoch();
                if watched.renews(now.millis(), renewal_ms) {
                    engine.ask(Ask::Renew(topic), out);
                }
            }
            engine.ask(Ask::Publish { topic, seq, lowest, epoch, record }, out);
        }
        engine.flush(out);
    }

    /// A connection that has read all topics and settled all messages works. Until then the content
    /// of one topic may end it, again and again.
    fn note_rest(&mut self) {
        if self.queue.is_empty() && self.reads == 0 && self.window.len() == 0 {
            self.line.note_steady();
        }
    }

    fn request(
        &mut self,
        name: &str,
        request: Request,
        engine: &mut dyn Engine,
        out: &mut Vec<u8>,
    ) {
        let above = self.topics.get(name).map_or(0, |watched| watched.topic.epoch());
        let mut mark = Vec::new();
        if matches!(request, Request::Open(_) | Request::Newest(_) | Request::Mark) {
            self.marks += 1;
            Record::Mark { node: self.node, number: self.marks }.append_to(&mut mark);
        }
        // First watch, then read: a message that is published between the two arrives twice, or it
        // would never arrive.
        match request {
            Request::Open(backlog) => {
                engine.ask(Ask::Watch(name), out);
                engine.ask(Ask::Newest { topic: name, above, mark: &mark, backlog }, out);
            }
            Request::Newest(backlog) => {
                engine.ask(Ask::Newest { topic: name, above, mark: &mark, backlog }, out);
            }
            Request::Resume(from) => {
                engine.ask(Ask::Watch(name), out);
                engine.ask(Ask::Since { topic: name, from }, out);
            }
            Request::Since(from) => engine.ask(Ask::Since { topic: name, from }, out),
            Request::Mark => engine.ask(Ask::Mark { topic: name, above, mark: &mark }, out),
        }
    }

    fn ready(&mut self, now: Now) {
        self.line.ready(now.millis());
        // The messages that wait are sent in order: their topics go first.
        let mut first: Vec<&str> = self.window.unsent_topics().collect();
        first.dedup();
        let first = first.into_iter().filter(|name| self.topics.contains_key(*name));
        self.queue.extend(first.map(Box::from));
        self.queue_topics(Topic::ready);
    }

    /// Queues the topics of which this is true.
    fn queue_topics(&mut self, wants: fn(&mut Topic) -> bool) {
        let wanted = self.topics.iter_mut();
        let wanted = wanted.filter_map(|(name, it)| wants(&mut it.topic).then(|| name.clone()));
        let mut wanted: Vec<Box<str>> = wanted.collect();
        // The order of a map is random: a simulation could not be repeated.
        wanted.sort_unstable();
        self.queue.extend(wanted);
    }

    fn on_topic(&mut self, name: &str, event: Event<'_>, members: &mut dyn Members) {
        let Some(watched) = self.topics.get_mut(name) else { return };
        let request = watched.topic.on(event, name, members);
        self.order(name, request);
    }

    fn order(&mut self, name: &str, request: Option<Request>) {
        if let Some(request) = request {
            self.reads += 1;
            self.orders.push_back(Order::Ask(name.into(), request));
        }
    }

    fn stop_lingering(&mut self, now: u64) {
        // Messages that wait are sent to topics that are watched.
        let waits = self.window.len() > 0 && !self.line.is_up();
        while self.lingering.first().is_some_and(|(until, _)| *until <= now)
            && let Some((_, name)) = self.lingering.pop_first()
        {
            let later = self.linger(now).max(now + 1);
            let linger = self.bounds.linger_ms;
            let Some(watched) = self.topics.get_mut(&name) else { continue };
            let is_fresh = watched.published.is_some_and(|at| now < at + linger);
            // A topic that is behind may find that messages are lost. The others must hear of it.
            if waits || is_fresh || !watched.topic.can_end() {
                watched.lingers_until = Some(later);
                self.lingering.insert((later, name));
                continue;
            }
            self.topics.remove(&name);
            if self.line.is_up() {
                self.orders.push_back(Order::Unwatch(name));
            }
        }
    }

    /// Returns true if the policy decides about messages. Then those that wait are given up.
    fn give_up(&mut self, now: Now, members: &mut dyn Members) -> bool {
        if self.line.is_up() || self.line.away(now.millis()) < self.patience() {
            return false;
        }
        while let Some(given_up) = self.window.give_up() {
            if let Some(message) = given_up.message() {
                members.unshared(&given_up.topic, message.author, message.bytes);
            }
        }
        self.hold();
        true
    }

    fn patience(&self) -> u64 {
        match self.policy {
            Policy::Refuse | Policy::Local => self.bounds.grace_ms,
            Policy::Hold(time) => time,
        }
    }

    fn hold(&mut self) {
        let Bounds { window_messages, window_bytes, .. } = self.bounds;
        let (messages, bytes) = (self.window.len(), self.window.bytes());
        self.holds = match self.holds {
            true => messages > window_messages / 2 || bytes > window_bytes / 2,
            false => messages >= window_messages || bytes >= window_bytes,
        };
    }

    /// SplitMix64: for pauses only.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
