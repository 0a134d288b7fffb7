//! One simulated node: a hub with members and publishers, and its connection to the broker. Knows
//! no fault.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::feed::{Asker, Member, Publisher, Recording};
use super::names::{self, ASKERS, Names, NodeRoster, SharedNames};
use super::recorder::{Recorder, content};
use crate::backplane::bounds::Bounds;
use crate::backplane::config::LogBounds;
use crate::backplane::exchange::{Exchange, Policy};
use crate::backplane::presence::Presence;
use crate::handler::notification::Ticket;
use crate::id::Id;
use crate::limits::Limits;
use crate::now::Now;
use crate::testkit::broker::Broker;
use crate::testkit::network::{Client, Network};
use crate::testkit::nodes;
use crate::testkit::random::Random;
use crate::topic::Topic;

/// A connection to the broker, with the bytes on their way.
#[derive(Debug)]
pub(super) struct Wire {
    /// Its number at the broker.
    pub(super) client: usize,
    pub(super) up: VecDeque<u8>,
    pub(super) down: VecDeque<u8>,
    /// Nothing moves until this time.
    pub(super) hangs_until: u64,
    /// The far end of the connection of the node.
    end: Client,
}

/// The settings of all nodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) policy: Policy,
    pub(super) bounds: Bounds,
    pub(super) log_messages: u32,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: u64,
    network: Network,
    pub(super) wire: Option<Wire>,
    recorder: Arc<Mutex<Recorder>>,
    members: BTreeMap<String, Vec<Resident>>,
    publishers: BTreeMap<String, Client>,
    published: BTreeMap<String, u64>,
    names: SharedNames,
    /// They ask about names.
    askers: [Client; ASKERS],
}

/// A member of a topic.
#[derive(Debug)]
struct Resident {
    client: Client,
    received: Vec<u8>,
    /// The number of messages that the feed of the topic had made after each of its first turns. In
    /// the second one, other reactors learn of a member.
    made: Vec<usize>,
}

impl Node {
    pub(super) fn new(id: u64, settings: Settings) -> Node {
        // Nothing of the server but the exchange is under test.
        let limits = Limits::default().first_byte(None).idle(None);
        let mut network = match id % 4 {
            0 => Network::with_reactors(limits, 2),
            1 => Network::with_workers(limits),
            _ => Network::new(limits),
        };
        let recorder = Arc::default();
        let mut backplane = nodes::backplane().share("", Recording(Arc::clone(&recorder)));
        let names: SharedNames = Arc::new(Mutex::new(Names::new(id)));
        backplane.roster = Some(Box::new(NodeRoster(Arc::clone(&names))));
        backplane.number = id;
        (backplane.policy, backplane.bounds) = (settings.policy, settings.bounds);
        backplane.log = LogBounds { messages: settings.log_messages, retention_ms: 1_000_000 };
        network.share_topics(backplane);
        let askers =
            std::array::from_fn(|index| network.connect(Asker::new(index, Arc::clone(&names))));
        Node {
            id,
            network,
            wire: None,
            recorder,
            members: BTreeMap::new(),
            publishers: BTreeMap::new(),
            published: BTreeMap::new(),
            names,
            askers,
        }
    }

    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        names::lock(&self.names)
    }

    /// Asks for something about names.
    pub(super) fn use_names(&mut self, random: &mut Random) {
        self.names().act(random);
        self.ask();
    }

    pub(super) fn ask_members(&mut self, room: &str) {
        self.names().ask_members(room);
        self.ask();
    }

    fn ask(&mut self) {
        self.askers.iter().for_each(|asker| self.network.send(*asker, b"."));
    }

    pub(super) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn exchange(&self) -> Option<&Exchange> {
        self.network.exchange()
    }

    pub(super) fn presence(&self) -> Option<&Presence<(Id, Ticket)>> {
        self.network.presence()
    }

    /// Adds a member. Each node and topic has its own wish for earlier messages, among them none.
    pub(super) fn join(&mut self, topic: &str) {
        let first = topic.bytes().next().map_or(0, u64::from);
        let backlog = ((self.id * 5 + first * 7) % 13) as u32;
        self.recorder().backlogs.insert(topic.to_owned(), backlog);
        let members = self.members.entry(topic.to_owned()).or_default();
        if members.len() < MEMBERS_MAX {
            let client = self.network.connect(Member(Topic::new(topic)));
            members.push(Resident { client, received: Vec::new(), made: Vec::new() });
        }
    }

    /// Removes a member.
    pub(super) fn leave(&mut self, topic: &str) {
        if let Some(gone) = self.members.get_mut(topic).and_then(Vec::pop) {
            self.network.close(gone.client);
        }
    }

    /// Returns true if members get the messages of the topic as they are published.
    pub(super) fn is_in_step(&self, topic: &str) -> bool {
        let has_members = self.members.get(topic).is_some_and(|all| !all.is_empty());
        has_members && self.exchange().is_some_and(|it| it.position(topic).is_some())
    }

    /// Publishes a message, unless an earlier one waits.
    pub(super) fn publish(&mut self, topic: &str) {
        let Node { network, publishers, published, id, .. } = self;
        let client = *publishers
            .entry(topic.to_owned())
            .or_insert_with(|| network.connect(Publisher(Topic::new(topic))));
        if network.unread(client) > 0 {
            return;
        }
        let count = published.entry(topic.to_owned()).or_default();
        *count += 1;
        network.send(client, &content((*id, *count)));
    }

    /// One turn: everything that has arrived, and the requests. Returns the connection that was
    /// given up.
    pub(super) fn turn(&mut self, broker: &mut Broker, now: Now) -> Option<Wire> {
        self.recorder().moment = (broker.log().len(), broker.faults());
        self.network.set_elapsed(now.elapsed());
        self.network.turn();
        let given_up = self.take_output();
        while !self.network.wanted().is_empty() {
            let (end, client) = (self.network.grant(), broker.connect());
            let (up, down) = (VecDeque::new(), VecDeque::new());
            self.wire = Some(Wire { client, up, down, hangs_until: 0, end });
        }
        self.note_members();
        given_up
    }

    /// Returns the connection to the broker, if the node has given it up.
    fn take_output(&mut self) -> Option<Wire> {
        let wire = self.wire.as_mut()?;
        wire.up.extend(self.network.received(wire.end));
        let is_over = self.network.is_closed(wire.end);
        if is_over { self.wire.take() } else { None }
    }

    fn note_members(&mut self) {
        let Node { network, members, recorder, .. } = self;
        let recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, residents) in members {
            let count = recorder.count(topic);
            for resident in residents {
                resident.received.extend(network.received(resident.client));
                if resident.made.len() < TURNS_TO_JOIN {
                    resident.made.push(count);
                }
            }
        }
    }

    /// Returns true if the node has nothing to do at this time.
    pub(super) fn is_quiet(&mut self, now: Now) -> bool {
        self.network.set_elapsed(now.elapsed());
        self.network.is_quiet()
    }

    /// Checks that each member got everything that the feed made since it joined.
    pub(super) fn check_members(&self) {
        for (topic, residents) in &self.members {
            let made = self.recorder().made(topic);
            for Resident { received, made: before, .. } in residents {
                let joined = before.get(TURNS_TO_JOIN - 1).copied().unwrap_or(made.len());
                let least = made.len() - joined;
                let made = made.concat();
                assert!(made.ends_with(received), "{topic}: a member got something else");
                let got = received.len() / content((0, 0)).len();
                assert!(got >= least, "{topic}: a member got {got} of {least}");
            }
        }
    }

    /// Ends the connection to the broker.
    pub(super) fn cut(&mut self, broker: &mut Broker, now: Now) -> Option<Wire> {
        let mut wire = self.wire.take()?;
        wire.up.extend(self.network.received(wire.end));
        self.network.reset(wire.end);
        self.turn(broker, now);
        Some(wire)
    }

    /// Receives bytes of the broker. Returns the connection if it must end.
    pub(super) fn receive(&mut self, count: usize, broker: &mut Broker, now: Now) -> Option<Wire> {
        let wire = self.wire.as_mut()?;
        let bytes: Vec<u8> = wire.down.drain(..count.min(wire.down.len())).collect();
        self.network.send(wire.end, &bytes);
        self.turn(broker, now)
    }
}

/// The turns after which a member gets all messages.
const TURNS_TO_JOIN: usize = 2;
/// The most members of a topic.
const MEMBERS_MAX: usize = 3;
