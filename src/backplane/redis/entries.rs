//! A read of the log of a topic, token by token. Knows no other reply.
//!
//! Another program may have written to the log. Its entry has any names and values, and counts as a
//! record of an unknown form. Its id may be so late that none is left for a message: then the topic
//! cannot be used.

use crate::backplane::engine::{News, Rest};
use crate::backplane::record::{HASH, hash};
use crate::close::Close;
use crate::history::Position;
use crate::protocol::resp::Token;

/// The most entries before the newest one.
pub(super) const BACKLOG_MAX: u32 = 1_000;
/// The greatest epoch that can be used, of 15 digits: numbers of Lua are exact below 2^53. The
/// scripts refuse later ones, too.
const EPOCH_MAX: u64 = 999_999_999_999_999;

/// A read of entries: an array of pairs of an id and an array of names and values.
#[derive(Debug)]
pub(super) struct Read {
    topic: Box<str>,
    /// As many entries mean that there may be more.
    limit: usize,
    entries: usize,
    /// The greatest epoch.
    epoch: u64,
    next: Part,
}

/// The part that comes next.
#[derive(Clone, Copy, Debug)]
enum Part {
    Entries,
    Entry,
    Id,
    Fields(Position),
    Name(Position),
    Value(Position),
    /// One of the names and values that another program wrote. `hash` is that of those before.
    Foreign {
        at: Position,
        left: u32,
        hash: u64,
    },
}

impl Read {
    pub(super) fn new(topic: &str, limit: usize) -> Read {
        Read { topic: topic.into(), limit, entries: 0, epoch: 0, next: Part::Entries }
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn on(
        &mut self,
        token: Token<'_>,
        news: &mut dyn FnMut(News<'_>),
    ) -> Result<(), Close> {
        let most = self.limit.min(1 + BACKLOG_MAX as usize);
        self.next = match (self.next, token) {
            (Part::Entries, Token::Array(count)) if count as usize <= most => Part::Entry,
            (Part::Entry, Token::Array(2)) => Part::Id,
            (Part::Id, Token::Bytes(id)) => Part::Fields(position(id).ok_or_else(no_entries)?),
            (Part::Fields(at), Token::Array(2)) => Part::Name(at),
            (Part::Fields(at), Token::Array(left @ 1..)) => Part::Foreign { at, left, hash: HASH },
            (Part::Name(at), Token::Bytes(b"m")) => Part::Value(at),
            (Part::Name(at), Token::Bytes(name)) => {
                Part::Foreign { at, left: 1, hash: hash(HASH, name) }
            }
            (Part::Value(at), Token::Bytes(record)) => self.tell(at, record, news),
            (Part::Foreign { at, left, hash: before }, Token::Bytes(bytes)) => {
                let hash = hash(before, bytes);
                match left {
                    // No form of a record begins so.
                    ..=1 => self.tell(at, &[&[0], &hash.to_be_bytes()[..]].concat(), news),
                    _ => Part::Foreign { at, left: left - 1, hash },
                }
            }
            _ => return Err(no_entries()),
        };
        Ok(())
    }

    fn tell(&mut self, at: Position, record: &[u8], news: &mut dyn FnMut(News<'_>)) -> Part {
        self.entries += 1;
        self.epoch = self.epoch.max(at.epoch());
        if at.epoch() <= EPOCH_MAX {
            news(News::Past { topic: &self.topic, at, after: before(at), record });
        }
        Part::Entry
    }

    pub(super) fn end(&self, news: &mut dyn FnMut(News<'_>)) {
        let topic = &*self.topic;
        if self.epoch > EPOCH_MAX {
            news(News::Unusable(topic));
        }
        let rest = if self.entries >= self.limit { Rest::More } else { Rest::Nothing };
        news(News::PastEnd { topic, rest });
    }
}

/// Takes a message of a channel apart: its position, that of the entry before, and the record.
/// `None` if another program sent it.
pub(super) fn message(payload: &[u8]) -> Option<(Position, Option<Position>, &[u8])> {
    let space = payload.iter().position(|byte| *byte == b' ')?;
    let (id, record) = payload.split_at(space);
    let at = position(id).filter(|at| at.epoch() <= EPOCH_MAX)?;
    Some((at, before(at), record.get(1..).unwrap_or_default()))
}

/// Returns the position of an id, `EPOCH-OFFSET`: offsets of Redis begin at 0. The last two of an
/// epoch have one position; messages have neither.
fn position(id: &[u8]) -> Option<Position> {
    let (epoch, offset) = str::from_utf8(id).ok()?.split_once('-')?;
    let offset: u64 = offset.parse().ok()?;
    Some(Position::new(epoch.parse().ok()?, offset.saturating_add(1)))
}

/// Returns the position before this one: the offsets of an epoch have no gap.
fn before(at: Position) -> Option<Position> {
    let offset = at.offset().checked_sub(1).filter(|offset| *offset > 0)?;
    Some(Position::new(at.epoch(), offset))
}

fn no_entries() -> Close {
    Close::Malformed { code: 0, why: "Redis: a reply that is not the entries of a log" }
}
