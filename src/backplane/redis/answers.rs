//! The replies and pushes of Redis. Knows no request but its kind.

use std::collections::VecDeque;

use super::entries::{self, Read};
use super::name_answers::{MEMBERS_MAX, Partial, Script};
use super::server_facts::{Facts, Hello};
use crate::backplane::engine::{Lease, News};
use crate::close::Close;
use crate::handler::framed::Step;
use crate::protocol::resp::{Length, Token, length, token};

/// The most tokens of the answer to HELLO, which tells of the modules of the server, too.
const HELLO_MAX: u64 = 1_024;
/// The most tokens of the answer about settings.
const FACTS_MAX: u64 = 64;
/// The most elements of a push, nested or not; those of subscriptions have three.
const PUSH_MAX: u64 = 16;

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

/// Decodes the output of Redis.
#[derive(Debug)]
pub(super) struct Answers {
    waiting: VecDeque<Waiting>,
    /// The tokens of the current reply that have not arrived; 0 between replies.
    left: u64,
    /// The most tokens that it may still have.
    room: u64,
    /// The bytes of another program that are left out.
    skip: u64,
    /// The messages of other programs.
    junk: u64,
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

    /// Returns the most tokens of the reply. The form of a read is checked, so that it has no such
    /// limit: an entry of another program has any number of them.
    fn tokens_max(&self) -> u64 {
        match self {
            Waiting::Hello(_) => HELLO_MAX,
            Waiting::Facts(_) => FACTS_MAX,
            Waiting::Read(_) => u64::MAX,
            Waiting::Call { count, .. } => 3 + *count as u64,
            Waiting::Names { .. } => 2 + MEMBERS_MAX as u64,
            Waiting::PublishScript
            | Waiting::MarkScript
            | Waiting::NameScript(_)
            | Waiting::Renewal
            | Waiting::SignIn { .. }
            | Waiting::Anything => 1,
        }
    }
}

impl Answers {
    /// `probes` is the channel of the node.
    pub(super) fn new(probes: Vec<u8>) -> Answers {
        Answers {
            waiting: VecDeque::new(),
            left: 0,
            room: 0,
            skip: 0,
            junk: 0,
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
            let skipped = self.skip.min((input.len() - used) as u64);
            self.skip -= skipped;
            used += skipped as usize;
            let rest = input.get(used..).unwrap_or_default();
            let step = match token(rest) {
                Ok(Step::Message(Token::Push(count), header)) => {
                    self.push(rest, count, header, news)?
                }
                Ok(Step::Message(token, length)) => {
                    self.on_token(token, news)?;
                    Some(length)
                }
                Ok(Step::Skip(length)) => Some(length),
                Ok(Step::NeedMore) => None,
                Err(why) => match length(rest) {
                    // Longer than anything of this program: the content need not be known.
                    Length::Long(length) => {
                        self.skip = length;
                        self.on_token(Token::Bytes(b""), news)?;
                        continue;
                    }
                    Length::Unknown => None,
                    Length::Usual => return Err(why),
                },
            };
            match step {
                Some(length) => used += length,
                None => return Ok(used),
            }
        }
    }

    /// Handles the push at the front, and returns its length; `None` if it is incomplete.
    fn push(
        &mut self,
        input: &[u8],
        count: u32,
        header: usize,
        news: &mut dyn FnMut(News<'_>),
    ) -> Result<Option<usize>, Close> {
        let (mut used, mut left, mut first) = (header, u64::from(count), [None; 3]);
        for place in 0.. {
            if left == 0 {
                break;
            }
            let rest = input.get(used..).unwrap_or_default();
            match length(rest) {
                Length::Long(length) if left == 1 => {
                    self.skip = length;
                    self.note_junk();
                    return Ok(Some(used));
                }
                Length::Unknown => return Ok(None),
                Length::Long(_) | Length::Usual => {}
            }
            let room = PUSH_MAX.saturating_sub(place as u64);
            let Step::Message(token, length) = token(rest)? else { return Ok(None) };
            left = elements_left(left, token, room)?;
            used += length;
            if let (Token::Bytes(bytes), Some(slot)) = (token, first.get_mut(place)) {
                *slot = Some(bytes);
            }
        }
        match first {
            [Some(b"message"), Some(channel), Some(payload)] => {
                self.on_message(channel, payload, news);
            }
            // The last command of the opening.
            [Some(b"subscribe"), Some(channel), _] if *channel == *self.probes => news(News::Ready),
            _ => {}
        }
        Ok(Some(used))
    }

    fn on_message(&mut self, channel: &[u8], payload: &[u8], news: &mut dyn FnMut(News<'_>)) {
        if channel == self.probes {
            match str::from_utf8(payload).ok().and_then(|text| text.parse().ok()) {
                Some(number) => news(News::Probed(number)),
                None => self.note_junk(),
            }
            return;
        }
        match topic_of(channel).zip(entries::message(payload)) {
            Some((topic, (at, after, record))) => news(News::Live { topic, at, after, record }),
            None => self.note_junk(),
        }
    }

    /// Another program has sent a message. It hides no loss: that of an entry shows in the ids.
    fn note_junk(&mut self) {
        self.junk += 1;
        if self.junk == 1 {
            log::debug!("Redis: another program sends messages to a channel that begins with bp:");
        }
    }

    fn on_token(&mut self, token: Token<'_>, news: &mut dyn FnMut(News<'_>)) -> Result<(), Close> {
        if self.left == 0 {
            let room = self.waiting.front().map_or(1, Waiting::tokens_max);
            (self.left, self.room, self.settled) = (1, room, 0);
        }
        self.left = elements_left(self.left, token, self.room)?;
        self.room -= 1;
        let Some(waiting) = self.waiting.front_mut() else {
            return Err(match token {
                Token::Error(text) => refused(text),
                _ => malformed("Redis: a reply to no request"),
            });
        };
        match (waiting, token) {
            (Waiting::Read(read), Token::Error(text)) if text.starts_with(b"WRONGTYPE") => {
                news(News::Unusable(read.topic()));
            }
            (Waiting::Names { answer, .. }, Token::Error(text))
                if text.starts_with(b"WRONGTYPE") =>
            {
                *answer = Partial::Failed;
            }
            (Waiting::Hello(_), Token::Error(text)) if Hello::is_unknown(text) => {
                return Err(Close::failed(
                    "Redis: the server does not know HELLO: version 7.0 or later is needed",
                ));
            }
            // Providers of Redis forbid the question.
            (Waiting::Facts(_), Token::Error(_)) => {}
            (_, Token::Error(text)) if text.starts_with(b"WRONGTYPE") => {
                let node = self.probes.escape_ascii();
                let why = format!("Redis: the key {node} has another type: remove it");
                return Err(Close::failed(why));
            }
            (_, Token::Error(text)) => return Err(refused(text)),
            (Waiting::Hello(part), token) => part.take(token)?,
            (Waiting::Facts(facts), token) => facts.take(token),
            (Waiting::PublishScript, Token::Bytes(sha)) => self.publish_script = sha.to_vec(),
            (Waiting::MarkScript, Token::Bytes(sha)) => self.mark_script = sha.to_vec(),
            (Waiting::Read(read), token) => read.on(token, news)?,
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
            Some(Waiting::Read(read)) => read.end(news),
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

/// Returns the number of tokens that are left after this one. There may be `room` with it.
fn elements_left(left: u64, token: Token<'_>, room: u64) -> Result<u64, Close> {
    let more = match token {
        Token::Array(count) | Token::Set(count) => u64::from(count),
        Token::Map(count) => 2 * u64::from(count),
        Token::Push(_) => return Err(malformed("Redis: a push within a reply")),
        _ => 0,
    };
    match left - 1 + more {
        left if left >= room => Err(malformed("Redis: a reply of too many elements")),
        left => Ok(left),
    }
}

fn refused(text: &[u8]) -> Close {
    // A `Close` escapes the text where it is shown.
    Close::failed(format!("Redis: {}", String::from_utf8_lossy(text)))
}

fn malformed(why: &'static str) -> Close {
    Close::Malformed { code: 0, why }
}

pub(super) fn not_ours() -> Close {
    malformed("Redis: a reply of an unknown form")
}

/// Returns the topic of a channel of topics.
fn topic_of(channel: &[u8]) -> Option<&str> {
    let (_, topic) = str::from_utf8(channel).ok()?.split_once('{')?;
    topic.strip_suffix('}')
}
