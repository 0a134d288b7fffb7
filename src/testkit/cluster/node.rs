//! One simulated node: an exchange, and its connection to the broker. Knows no fault.

use std::collections::{BTreeMap, VecDeque};

use super::names::Names;
use super::recorder::{Recorder, content};
use crate::backplane::engine::{Engine, News};
use crate::backplane::exchange::{Bounds, Exchange, Policy, Published};
use crate::backplane::line::Wish;
use crate::backplane::presence::Presence;
use crate::backplane::redis::{Redis, Settings};
use crate::now::Now;
use crate::testkit::broker::Broker;

/// A connection to the broker, with the bytes on their way.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) client: usize,
    pub(super) up: VecDeque<u8>,
    pub(super) down: VecDeque<u8>,
    /// Nothing moves until this time.
    pub(super) hangs_until: u64,
    redis: Redis,
    input: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) exchange: Exchange,
    pub(super) wire: Option<Wire>,
    pub(super) recorder: Recorder,
    pub(super) presence: Presence<u32>,
    pub(super) names: Names,
    pub(super) published: BTreeMap<String, u64>,
    generation: u64,
    log_messages: u32,
}

impl Node {
    pub(super) fn new(
        id: u64,
        policy: Policy,
        bounds: Bounds,
        log_messages: u32,
        now: Now,
    ) -> Node {
        Node {
            id,
            exchange: Exchange::new(id, policy, bounds, now),
            wire: None,
            recorder: Recorder::default(),
            presence: Presence::new(),
            names: Names::new(id),
            published: BTreeMap::new(),
            generation: 0,
            log_messages,
        }
    }

    /// Each node and topic has its own wish for earlier messages, among them none.
    pub(super) fn watch(&mut self, topic: &str) {
        let first = topic.bytes().next().map_or(0, u64::from);
        let backlog = ((self.id * 5 + first * 7) % 13) as u32;
        self.recorder.backlogs.insert(topic.to_owned(), backlog);
        self.exchange.watch(topic, backlog);
    }

    pub(super) fn publish(&mut self, topic: &str, now: Now) {
        let count = self.published.entry(topic.to_owned()).or_default();
        *count += 1;
        let number = (self.id, *count);
        let bytes = content(number);
        let published = self.exchange.publish(topic, 7, &bytes, now, &mut self.recorder);
        if published != Published::Queued {
            self.recorder.unshared.insert((topic.to_owned(), number));
        }
    }

    /// One turn: the work that is due, then the requests. Returns the connection that was given up.
    pub(super) fn turn(&mut self, broker: &mut Broker, now: Now) -> Option<Wire> {
        self.recorder.moment = (broker.log().len(), broker.faults());
        let mut given_up = None;
        let (due, unshared) = (self.exchange.due_ms(), self.recorder.unshared.len());
        let wish = self.exchange.wish(now, &mut self.recorder);
        let is_idle = wish == Wish::Nothing && self.recorder.unshared.len() == unshared;
        assert!(is_idle || now.millis() >= due, "{wish:?} at {}, due at {due}", now.millis());
        match wish {
            Wish::Connect => self.connect(broker),
            Wish::Cut(_) => given_up = self.cut(now),
            Wish::Probe(_) | Wish::Nothing => {}
        }
        if let Some(wire) = &mut self.wire {
            let mut out = Vec::new();
            self.exchange.ask(&mut wire.redis, &mut out, &mut self.recorder);
            let (presence, names) = (&mut self.presence, &mut self.names);
            presence.flush(now.millis(), &mut wire.redis, &mut out, names);
            assert!(!presence.is_due(), "something is left");
            wire.up.extend(out);
        }
        self.names.take(self.presence.take_answers());
        given_up
    }

    fn connect(&mut self, broker: &mut Broker) {
        self.generation += 1;
        let settings = Settings {
            node: self.id,
            generation: self.generation,
            birth: self.id,
            login: None,
            database: 0,
            log_messages: self.log_messages,
            retention_ms: 1_000_000,
        };
        let mut redis = Redis::new(settings);
        let mut up = Vec::new();
        redis.opening(&mut up);
        self.wire = Some(Wire {
            client: broker.connect(),
            up: up.into(),
            down: VecDeque::new(),
            hangs_until: 0,
            redis,
            input: Vec::new(),
        });
    }

    pub(super) fn cut(&mut self, now: Now) -> Option<Wire> {
        self.exchange.cut(now);
        self.presence.cut();
        self.names.take(self.presence.take_answers());
        self.wire.take()
    }

    pub(super) fn cut_if_connected(&mut self, now: Now) -> Option<Wire> {
        self.wire.as_ref()?;
        self.cut(now)
    }

    /// Receives bytes of the broker. Returns the connection if it must end.
    pub(super) fn receive(&mut self, count: usize, broker: &Broker, now: Now) -> Option<Wire> {
        self.recorder.moment = (broker.log().len(), broker.faults());
        let wire = self.wire.as_mut()?;
        let count = count.min(wire.down.len());
        wire.input.extend(wire.down.drain(..count));
        let (exchange, recorder) = (&mut self.exchange, &mut self.recorder);
        let (presence, names) = (&mut self.presence, &mut self.names);
        let mut on_news = |news: News<'_>| {
            presence.on_news(&news, names);
            exchange.on_news(news, now, recorder);
        };
        let end = wire.redis.on_data(&wire.input, &mut on_news);
        self.names.take(self.presence.take_answers());
        match end {
            Ok(used) => {
                wire.input.drain(..used);
                None
            }
            Err(_) => self.cut(now),
        }
    }
}
