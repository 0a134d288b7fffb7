//! The messages that the members of one node saw. Knows no rule.

use std::collections::{BTreeMap, BTreeSet};

use crate::backplane::feed::{Mark, Recovery};
use crate::backplane::members::Members;
use crate::backplane::record::Message;
use crate::history::Position;

/// The number of a message: its node, and how many the node published to the topic before.
pub(super) type Number = (u64, u64);

/// One event that the members of a topic saw.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    Message(Number),
    /// A message of the own node that was delivered without the engine.
    Here(Number),
    Mark,
}

/// The time during which a topic was watched without a break.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Everything after this entry is owed.
    pub(super) from: Position,
    /// The number of entries that had been appended when the members were in step.
    pub(super) log: usize,
    /// The number of faults of the broker at that time.
    pub(super) faults: u64,
    /// The messages from before, and how many were wanted.
    pub(super) earlier: Vec<(Position, Number)>,
    pub(super) backlog: u32,
    pub(super) seen: Vec<Seen>,
    /// How often everything was delivered after a break.
    pub(super) recovered: u64,
}

#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) sessions: BTreeMap<String, Vec<Session>>,
    /// The earlier messages that each topic wants.
    pub(super) backlogs: BTreeMap<String, u32>,
    /// Those of the session that begins.
    earlier: Vec<(Position, Number)>,
    /// The bytes that the feed of each topic made.
    made: BTreeMap<String, Vec<Vec<u8>>>,
    /// The messages whose publisher was told that they may not arrive.
    pub(super) unshared: BTreeSet<(String, Number)>,
    /// The number of entries in the log of the broker, and of its faults.
    pub(super) moment: (usize, u64),
}

/// Returns the number that is the content of a message.
pub(super) fn number(bytes: &[u8]) -> Number {
    let half = |half: Option<&[u8]>| {
        half.and_then(|half| half.try_into().ok()).map_or(u64::MAX, u64::from_be_bytes)
    };
    (half(bytes.get(..8)), half(bytes.get(8..16)))
}

pub(super) fn content((node, count): Number) -> [u8; 16] {
    (u128::from(node) << 64 | u128::from(count)).to_be_bytes()
}

impl Recorder {
    /// Notes bytes that the feed of a topic made for its members.
    pub(super) fn make(&mut self, topic: &str, bytes: &[u8]) {
        self.made.entry(topic.to_owned()).or_default().push(bytes.to_vec());
    }

    pub(super) fn made(&self, topic: &str) -> Vec<Vec<u8>> {
        self.made.get(topic).cloned().unwrap_or_default()
    }

    /// Returns the number of messages and marks that the feed of a topic made.
    pub(super) fn count(&self, topic: &str) -> usize {
        self.made.get(topic).map_or(0, Vec::len)
    }

    fn see(&mut self, topic: &str, seen: Seen) {
        if let Some(session) = self.sessions.get_mut(topic).and_then(|all| all.last_mut()) {
            session.seen.push(seen);
        }
    }
}

impl Members for Recorder {
    fn deliver(&mut self, topic: &str, _: Position, message: &Message<'_>) {
        self.see(topic, Seen::Message(number(message.bytes)));
    }

    fn mark(&mut self, topic: &str, _: Mark) {
        self.see(topic, Seen::Mark);
    }

    fn earlier(&mut self, _: &str, at: Position, message: &Message<'_>) {
        self.earlier.push((at, number(message.bytes)));
    }

    fn joined(&mut self, topic: &str, from: Position) {
        let (log, faults) = self.moment;
        let earlier = std::mem::take(&mut self.earlier);
        let backlog = self.backlogs.get(topic).copied().unwrap_or_default();
        let (seen, recovered) = (Vec::new(), 0);
        let session = Session { from, log, faults, earlier, backlog, seen, recovered };
        self.sessions.entry(topic.to_owned()).or_default().push(session);
    }

    fn recovered(&mut self, topic: &str, _: Position, recovery: Recovery) {
        let session = self.sessions.get_mut(topic).and_then(|all| all.last_mut());
        if let (Some(session), Recovery::All) = (session, recovery) {
            session.recovered += 1;
        }
    }

    fn unshared(&mut self, topic: &str, _: u64, bytes: &[u8]) {
        self.unshared.insert((topic.to_owned(), number(bytes)));
    }

    fn deliver_here(&mut self, topic: &str, _: u64, bytes: &[u8]) {
        self.see(topic, Seen::Here(number(bytes)));
    }
}
