//! The rules for the messages from before the members joined. Knows no event.

use std::collections::BTreeMap;

use super::faults::Faults;
use super::recorder::{Number, Session, number};
use super::world::World;
use crate::backplane::record::Record;
use crate::backplane::redis::topic_key;
use crate::history::Position;

/// # Panics
///
/// If the earlier messages are not one part of the log that ends where the members joined.
pub(super) fn judge(session: &Session, topic: &str, world: &World) {
    let key = topic_key(topic);
    let log = world.broker.log().iter().filter(|entry| *entry.key == *key);
    let log: Vec<(Position, Option<Number>)> = log
        .map(|entry| {
            let message = match Record::decode(&entry.record) {
                Record::Message(message) => Some(number(message.bytes)),
                _ => None,
            };
            (Position::new(entry.epoch, entry.offset + 1), message)
        })
        .collect();
    let is_whole = world.faults <= Faults::Lossless;
    if is_whole {
        assert_eq!(session.earlier, expected(session, &log), "{topic}: the log before");
    }
    assert!(session.earlier.len() <= session.backlog as usize, "{topic}: too many");
    judge_run(session, topic, &log);
}

/// The messages among the newest entry and those before, if nothing was lost.
fn expected(session: &Session, log: &[(Position, Option<Number>)]) -> Vec<(Position, Number)> {
    let end = log.iter().position(|(at, _)| *at == session.from).map_or(0, |index| index + 1);
    let begin = end.saturating_sub(session.backlog as usize + 1);
    let found = log.get(begin..end).unwrap_or_default().iter();
    let found: Vec<_> = found.filter_map(|(at, message)| Some((*at, (*message)?))).collect();
    let skip = found.len().saturating_sub(session.backlog as usize);
    found.into_iter().skip(skip).collect()
}

/// An id may have been given to several entries, one after the other.
fn judge_run(session: &Session, topic: &str, log: &[(Position, Option<Number>)]) {
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    let mut before: Option<Position> = None;
    let joined = (session.from, None);
    let handed = session.earlier.iter().map(|(at, number)| (*at, Some(*number)));
    for (at, message) in handed.chain([joined]) {
        if let Some(before) = before.filter(|before| before.epoch() == at.epoch()) {
            let is_last = message.is_none() && before.offset() == at.offset();
            assert!(is_last || before.offset() < at.offset(), "{topic}: {at:?} after {before:?}");
            for offset in before.offset() + 1..at.offset() {
                let place = Position::new(at.epoch(), offset);
                let mut there = log.iter().filter(|(found, _)| *found == place);
                let is_owed = |(node, count): Number| last.get(&node).is_none_or(|it| *it < count);
                let is_mark = there.any(|(_, message)| !message.is_some_and(is_owed));
                assert!(is_mark, "{topic}: the message at {place:?} is missing among the earlier");
            }
        }
        if let Some((node, count)) = message {
            assert!(log.contains(&(at, message)), "{topic}: {message:?} is a ghost at {at:?}");
            let before = last.insert(node, count).unwrap_or(0);
            assert!(before < count, "{topic}: {count} of {node} after {before} among the earlier");
        }
        before = Some(at);
    }
}
