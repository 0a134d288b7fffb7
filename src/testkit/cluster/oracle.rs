//! The rules of the backplane, judged with the log of the broker. Knows no event.

use std::collections::{BTreeMap, BTreeSet};

use super::recorder::{Number, Seen, Session, number};
use crate::backplane::record::Record;
use crate::backplane::redis::topic_key;
use crate::testkit::broker::{Broker, BrokerFault};

/// The history of the log of the broker, besides the log.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// The entries that a fault took from the end of a log, with the number of that fault.
    undone: BTreeMap<usize, u64>,
    /// The entries that the logs hold before a fault.
    held: Vec<usize>,
    /// Before these entries the broker forgot which messages it had accepted.
    forgot: Vec<usize>,
}

/// The messages that were appended to a topic, with their entries.
pub(super) type Accepted = BTreeMap<Number, Vec<usize>>;

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    End,
    Earlier,
}

impl Truth {
    pub(super) fn before(&mut self, broker: &Broker) {
        let log = broker.log().iter().enumerate();
        self.held = log.filter(|(_, entry)| broker.holds(entry)).map(|(index, _)| index).collect();
    }

    pub(super) fn after(&mut self, fault: &BrokerFault, broker: &Broker) {
        match fault {
            BrokerFault::Restart { lost: 1.. } => self.forgot.push(broker.log().len()),
            BrokerFault::Wipe => return self.forgot.push(broker.log().len()),
            _ => return,
        }
        let was_held: BTreeSet<usize> = self.held.iter().copied().collect();
        for (index, entry) in broker.log().iter().enumerate() {
            // Also an entry that was trimmed before, from a log that now ends earlier.
            let is_gone = was_held.contains(&index) && !broker.holds(entry);
            if is_gone || broker.ends_before(entry) {
                self.undone.entry(index).or_insert(broker.faults());
            }
        }
    }

    /// Returns the accepted messages of a topic.
    ///
    /// # Panics
    ///
    /// If the broker accepted one twice, though it had not forgotten the first time.
    pub(super) fn accepted(&self, topic: &str, broker: &Broker) -> Accepted {
        let key = topic_key(topic);
        let mut accepted = Accepted::new();
        for (index, entry) in broker.log().iter().enumerate().filter(|(_, e)| *e.key == *key) {
            let Record::Message(message) = Record::decode(&entry.record) else { continue };
            let entries = accepted.entry(number(message.bytes)).or_default();
            if let Some(before) = entries.last() {
                let forgot = self.forgot.iter().any(|at| (before + 1..=index).contains(at));
                assert!(forgot, "{topic}: {:?} was accepted twice", number(message.bytes));
            }
            entries.push(index);
        }
        accepted
    }
}

/// The rules for the sessions of one topic.
pub(super) struct Judge<'a> {
    pub(super) topic: &'a str,
    pub(super) truth: &'a Truth,
    pub(super) accepted: &'a Accepted,
    pub(super) broker: &'a Broker,
    /// The messages whose publisher was told that they may not arrive.
    pub(super) unshared: &'a BTreeSet<(String, Number)>,
    /// The messages that were seen by members which are still there.
    pub(super) witnessed: &'a BTreeSet<Number>,
}

impl Judge<'_> {
    /// # Panics
    ///
    /// If the session breaks a rule.
    pub(super) fn judge(&self, session: &Session, until: Until) {
        // For each publisher: the last message, and the number of marks before it.
        let mut last: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
        let mut marks = 0;
        for seen in &session.seen {
            let (node, count) = match *seen {
                Seen::Mark => {
                    marks += 1;
                    continue;
                }
                Seen::Message(number) => {
                    assert!(
                        self.accepted.contains_key(&number),
                        "{}: {number:?} is a ghost",
                        self.topic
                    );
                    number
                }
                Seen::Here(number) => number,
            };
            let before = last.insert(node, (count, marks));
            let (before, marks_before) = before.unwrap_or((0, 0));
            assert!(before < count, "{}: {count} of {node} after {before}", self.topic);
            if marks == marks_before {
                let chain = if before > 0 { Chain::Whole } else { Chain::Begins };
                self.none_is_owed(session, node, (before, count), chain);
            }
        }
        if until == Until::End {
            let nodes: BTreeSet<u64> = self.accepted.keys().map(|(node, _)| *node).collect();
            for node in nodes {
                let (before, marks_before) = last.get(&node).copied().unwrap_or((0, 0));
                if marks == marks_before {
                    self.none_is_owed(session, node, (before, u64::MAX), Chain::Ends);
                }
            }
        }
    }

    /// The first entry that is owed.
    fn start(&self, session: &Session) -> usize {
        let key = topic_key(self.topic);
        let log = self.broker.log().get(..session.log).unwrap_or_default();
        let found = log.iter().rposition(|entry| {
            *entry.key == *key
                && (entry.epoch, entry.offset + 1) == (session.from.epoch(), session.from.offset())
        });
        found.map_or(0, |index| index + 1)
    }

    /// Checks the messages of a publisher between two, without a mark between these.
    fn none_is_owed(
        &self,
        session: &Session,
        node: u64,
        (after, before): (u64, u64),
        chain: Chain,
    ) {
        if after >= before {
            return;
        }
        let start = self.start(session);
        let undone = |entry: &usize| self.truth.undone.get(entry).copied();
        let between = self.accepted.range((node, after + 1)..(node, before));
        for (number, entries) in between {
            // It was in the log before the members joined, or is no longer in it when they join.
            let is_before = entries.first().is_some_and(|first| *first < start);
            let is_gone = |entry| undone(entry).is_some_and(|fault| fault <= session.faults);
            let is_before = is_before || entries.iter().all(is_gone);
            let is_unshared = self.unshared.contains(&(self.topic.to_owned(), *number));
            // A rollback shows to members that saw the message, unless their last entry was
            // trimmed. Else it shows only in the later messages of the publisher.
            let is_undone = entries.iter().all(|entry| undone(entry).is_some());
            let is_unseen = is_undone && !self.witnessed.contains(number) && chain != Chain::Whole;
            assert!(
                is_before || is_unshared || is_unseen,
                "{}: {number:?} (entries {entries:?}) is missing without a mark, between {after} \
                 and {before}",
                self.topic
            );
        }
    }
}

/// The messages of a publisher around a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    Begins,
    Whole,
    Ends,
}
