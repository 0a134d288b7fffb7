//! The replies and pushes of Redis. Knows no request but its kind.

use std::collections::VecDeque;

use super::name_answers::{Partial, Script};
use super::server_facts::{Facts, Hello};
use crate::backplane::engine::{Lease, News, Rest};
use crate::close::Close;
use crate::handler::framed::Step;
use crate::history::Position;
use crate::protocol::resp::{Token, token};

/// The most entries of one read.
pub(super) const PAGE: usize = 100;
/// The most entries before the newest one.
pub(super) const BACKLOG_MAX: u32 = 1_000;
/// The most tokens of a reply that have not arrived: a read has five for each entry.
const REPLY_MAX: u64 = 8 * (1 + BACKLOG_MAX as u64);
/// The most elements of a push; those of subscriptions have three.
const PUSH_MAX: u32 = 16;

/// A reply that is due, and its state.
#[derive(Debug)]
pub(super) enum Waiting {
    Hello(Hello),
    Facts(Box<Facts>),
    PublishScript,
    MarkScript,
    Anything,
    Read(Read),
    Call {
        first: u64,
        count: usize,
    },
    NameScript(Script),
    Renewal,
    SignIn {
        before: u64,
        lease: u64,
    },
    /// The answer to a request of this number.
    Names {
        number: u64,
        answer: Partial,
    },
}

/// A read of entries: an array of pairs of an id and an array of a name and a value.
#[derive(Debug)]
pub(super) struct Read {
    topic: Box<str>,
    /// As many entries mean that there may be more.
    limit: usize,
    entries: usize,
    next: Part,
}

/// The part of an entry that comes next.
#[derive(Clone, Copy, Debug)]
enum Part {
    Id,
    Name(Position),
    Value(Position),
}

/// Decodes the output of Redis.
#[derive(Debug)]
pub(super) struct Answers {
    waiting: VecDeque<Waiting>,
    /// The tokens of the current reply that have not arrived; 0 between replies.
    left: u64,
    /// The messages that the current call has settled.
    settled: u64,
    publish_script: Vec<u8>,
    mark_script: Vec<u8>,
    name_scripts: [Vec<u8>; Script::ALL.len()],
    /// The lease of the names of this node.
    lease: Option<u64>,
    probes: Vec<u8>,
}

impl Waiting {
    pub(super) fn hello() -> Waiting {
        Waiting::Hello(Hello::Name)
    }

    pub(super) fn facts() -> Waiting {
        Waiting::Facts(Box::default())
    }
}

impl Read {
    pub(super) fn new(topic: &str, limit: usize) -> Read {
        Read { topic: topic.into(), limit, entries: 0, next: Part::Id }
    }

    fn on_bytes(&mut self, bytes: &[u8], news: &mut dyn FnMut(News<'_>)) -> Result<(), Close> {
        self.next = match self.next {
            Part::Id => Part::Name(position(bytes).ok_or_else(|| foreign(&self.topic))?),
            Part::Name(at) => Part::Value(at),
            Part::Value(at) => {
                self.entries += 1;
                news(News::Past { topic: &self.topic, at, after: before(at), record: bytes });
                Part::Id
            }
        };
        Ok(())
    }
}

impl Answers {
    /// `probes` is the channel of the node.
    pub(super) fn new(probes: Vec<u8>) -> Answers {
        Answers {
            waiting: VecDeque::new(),
            left: 0,
            settled: 0,
            publish_script: Vec::new(),
            mark_script: Vec::new(),
            name_scripts: Default::default(),
            lease: None,
            probes,
        }
    }

    pub(super) fn expect(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// Returns the name of the script; empty before the connection is ready.
    pub(super) fn publish_script(&self) -> &[u8] {
        &self.publish_script
    }

    pub(super) fn mark_script(&self) -> &[u8] {
        &self.mark_script
    }

    pub(super) fn name_script(&self, script: Script) -> &[u8] {
        &self.name_scripts[script as usize]
    }

    /// Returns the lease of the names of this node.
    pub(super) fn lease(&self) -> Option<u64> {
        self.lease
    }

    pub(super) fn forget_lease(&mut self) {
        self.lease = None;
    }

    pub(super) fn on_data(
        &mut self,
        input: &[u8],
        news: &mut dyn FnMut(News<'_>),
    ) -> Result<usize, Close> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let step = match token(rest)? {
                Step::Message(Token::Push(count), header) => {
                    self.push(rest, count, header, news)?
                }
                Step::Message(token, length) => {
                    self.on_token(token, news)?;
                    Some(length)
                }
                Step::Skip(length) => Some(length),
                Step::NeedMore => None,
            };
            match step {
                Some(length) => used += length,
                None => return Ok(used),
            }
        }
    }

    /// Handles the push at the front, and returns its length; `None` if it is incomplete.
    fn push(
        &self,
        input: &[u8],
        count: u32,
        header: usize,
        news: &mut dyn FnMut(News<'_>),
    ) -> Result<Option<usize>, Close> {
        if count > PUSH_MAX {
            return Err(malformed("Redis: a push of too many elements"));
        }
        let (mut used, mut left, mut first) = (header, u64::from(count), [None; 3]);
        for place in 0.. {
            if left == 0 {
                break;
            }
            let rest = input.get(used..).unwrap_or_default();
            let Step::Message(token, length) = token(rest)? else { return Ok(None) };
            left = elements_left(left, token)?;
            used += length;
            if let (Token::Bytes(bytes), Some(slot)) = (token, first.get_mut(place)) {
                *slot = Some(bytes);
            }
        }
        match first {
            [Some(b"message"), Some(channel), Some(payload)] => {
                self.on_message(channel, payload, news)?;
            }
            // The last command of the opening.
            [Some(b"subscribe"), Some(channel), _] if *channel == *self.probes => news(News::Ready),
            _ => {}
        }
        Ok(Some(used))
    }

    fn on_message(
        &self,
        channel: &[u8],
        payload: &[u8],
        news: &mut dyn FnMut(News<'_>),
    ) -> Result<(), Close> {
        if channel == self.probes {
            let number = str::from_utf8(payload).ok().and_then(|text| text.parse().ok());
            news(News::Probed(number.ok_or_else(not_ours)?));
            return Ok(());
        }
        let topic = topic_of(channel).ok_or_else(not_ours)?;
        let space = payload.iter().position(|byte| *byte == b' ').ok_or_else(not_ours)?;
        let (id, record) = payload.split_at(space);
        let at = position(id).ok_or_else(not_ours)?;
        let record = record.get(1..).unwrap_or_default();
        news(News::Live { topic, at, after: before(at), record });
        Ok(())
    }

    fn on_token(&mut self, token: Token<'_>, news: &mut dyn FnMut(News<'_>)) -> Result<(), Close> {
        if self.left == 0 {
            (self.left, self.settled) = (1, 0);
        }
        self.left = elements_left(self.left, token)?;
        let Some(waiting) = self.waiting.front_mut() else {
            return Err(match token {
                Token::Error(text) => refused(text),
                _ => malformed("Redis: a reply to no request"),
            });
        };
        match (waiting, token) {
            (Waiting::Read(read), Token::Error(text)) if text.starts_with(b"WRONGTYPE") => {
                news(News::Unusable(&read.topic));
            }
            (Waiting::Hello(_), Token::Error(text)) if Hello::is_unknown(text) => {
                return Err(Close::failed(
                    "Redis: the server does not know HELLO: version 7.0 or later is needed",
                ));
            }
            // Providers of Redis forbid the question.
            (Waiting::Facts(_), Token::Error(_)) => {}
            (_, Token::Error(text)) => return Err(refused(text)),
            (Waiting::Hello(part), token) => part.take(token)?,
            (Waiting::Facts(facts), token) => facts.take(token),
            (Waiting::PublishScript, Token::Bytes(sha)) => self.publish_script = sha.to_vec(),
            (Waiting::MarkScript, Token::Bytes(sha)) => self.mark_script = sha.to_vec(),
            (Waiting::Read(read), Token::Bytes(bytes)) => read.on_bytes(bytes, news)?,
            (Waiting::Call { first, count }, token) => {
                let (first, count) = (*first, *count as u64);
                self.on_call(first, count, token, news)?;
            }
            (Waiting::NameScript(script), Token::Bytes(sha)) => {
                self.name_scripts[*script as usize] = sha.to_vec();
            }
            (Waiting::Renewal, Token::Integer(0)) => {
                return Err(refused(b"the names of this node were given up: it takes a new lease"));
            }
            (Waiting::SignIn { before, lease }, Token::Integer(kept)) => {
                let (held, told) =
                    if kept == 1 { (*before, Lease::Kept) } else { (*lease, Lease::New) };
                self.lease = Some(held);
                news(News::SignedIn(told));
            }
            (Waiting::Names { answer, .. }, token) => answer.add(token).ok_or_else(not_ours)?,
            _ => {}
        }
        if self.left == 0 {
            return self.on_end(news);
        }
        Ok(())
    }

    /// The answer to a call: how many messages are settled, or an array of the indexes of the
    /// messages that were refused, that number, and a failure or nothing.
    fn on_call(
        &mut self,
        first: u64,
        count: u64,
        token: Token<'_>,
        news: &mut dyn FnMut(News<'_>),
    ) -> Result<(), Close> {
        match token {
            Token::Array(_) | Token::Bytes(b"") => {}
            Token::Integer(number) => {
                let number = u64::try_from(number).ok().filter(|number| *number <= count);
                let number = number.ok_or_else(not_ours)?;
                match self.left {
                    // Alone, or before the failure.
                    0 | 1 => self.settled = number,
                    _ => news(News::Refused(first + number)),
                }
            }
            Token::Bytes(why) => {
                self.accept(first, news);
                return Err(refused(why));
            }
            _ => return Err(not_ours()),
        }
        Ok(())
    }

    fn accept(&self, first: u64, news: &mut dyn FnMut(News<'_>)) {
        if self.settled > 0 {
            news(News::Accepted(first + self.settled - 1));
        }
    }

    fn on_end(&mut self, news: &mut dyn FnMut(News<'_>)) -> Result<(), Close> {
        match self.waiting.pop_front() {
            Some(Waiting::Read(read)) => {
                let rest = if read.entries >= read.limit { Rest::More } else { Rest::Nothing };
                news(News::PastEnd { topic: &read.topic, rest });
            }
            Some(Waiting::Facts(facts)) => facts.warn(),
            Some(Waiting::Call { first, .. }) => self.accept(first, news),
            Some(Waiting::Names { number, answer }) => {
                news(News::Presence(number, answer.end().ok_or_else(not_ours)?));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns the number of tokens that are left after this one.
fn elements_left(left: u64, token: Token<'_>) -> Result<u64, Close> {
    let more = match token {
        Token::Array(count) | Token::Set(count) => u64::from(count),
        Token::Map(count) => 2 * u64::from(count),
        Token::Push(_) => return Err(malformed("Redis: a push within a reply")),
        _ => 0,
    };
    match left - 1 + more {
        left if left > REPLY_MAX => Err(malformed("Redis: a reply of too many elements")),
        left => Ok(left),
    }
}

/// Returns the position of an id, `EPOCH-OFFSET`: offsets of Redis begin at 0.
fn position(id: &[u8]) -> Option<Position> {
    let (epoch, offset) = str::from_utf8(id).ok()?.split_once('-')?;
    let offset: u64 = offset.parse().ok()?;
    Some(Position::new(epoch.parse().ok()?, offset.checked_add(1)?))
}

/// Returns the position before this one: the offsets of an epoch have no gap.
fn before(at: Position) -> Option<Position> {
    let offset = at.offset().checked_sub(1).filter(|offset| *offset > 0)?;
    Some(Position::new(at.epoch(), offset))
}

fn refused(text: &[u8]) -> Close {
    // A `Close` escapes the text where it is shown.
    Close::failed(format!("Redis: {}", String::from_utf8_lossy(text)))
}

fn malformed(why: &'static str) -> Close {
    Close::Malformed { code: 0, why }
}

fn foreign(topic: &str) -> Close {
    Close::failed(format!(
        "Redis: the log of the topic {topic} was written by another program: remove the key bp:{{{topic}}}"
    ))
}

pub(super) fn not_ours() -> Close {
    malformed("Redis: a key that begins with bp: was written by another program")
}

/// Returns the topic of a channel of topics.
fn topic_of(channel: &[u8]) -> Option<&str> {
    let (_, topic) = str::from_utf8(channel).ok()?.split_once('{')?;
    topic.strip_suffix('}')
}
