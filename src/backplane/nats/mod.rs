//! NATS with JetStream as an engine: one stream for all topics, whose messages are copied to
//! subscribers. Knows no socket and no exchange.
//!
//! | subject | contents |
//! |---|---|
//! | `bp.t.TOPIC` | the log of a topic, in the stream `bp` |
//! | `bp_live.t.TOPIC` | the copies of its messages: the stream republishes them |
//! | `bp.n.NODE`, `bp_live.n.NODE` | the probes of a node |
//! | `_INBOX.bp.NODE.GENERATION.>` | the answers to this connection |
//!
//! `docs/decisions/0057-nats.md` has the reasons.

mod answers;
mod json;
mod login;
mod probes;
mod read;
mod requests;
mod stream;

pub(crate) use self::login::Login;

use std::collections::{HashMap, VecDeque};

use self::answers::{answer, greeted, is_copy, sequence};
use self::json::number;
use self::probes::Probes;
use self::read::{Entry, Found, Purpose, Read};
use self::requests::{INBOX, PROBES, Requests};
use super::engine::{Ask, Engine, Lease, News, Rest};
use crate::close::Close;
use crate::handler::framed::Step;
use crate::history::Position;
use crate::protocol::nats::{Foreign, Message, Token, foreign, token};

/// The settings of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The node, a random number of each process.
    pub(crate) node: u64,
    /// Another one for each connection of the node.
    pub(crate) generation: u64,
    pub(crate) login: Option<Login>,
    /// The length of a log, in messages.
    pub(crate) log_messages: u32,
    /// The time after which a message is removed, in milliseconds.
    pub(crate) retention_ms: u64,
}

/// A connection to NATS, without its socket.
#[derive(Debug)]
pub(crate) struct JetStream {
    settings: Settings,
    stage: Stage,
    requests: Requests,
    /// The numbers of the subscriptions of topics, and the topics of the numbers.
    subscriptions: HashMap<Box<str>, u64>,
    topics: HashMap<u64, Box<str>>,
    last_subscription: u64,
    /// The messages that were sent and not accepted, in order.
    sent: VecDeque<u64>,
    reads: HashMap<u64, Reading>,
    last_read: u64,
    probes: Probes,
    /// The `seq` of the last message.
    published: u64,
    /// The requests about names that the next answers to PING stand for.
    pings: u32,
    /// The greatest sequence number of a copy.
    newest: u64,
    /// The bytes of another program that are left out.
    skip: u64,
    /// The messages of other programs.
    junk: u64,
    /// The requests that the input has caused.
    kept: Vec<u8>,
}

/// A read that has not ended.
#[derive(Debug)]
struct Reading {
    topic: Box<str>,
    read: Read,
    /// The last probe before its last question or answer.
    probe: u64,
    /// How often it began.
    tries: u32,
}

/// A read is late when this probe after its last question has come back: it begins again. JetStream
/// says nothing to a question that arrives while the stream is being made, or while a cluster has
/// no leader.
const LATE_PROBE: u64 = 2;

/// The progress of the opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Nothing,
    /// Its limits are as needed.
    Greeted,
    /// The stream is there, and was created at that time.
    Ready {
        epoch: u64,
    },
}

impl JetStream {
    pub(crate) fn new(settings: Settings) -> JetStream {
        JetStream {
            requests: Requests::new(settings.node, settings.generation),
            settings,
            stage: Stage::Nothing,
            subscriptions: HashMap::new(),
            topics: HashMap::new(),
            last_subscription: PROBES,
            sent: VecDeque::new(),
            reads: HashMap::new(),
            last_read: 0,
            probes: Probes::default(),
            published: 0,
            pings: 0,
            newest: 0,
            skip: 0,
            junk: 0,
            kept: Vec::new(),
        }
    }

    fn epoch(&self) -> u64 {
        match self.stage {
            Stage::Ready { epoch } => epoch,
            Stage::Nothing | Stage::Greeted => 0,
        }
    }

    fn watch(&mut self, topic: &str, out: &mut Vec<u8>) {
        self.last_subscription += 1;
        let number = self.last_subscription;
        self.requests.subscribe(topic, number, out);
        self.topics.insert(number, topic.into());
        if let Some(before) = self.subscriptions.insert(topic.into(), number) {
            self.topics.remove(&before);
            self.requests.unsubscribe(before, out);
        }
    }

    fn unwatch(&mut self, topic: &str, out: &mut Vec<u8>) {
        if let Some(number) = self.subscriptions.remove(topic) {
            self.topics.remove(&number);
            self.requests.unsubscribe(number, out);
        }
    }

    fn read(&mut self, topic: &str, purpose: Purpose, out: &mut Vec<u8>) {
        let reading = Reading { topic: topic.into(), read: Read::new(purpose), probe: 0, tries: 0 };
        self.begin(reading, out);
    }

    /// Begins a read. Answers to the questions that it asked before come too late.
    fn begin(&mut self, mut reading: Reading, out: &mut Vec<u8>) {
        self.last_read += 1;
        (reading.probe, reading.tries) = (self.probes.last(), reading.tries + 1);
        let Reading { topic, read, .. } = &mut reading;
        let (id, requests) = (self.last_read, &mut self.requests);
        read.begin(&mut |number, question| requests.ask((id, number), topic, question, out));
        self.reads.insert(id, reading);
    }

    fn on_probe(&mut self, number: u64, news: &mut dyn FnMut(News<'_>)) -> Result<(), Close> {
        let Some(answered) = self.probes.come_back(number) else {
            self.note_junk();
            return Ok(());
        };
        if self.sent.front().is_some_and(|seq| *seq <= answered) {
            let why = "NATS: no answer to a message: the stream may have no leader";
            return Err(Close::failed(why));
        }
        let late = self.reads.iter().filter(|(_, it)| it.probe + LATE_PROBE <= number);
        let mut late: Vec<u64> = late.map(|(id, _)| *id).collect();
        // The order of a map is random.
        late.sort_unstable();
        let mut kept = std::mem::take(&mut self.kept);
        for id in late {
            let Some(reading) = self.reads.remove(&id) else { continue };
            // One read is one event.
            if reading.tries == 2 {
                let topic = reading.topic.escape_debug();
                log::warn!("NATS: no answer about the topic {topic}: asking again");
            }
            self.begin(reading, &mut kept);
        }
        self.kept = kept;
        news(News::Probed(number));
        Ok(())
    }

    fn on_token(&mut self, token: Token<'_>, news: &mut dyn FnMut(News<'_>)) -> Result<(), Close> {
        match token {
            Token::Info(info) if self.stage == Stage::Nothing => {
                greeted(info)?;
                self.stage = Stage::Greeted;
            }
            // Other servers of a cluster, or that this one is going to stop.
            Token::Info(_) | Token::Taken => {}
            _ if self.stage == Stage::Nothing => {
                return Err(malformed("NATS: a server that does not begin with INFO"));
            }
            Token::Ping => self.kept.extend_from_slice(b"PONG\r\n"),
            Token::Pong => {
                self.pings = self
                    .pings
                    .checked_sub(1)
                    .ok_or_else(|| malformed("NATS: a PONG to no PING"))?;
                news(News::SignedIn(Lease::Unsupported));
            }
            Token::Error(why) => {
                let why = String::from_utf8_lossy(why);
                return Err(stream::refused(why.trim_matches('\'')));
            }
            Token::Message(message) => self.on_message(&message, news)?,
        }
        Ok(())
    }

    fn on_message(
        &mut self,
        message: &Message<'_>,
        news: &mut dyn FnMut(News<'_>),
    ) -> Result<(), Close> {
        match message.subscription {
            INBOX => return self.on_answer(message, news),
            PROBES => match (self.copied(message)?, number(message.payload)) {
                (Some(_), Some(number)) => return self.on_probe(number, news),
                _ => self.note_junk(),
            },
            number => {
                let Some((seq, before)) = self.copied(message)? else {
                    self.note_junk();
                    return Ok(());
                };
                let at = |seq| Position::new(self.epoch(), seq);
                // Else it is no longer watched.
                if let Some(topic) = self.topics.get(&number) {
                    let after = Some(before).filter(|before| *before > 0).map(at);
                    news(News::Live { topic, at: at(seq), after, record: message.payload });
                }
            }
        }
        Ok(())
    }

    /// Returns the sequence number of a copy, and that of the message of its subject before; `None`
    /// if another program sent it.
    fn copied(&mut self, message: &Message<'_>) -> Result<Option<(u64, u64)>, Close> {
        let before = message.last_header("Nats-Last-Sequence").and_then(number);
        let (Some((seq, before)), true) = (sequence(message).zip(before), is_copy(message)) else {
            return Ok(None);
        };
        // Copies come in the order of the stream.
        if seq <= self.newest {
            return Err(Close::failed("NATS: the stream bp was replaced by another one"));
        }
        self.newest = seq;
        Ok(Some((seq, before)))
    }

    /// Another program has sent a message. It hides no loss: that of an entry shows in the numbers.
    fn note_junk(&mut self) {
        self.junk += 1;
        if self.junk == 1 {
            log::debug!("NATS: another program sends messages to a subject of this one");
        }
    }

    fn on_answer(
        &mut self,
        message: &Message<'_>,
        news: &mut dyn FnMut(News<'_>),
    ) -> Result<(), Close> {
        if message.status() == Some(503) {
            return Err(Close::failed(match self.stage {
                Stage::Ready { .. } => "NATS: the stream bp is gone",
                _ => "NATS: no answer of JetStream: start the server with it (-js)",
            }));
        }
        let subject = str::from_utf8(message.subject).ok();
        match subject.and_then(|subject| self.requests.answered(subject)) {
            Some(("create", _)) => return stream::created(message.payload),
            Some(("info", _)) if self.stage == Stage::Greeted => {
                return self.on_info(message.payload, news);
            }
            Some(("probe", _)) => return stream::stored(message.payload).map(drop),
            Some(("publish", seq)) => {
                if let Some(seq) = number(seq.as_bytes()).filter(|seq| self.sent.contains(seq)) {
                    return self.on_stored(seq, message.payload, news);
                }
            }
            Some(("read", place)) => {
                let place = place.split_once('.');
                let place = place.and_then(|(id, n)| Some((id.parse().ok()?, n.parse().ok()?)));
                // A late one comes after the next try.
                if let Some((id, number)) = place.filter(|(id, _)| *id <= self.last_read) {
                    return self.on_read((id, number), message, news);
                }
            }
            _ => {}
        }
        self.note_junk();
        Ok(())
    }

    fn on_stored(
        &mut self,
        seq: u64,
        answer: &[u8],
        news: &mut dyn FnMut(News<'_>),
    ) -> Result<(), Close> {
        stream::stored(answer)?;
        // The stream takes the messages of a connection in order.
        if self.sent.pop_front() != Some(seq) {
            return Err(malformed("NATS: an answer to another message"));
        }
        news(News::Accepted(seq));
        Ok(())
    }

    fn on_info(&mut self, answer: &[u8], news: &mut dyn FnMut(News<'_>)) -> Result<(), Close> {
        let Settings { log_messages, retention_ms, .. } = self.settings;
        let found = stream::found(answer, &stream::config(log_messages, retention_ms))?;
        for difference in found.differences {
            log::warn!("NATS: of the stream bp, {difference}");
        }
        self.stage = Stage::Ready { epoch: found.epoch };
        news(News::Ready);
        Ok(())
    }

    fn on_read(
        &mut self,
        (id, number): (u64, usize),
        message: &Message<'_>,
        news: &mut dyn FnMut(News<'_>),
    ) -> Result<(), Close> {
        let epoch = self.epoch();
        let Some(Reading { topic, read, probe, .. }) = self.reads.get_mut(&id) else {
            return Ok(());
        };
        *probe = self.probes.last();
        let (requests, kept) = (&mut self.requests, &mut self.kept);
        let Some(answer) = answer(message, requests.log_of(topic))? else {
            news(News::Unusable(topic));
            news(News::PastEnd { topic, rest: Rest::Nothing });
            self.reads.remove(&id);
            return Ok(());
        };
        let found = read.on(number, answer, &mut |number, question| {
            requests.ask((id, number), topic, question, kept);
        });
        let Some(Found { entries, rest }) = found else { return Ok(()) };
        let mut after = None;
        for Entry { seq, record } in &entries {
            let at = Position::new(epoch, *seq);
            news(News::Past { topic, at, after, record });
            after = Some(at);
        }
        news(News::PastEnd { topic, rest });
        self.reads.remove(&id);
        Ok(())
    }
}

impl Engine for JetStream {
    fn opening(&mut self, out: &mut Vec<u8>) {
        let Settings { log_messages, retention_ms, .. } = self.settings;
        let config = stream::config(log_messages, retention_ms);
        self.requests.open(self.settings.login.as_ref(), &config, out);
    }

    fn on_data(&mut self, input: &[u8], news: &mut dyn FnMut(News<'_>)) -> Result<usize, Close> {
        let mut used = 0;
        loop {
            let skipped = self.skip.min((input.len() - used) as u64);
            self.skip -= skipped;
            used += skipped as usize;
            let rest = input.get(used..).unwrap_or_default();
            match token(rest) {
                Ok(Step::Message(token, length)) => {
                    self.on_token(token, news)?;
                    used += length;
                }
                Ok(Step::Skip(length)) => used += length,
                Ok(Step::NeedMore) => return Ok(used),
                Err(why) => match foreign(rest) {
                    Some(Step::Message(Foreign { message, skip }, length)) => {
                        self.skip = skip;
                        self.on_token(Token::Message(message), news)?;
                        used += length;
                    }
                    Some(_) => return Ok(used),
                    None => return Err(why),
                },
            }
        }
    }

    fn ask(&mut self, ask: Ask<'_>, out: &mut Vec<u8>) {
        match ask {
            Ask::Watch(topic) => self.watch(topic, out),
            Ask::Unwatch(topic) => self.unwatch(topic, out),
            Ask::Newest { topic, mark, backlog, .. } => {
                let purpose = Purpose::Newest { backlog: backlog as usize, mark: mark.into() };
                self.read(topic, purpose, out);
            }
            // It needs no epoch of its own: a mark is one wherever it stands.
            Ask::Mark { topic, mark, .. } => self.read(topic, Purpose::Mark(mark.into()), out),
            Ask::Since { topic, from } => {
                let is_same = from.epoch() == self.epoch();
                let from = is_same.then_some(from.offset());
                self.read(topic, Purpose::Since(from), out);
            }
            Ask::Publish { topic, seq, record, .. } => {
                self.requests.publish(topic, seq, record, out);
                self.sent.push_back(seq);
                self.published = seq;
            }
            // Messages age one by one.
            Ask::Renew(_) => {}
            Ask::Probe(number) => {
                self.probes.ask(number, self.published);
                self.requests.probe(number, out);
            }
            // Names are not known here; the answer to PING is the next input.
            Ask::SignIn { .. } => {
                self.pings += 1;
                out.extend_from_slice(b"PING\r\n");
            }
            // Not asked by a node that has no lease.
            Ask::Presence(..) | Ask::Undo { .. } | Ask::SignOut => {}
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.kept);
    }
}

fn malformed(why: &'static str) -> Close {
    Close::Malformed { code: 0, why }
}

#[cfg(test)]
mod tests;
