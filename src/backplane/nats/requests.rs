//! The requests to NATS, as bytes. Knows no answer.

use std::io::Write;

use super::json::append_text;
use super::login::Login;
use super::read::Question;
use super::stream::{LIVE, LOG, PROBED, PROBED_LIVE, STREAM, append_topic};

/// The subscriptions of every connection. Those of topics have greater numbers.
pub(super) const INBOX: u64 = 1;
pub(super) const PROBES: u64 = 2;

/// Writes requests. The subjects of their answers tell what was asked.
#[derive(Debug)]
pub(super) struct Requests {
    /// The node, as it stands in subjects and in the ids of messages.
    node: String,
    inbox: String,
    /// The parts of a request, of which the lengths stand before them. They keep their memory.
    subject: Vec<u8>,
    header: Vec<u8>,
    payload: Vec<u8>,
    reply: Vec<u8>,
}

/// Writes to a `Vec`, which takes everything.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        drop(write!($out, $($text)*))
    };
}

impl Requests {
    pub(super) fn new(node: u64, generation: u64) -> Requests {
        Requests {
            node: format!("{node:016x}"),
            inbox: format!("_INBOX.bp.{node:016x}.{generation}."),
            subject: Vec::new(),
            header: Vec::new(),
            payload: Vec::new(),
            reply: Vec::new(),
        }
    }

    /// Returns the request that an answer is for, and its number.
    pub(super) fn answered<'a>(&self, subject: &'a str) -> Option<(&'a str, &'a str)> {
        subject.strip_prefix(&*self.inbox)?.split_once('.')
    }

    /// Appends the first bytes of a connection: they ask for a new stream and then for the stream
    /// that is there, so nodes need not agree which one creates it.
    pub(super) fn open(&mut self, login: Option<&Login>, config: &str, out: &mut Vec<u8>) {
        put!(
            out,
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\
             \"no_responders\":true,\"protocol\":1,\"lang\":\"rust\",\"name\":\"socketserver\",\
             \"version\":\"{}\"",
            env!("CARGO_PKG_VERSION")
        );
        let fields: &[(&str, &str)] = match login {
            None => &[],
            Some(Login::User { user, password }) => &[("user", user), ("pass", password)],
            Some(Login::Token(token)) => &[("auth_token", token)],
        };
        for (name, value) in fields {
            put!(out, ",\"{name}\":");
            append_text(out, value);
        }
        let (node, inbox) = (&self.node, &self.inbox);
        put!(out, "}}\r\nSUB {inbox}> {INBOX}\r\nSUB {PROBED_LIVE}{node} {PROBES}\r\n");
        put!(
            out,
            "PUB $JS.API.STREAM.CREATE.{STREAM} {inbox}create. {}\r\n{config}\r\n",
            config.len()
        );
        put!(out, "PUB $JS.API.STREAM.INFO.{STREAM} {inbox}info.0 0\r\n\r\n");
    }

    pub(super) fn subscribe(&mut self, topic: &str, number: u64, out: &mut Vec<u8>) {
        put!(out, "SUB {LIVE}");
        append_topic(out, topic);
        put!(out, " {number}\r\n");
    }

    pub(super) fn unsubscribe(&mut self, number: u64, out: &mut Vec<u8>) {
        put!(out, "UNSUB {number}\r\n");
    }

    /// Appends a message. JetStream knows one that is sent again by its id.
    pub(super) fn publish(&mut self, topic: &str, seq: u64, record: &[u8], out: &mut Vec<u8>) {
        self.log_of(topic);
        self.header.clear();
        put!(self.header, "Nats-Msg-Id: {}-{seq}\r\n", self.node);
        self.reply.clear();
        put!(self.reply, "publish.{seq}");
        self.write(record, out);
    }

    pub(super) fn probe(&mut self, number: u64, out: &mut Vec<u8>) {
        let (node, inbox) = (&self.node, &self.inbox);
        self.payload.clear();
        put!(self.payload, "{number}");
        let length = self.payload.len();
        put!(out, "PUB {PROBED}{node} {inbox}probe.{number} {length}\r\n{number}\r\n");
    }

    /// Appends the question with this number of a read.
    pub(super) fn ask(
        &mut self,
        (read, number): (u64, usize),
        topic: &str,
        question: Question<'_>,
        out: &mut Vec<u8>,
    ) {
        self.log_of(topic);
        self.header.clear();
        self.payload.clear();
        self.reply.clear();
        put!(self.reply, "read.{read}.{number}");
        match question {
            Question::Get(seq) => put!(self.payload, "{{\"seq\":{seq}"),
            Question::Newest => self.payload.extend_from_slice(b"{\"last_by_subj\":\""),
            Question::Following(seq) => {
                put!(self.payload, "{{\"seq\":{seq},\"next_by_subj\":\"");
            }
            Question::Append(mark) => return self.write(mark, out),
            Question::AppendFirst(mark) => {
                self.header.extend_from_slice(b"Nats-Expected-Last-Subject-Sequence: 0\r\n");
                return self.write(mark, out);
            }
        }
        if !matches!(question, Question::Get(_)) {
            self.payload.extend_from_slice(&self.subject);
            self.payload.push(b'"');
        }
        self.payload.push(b'}');
        let (inbox, length) = (&self.inbox, self.payload.len());
        put!(out, "PUB $JS.API.DIRECT.GET.{STREAM} {inbox}");
        out.extend_from_slice(&self.reply);
        put!(out, " {length}\r\n");
        out.append(&mut self.payload);
        out.extend_from_slice(b"\r\n");
    }

    /// Returns the subject of the log of a topic.
    pub(super) fn log_of(&mut self, topic: &str) -> &[u8] {
        self.subject.clear();
        self.subject.extend_from_slice(LOG.as_bytes());
        append_topic(&mut self.subject, topic);
        &self.subject
    }

    /// Appends a message for the stream, with its subject, its answer and its headers.
    fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        let headers = b"NATS/1.0\r\n\r\n".len() + self.header.len();
        out.extend_from_slice(b"HPUB ");
        out.extend_from_slice(&self.subject);
        put!(out, " {}", self.inbox);
        out.extend_from_slice(&self.reply);
        put!(out, " {headers} {}\r\nNATS/1.0\r\n", headers + payload.len());
        out.extend_from_slice(&self.header);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }
}
