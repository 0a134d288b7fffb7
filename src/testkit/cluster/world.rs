//! Several nodes and a broker in one random order of events. Knows no rule that they must keep.

use std::time::Duration;

use super::faults::{Faults, Traffic};
use super::name_rules::judge_claims;
use super::node::{Node, Settings, Wire};
use super::oracle::Truth;
use crate::backplane::bounds::Bounds;
use crate::backplane::exchange::{Exchange, Policy};
use crate::backplane::presence::Presence;
use crate::backplane::redis::topic_key;
use crate::now::Now;
use crate::testkit::broker::{Broker, BrokerFault};
use crate::testkit::random::Random;

pub(super) const TOPICS: [&str; 3] = ["a", "b", "c"];
const NODES: usize = 3;
/// The wall clock at the start, as that of the broker.
const WALL_S: u64 = 1_700_000_000;

#[derive(Debug)]
pub(super) struct World {
    pub(super) random: Random,
    pub(super) faults: Faults,
    traffic: Traffic,
    pub(super) broker: Broker,
    pub(super) nodes: Vec<Node>,
    pub(super) truth: Truth,
    /// Nodes that were killed.
    pub(super) dead: Vec<Node>,
    pub(super) fault_count: u64,
    /// Connections that were given up, whose bytes may arrive late.
    late: Vec<Wire>,
    /// The broker runs nothing until this time.
    stalls_until: u64,
    ms: u64,
    settings: Settings,
    next_id: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let faults = match random.below(8) {
            0 => Faults::None,
            1..=3 => Faults::Lossless,
            4 => Faults::Losses,
            5 | 6 => Faults::Rollbacks,
            _ => Faults::All,
        };
        let traffic = if random.one_in(2) { Traffic::Sparse } else { Traffic::Dense };
        let policy = match random.below(4) {
            0 => Policy::Hold(500 + 100 * random.below(100) as u64),
            1 if faults >= Faults::Losses => Policy::Local,
            _ => Policy::Refuse,
        };
        let bounds = Bounds {
            window_messages: 2 + random.below(60),
            window_bytes: 100 + random.below(5_000),
            reads: 1 + random.below(4),
            grace_ms: 200 + random.below(3_000) as u64,
            linger_ms: match faults {
                Faults::Rollbacks | Faults::All => 1_000_000,
                _ => random.below(1_000) as u64,
            },
            renewal_ms: seed % 3_000,
        };
        let mut broker = Broker::new();
        let log_messages = match faults {
            Faults::None | Faults::Lossless | Faults::Rollbacks => 10_000,
            Faults::Losses | Faults::All => {
                broker.set_node_entries(1 + random.below(6));
                2 + random.below(40) as u32
            }
        };
        let mut world = World {
            random,
            faults,
            traffic,
            broker,
            nodes: Vec::new(),
            truth: Truth::default(),
            dead: Vec::new(),
            fault_count: 0,
            late: Vec::new(),
            stalls_until: 0,
            ms: 1,
            settings: Settings { policy, bounds, log_messages },
            next_id: 0,
        };
        (0..NODES).for_each(|_| world.add_node());
        world
    }

    pub(super) fn now(&self) -> Now {
        Now::new(Duration::from_millis(self.ms), WALL_S + self.ms / 1000)
    }

    fn add_node(&mut self) {
        self.next_id += 1;
        let settings = self.settings;
        let mut node = Node::new(self.next_id, settings);
        for topic in TOPICS {
            let has_members = match self.traffic {
                Traffic::Dense => self.random.below(4) > 0,
                Traffic::Sparse => self.random.one_in(2),
            };
            if has_members {
                node.join(topic);
            }
        }
        self.nodes.push(node);
    }

    /// One event.
    pub(super) fn step(&mut self) {
        let node = self.random.below(self.nodes.len());
        match self.random.below(46) {
            40.. => self.use_names(node),
            0..10 => self.move_up(node),
            10..20 => self.move_down(node),
            20..28 => self.turn(node),
            29..34 if self.traffic == Traffic::Sparse && !self.random.one_in(8) => {
                self.move_up(node)
            }
            28..34 => self.publish(node),
            34 => self.join_or_leave(node),
            35 | 36 => {
                let ms = 1 + self.random_ms(60);
                self.pass(ms);
            }
            37 => self.move_late(),
            38 if self.random.one_in(30) => self.pass(self.settings.bounds.grace_ms),
            39 if self.faults != Faults::None && self.random.one_in(3) => self.have_fault(node),
            _ => {}
        }
    }

    fn random_ms(&mut self, most: usize) -> u64 {
        self.random.below(most) as u64
    }

    fn pass(&mut self, ms: u64) {
        self.ms += ms;
        self.broker.advance(ms);
    }

    fn publish(&mut self, node: usize) {
        let topic = TOPICS[self.random.below(TOPICS.len())];
        if let Some(node) = self.nodes.get_mut(node) {
            node.publish(topic);
        }
    }

    fn use_names(&mut self, node: usize) {
        let Some(node) = self.nodes.get_mut(node) else { return };
        node.use_names(&mut self.random);
    }

    fn join_or_leave(&mut self, node: usize) {
        let topic = TOPICS[self.random.below(TOPICS.len())];
        let joins = self.random.below(3) > 0;
        let Some(node) = self.nodes.get_mut(node) else { return };
        match joins {
            true => node.join(topic),
            false => node.leave(topic),
        }
    }

    pub(super) fn turn(&mut self, node: usize) {
        let now = self.now();
        let Some(node) = self.nodes.get_mut(node) else { return };
        let given_up = node.turn(&mut self.broker, now);
        self.late.extend(given_up);
    }

    /// A loop sleeps until it has work: it must know when that is.
    fn turn_if_due(&mut self, node: usize) {
        let now = self.now();
        if self.nodes.get_mut(node).is_some_and(|node| !node.is_quiet(now)) {
            self.turn(node);
        }
    }

    /// A node hears nothing of the broker for longer than a lease, and the others go on.
    fn outlast(&mut self, node: usize) {
        let id = self.nodes.get(node).map(|node| node.id);
        for _ in 0..18 {
            self.pass(1_000);
            for other in 0..self.nodes.len() {
                if self.nodes.get(other).map(|node| node.id) != id {
                    self.turn(other);
                    self.move_up_by(other, usize::MAX);
                    self.move_down_by(other, usize::MAX);
                }
            }
        }
    }

    /// Lets the leases of dead nodes end.
    pub(super) fn outlive_leases(&mut self) {
        for _ in 0..80 {
            self.pass(200);
            for node in 0..self.nodes.len() {
                self.turn(node);
                self.move_up_by(node, usize::MAX);
                self.move_down_by(node, usize::MAX);
            }
        }
    }

    pub(super) fn ask_members(&mut self, room: &str) {
        for node in &mut self.nodes {
            node.ask_members(room);
        }
    }

    /// Bytes of a node arrive at the broker.
    fn move_up(&mut self, node: usize) {
        // The scripts of the opening are some thousand bytes.
        let most = if self.random.one_in(2) { 600 } else { 6_000 };
        let count = 1 + self.random.below(most);
        self.move_up_by(node, count);
    }

    fn move_up_by(&mut self, node: usize, count: usize) {
        let Some(wire) = self.nodes.get_mut(node).and_then(|node| node.wire.as_mut()) else {
            return;
        };
        if self.ms < self.stalls_until || self.ms < wire.hangs_until {
            return;
        }
        let bytes: Vec<u8> = wire.up.drain(..count.min(wire.up.len())).collect();
        self.broker.send(wire.client, &bytes);
    }

    /// Bytes of the broker arrive at a node; also the end of the connection.
    fn move_down(&mut self, node: usize) {
        let count = 1 + self.random.below(400);
        self.move_down_by(node, count);
    }

    fn move_down_by(&mut self, index: usize, count: usize) {
        let now = self.now();
        let Some(node) = self.nodes.get_mut(index) else { return };
        let Some(wire) = node.wire.as_mut().filter(|wire| now.millis() >= wire.hangs_until) else {
            return;
        };
        wire.down.extend(self.broker.received(wire.client));
        if wire.down.is_empty() && !self.broker.is_open(wire.client) {
            node.cut(&mut self.broker, now);
            return;
        }
        if let Some(wire) = node.receive(count, &mut self.broker, now) {
            self.late.push(wire);
        }
        if self.faults.keep_names() {
            judge_claims(&self.nodes, &self.broker, index);
        }
    }

    /// Bytes of a connection that was given up arrive at the broker.
    fn move_late(&mut self) {
        if self.late.is_empty() || self.ms < self.stalls_until {
            return;
        }
        let index = self.random.below(self.late.len());
        let count = 1 + self.random.below(600);
        let Some(wire) = self.late.get_mut(index) else { return };
        if wire.up.is_empty() {
            self.broker.close(wire.client);
            self.late.swap_remove(index);
            return;
        }
        let bytes: Vec<u8> = wire.up.drain(..count.min(wire.up.len())).collect();
        self.broker.send(wire.client, &bytes);
    }

    fn have_fault(&mut self, node: usize) {
        self.fault_count += 1;
        let count = match self.faults {
            Faults::None | Faults::Lossless => 13,
            Faults::Losses => 18,
            Faults::Rollbacks | Faults::All => 22,
        };
        let key = topic_key(TOPICS[self.random.below(TOPICS.len())]);
        let some = 1 + self.random.below(4);
        let fault = match self.random.below(count) {
            0 => return self.cut(node, Bytes::Lost),
            1 | 2 => return self.cut(node, Bytes::Late),
            3 => return self.kill_client(node, usize::MAX),
            // A slow consumer is cut: the tail of its output is lost, often within a frame.
            4 | 5 => {
                let kept = self.random.below(500);
                return self.kill_client(node, kept);
            }
            6 if self.random.one_in(3) => return self.outlast(node),
            6 => return self.hang(node),
            7 => {
                self.stalls_until = self.ms + self.random_ms(4_000);
                return;
            }
            8 => return self.kill_node(node),
            9 if self.random.one_in(2) => self.junk(key, node),
            9 => BrokerFault::ForgetScripts,
            10 => BrokerFault::Full(some as u32),
            11 => BrokerFault::Loading(some as u32),
            12 if self.random.one_in(2) => BrokerFault::Demote,
            12 => BrokerFault::Restart { lost: 0 },
            13 => BrokerFault::Wipe,
            14 if self.random.one_in(2) => BrokerFault::Foreign(key),
            14 | 15 => BrokerFault::Delete(key),
            16 | 17 if self.faults == Faults::Rollbacks => BrokerFault::Wipe,
            16 | 17 => BrokerFault::Trim(key, some - 1),
            18 | 19 => BrokerFault::Restart { lost: some },
            20 => return self.lose_first_message(node, some),
            // Also a stream that was deleted meanwhile comes back.
            _ => BrokerFault::Restart { lost: 4 + some },
        };
        self.have_broker_fault(&fault);
        if fault != BrokerFault::Demote || self.random.one_in(2) {
            self.broker.fault(BrokerFault::Promote);
        }
    }

    fn have_broker_fault(&mut self, fault: &BrokerFault) {
        self.truth.before(&self.broker);
        self.broker.fault(fault.clone());
        self.truth.after(fault, &self.broker);
    }

    /// A new node publishes its first message, which some of the others get. Then the broker loses
    /// it, and the node is the first to come back and publishes the next one.
    fn lose_first_message(&mut self, node: usize, lost: usize) {
        self.kill_node(node);
        let Some(new) = self.nodes.len().checked_sub(1) else { return };
        let topic = TOPICS[self.random.below(TOPICS.len())];
        for round in 0..2 {
            self.converse(new);
            self.nodes[new].publish(topic);
            self.converse(new);
            for other in 0..new {
                match self.random.below(3) {
                    0 => self.converse(other),
                    1 => self.kill_client(other, 0),
                    _ => {}
                }
            }
            if round == 0 {
                self.have_broker_fault(&BrokerFault::Restart { lost });
            }
        }
    }

    /// A node and the broker exchange all that they have, after a cut as well: then the node pauses
    /// for up to 50 ms.
    fn converse(&mut self, node: usize) {
        for _ in 0..5 {
            self.pass(15);
            self.turn(node);
            self.move_up_by(node, usize::MAX);
            self.move_down_by(node, usize::MAX);
        }
    }

    /// Another program sends something to a topic or a node. It costs no mark.
    fn junk(&mut self, topic: Vec<u8>, node: usize) -> BrokerFault {
        let id = self.nodes.get(node).map_or(0, |node| node.id);
        let channel = match self.random.one_in(3) {
            true => format!("bp:node:{id:016x}").into_bytes(),
            false => topic,
        };
        let last = self.broker.log().iter().rev().find(|entry| *entry.key == *channel);
        let (epoch, offset) = last.map_or((0, 0), |entry| (entry.epoch, entry.offset));
        let payload = match self.random.below(6) {
            0 => String::new(),
            1 => "hello".into(),
            2 => format!("{epoch}-{} hello", offset + 1),
            3 => format!("{epoch}-{offset} hello"),
            4 => format!("{}-{} hello", epoch + 1, self.random.below(3)),
            _ => format!("{}-0 hello", u64::MAX),
        };
        BrokerFault::Junk(channel, payload.into_bytes())
    }

    fn cut(&mut self, node: usize, bytes: Bytes) {
        let now = self.now();
        let Some(node) = self.nodes.get_mut(node) else { return };
        let Some(wire) = node.cut(&mut self.broker, now) else { return };
        match bytes {
            Bytes::Lost => self.broker.close(wire.client),
            Bytes::Late => self.late.push(wire),
        }
    }

    /// The broker ends the connection of a node. This number of bytes on their way still arrives.
    fn kill_client(&mut self, node: usize, kept: usize) {
        let Some(wire) = self.nodes.get_mut(node).and_then(|node| node.wire.as_mut()) else {
            return;
        };
        wire.down.extend(self.broker.received(wire.client));
        wire.down.truncate(kept);
        wire.up.clear();
        self.broker.close(wire.client);
    }

    fn hang(&mut self, node: usize) {
        let until = self.ms + self.random_ms(5_000);
        if let Some(wire) = self.nodes.get_mut(node).and_then(|node| node.wire.as_mut()) {
            wire.hangs_until = until;
        }
    }

    fn kill_node(&mut self, node: usize) {
        let now = self.now();
        let mut dead = self.nodes.swap_remove(node);
        if let Some(wire) = dead.cut(&mut self.broker, now) {
            self.late.push(wire);
        }
        self.dead.push(dead);
        self.add_node();
    }

    /// Ends all faults, and lets everything arrive. Returns false if that takes too long.
    pub(super) fn calm(&mut self) -> bool {
        for fault in [BrokerFault::Promote, BrokerFault::Full(0), BrokerFault::Loading(0)] {
            self.broker.fault(fault);
        }
        self.stalls_until = 0;
        for wire in self.nodes.iter_mut().filter_map(|node| node.wire.as_mut()) {
            wire.hangs_until = 0;
        }
        // At first the nodes still come back in any order.
        for _ in 0..200 {
            let node = self.random.below(self.nodes.len());
            match self.random.below(9) {
                0..3 => self.move_up(node),
                3..6 => self.move_down(node),
                6 | 7 => self.turn(node),
                _ => self.pass(10),
            }
        }
        let mut quiet = 0;
        for _ in 0..2_000 {
            self.move_late();
            for node in 0..self.nodes.len() {
                self.turn_if_due(node);
                self.move_up_by(node, usize::MAX);
                self.move_down_by(node, usize::MAX);
            }
            // Longer than the path takes: nothing is on its way, and the topics are in step.
            quiet = if self.is_quiet() { quiet + 1 } else { 0 };
            if quiet > 5 {
                return true;
            }
            self.pass(20);
        }
        false
    }

    /// For the message of a panic.
    pub(super) fn describe(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(Node::exchange).collect();
        format!("{nodes:?}")
    }

    fn is_quiet(&mut self) -> bool {
        let now = self.now();
        self.late.is_empty()
            && self.nodes.iter_mut().all(|node| {
                let is_idle = node.wire.as_ref().is_some_and(|wire| {
                    self.broker.is_open(wire.client) && wire.up.is_empty() && wire.down.is_empty()
                });
                let is_settled = |it: &Exchange| it.is_settled() && !it.holds_publishers();
                let are_names_settled = node.presence().is_some_and(Presence::is_settled);
                is_idle
                    && node.is_quiet(now)
                    && node.exchange().is_some_and(is_settled)
                    && are_names_settled
            })
    }

    /// Each node publishes a message to each topic: a loss before it must show.
    pub(super) fn say_last_words(&mut self) {
        for node in &mut self.nodes {
            TOPICS.iter().for_each(|topic| node.publish(topic));
        }
    }
}

/// The fate of the bytes that a node has sent over a connection that it gives up.
#[derive(Clone, Copy, Debug)]
enum Bytes {
    Lost,
    Late,
}
