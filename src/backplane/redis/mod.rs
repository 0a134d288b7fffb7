//! Redis as an engine: a stream and a channel for each topic. Knows no socket and no exchange.
//!
//! | key | contents |
//! |---|---|
//! | `bp:{TOPIC}` | the log, and the name of the channel: the braces keep both in one slot |
//! | `bp:2:{TOPIC}` | the same in database 2: all databases of a server share their channels |
//! | `bp:node:N` | generation and next `seq` of a node, and the name of the channel of its probes |
//! | `bp:alive:N.L` | exists as long as the lease `L` of node `N` holds |
//! | `bp:name:KEY` | lease, number and name of the claim of a key |
//! | `bp:who:ROOM` | a hash of the names in a room, with the leases that they belong to |

mod answers;
mod batch;
mod entries;
mod name_answers;
pub(crate) mod name_script;
mod names;
pub(crate) mod script;
mod server_facts;

use std::fmt;

use self::answers::{Answers, Waiting};
use self::batch::Batch;
use self::entries::{BACKLOG_MAX, Read};
use super::engine::{Ask, Engine, News};
use crate::close::Close;
use crate::protocol::resp::append_command;

/// The most messages of one call of the script: Redis serves no other client meanwhile.
const CALL_MESSAGES: usize = 64;
/// The most entries of one read.
const PAGE: usize = 100;
/// The most bytes of the records of a backlog.
const BACKLOG_BYTES: &[u8] = b"262144";

/// The settings of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The node, a random number of each process.
    pub(crate) node: u64,
    /// Greater for each connection of the node than for the one before.
    pub(crate) generation: u64,
    pub(crate) login: Option<Login>,
    pub(crate) database: u32,
    /// The length of a log, in messages: Redis keeps up to 100 more.
    pub(crate) log_messages: u32,
    /// The time after which a log without messages is removed, in milliseconds.
    pub(crate) retention_ms: u64,
}

/// A user and a password. The latter is never shown.
#[derive(Clone)]
pub(crate) struct Login {
    /// `default` for a server with a password only.
    pub(crate) user: Box<str>,
    pub(crate) password: Box<str>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A connection to Redis, without its socket.
#[derive(Debug)]
pub(crate) struct Redis {
    settings: Settings,
    /// The key of the node.
    node: Vec<u8>,
    answers: Answers,
    batch: Batch,
}

/// Returns the key of the log of a topic in database 0, which is its channel, too.
pub(crate) fn topic_key(topic: &str) -> Vec<u8> {
    [b"bp:{", topic.as_bytes(), b"}"].concat()
}

impl Redis {
    pub(crate) fn new(settings: Settings) -> Redis {
        let node = format!("bp:node:{:016x}", settings.node).into_bytes();
        Redis { answers: Answers::new(node.clone()), node, settings, batch: Batch::default() }
    }

    fn key(&self, topic: &str) -> Vec<u8> {
        match self.settings.database {
            0 => topic_key(topic),
            database => format!("bp:{database}:{{{topic}}}").into_bytes(),
        }
    }

    fn publish(&mut self, ask: Ask<'_>, out: &mut Vec<u8>) {
        let Ask::Publish { topic, seq, lowest, epoch, record } = ask else { return };
        if !self.batch.takes(seq) || self.batch.len() >= CALL_MESSAGES {
            self.flush(out);
        }
        self.batch.push(seq, lowest, &self.key(topic), epoch, record);
    }

    /// Of a log that does not exist nothing is kept: the script sets the retention of a new one.
    fn renew(&mut self, topic: &str, out: &mut Vec<u8>) {
        let retention = self.settings.retention_ms.to_string();
        append_command(out, &[b"PEXPIRE", &self.key(topic), retention.as_bytes()]);
        self.answers.expect(Waiting::Anything);
    }

    /// Appends a call of the script with the messages of the batch.
    fn call(&mut self, probe: &[u8], out: &mut Vec<u8>) {
        let Settings { generation, log_messages, retention_ms, .. } = self.settings;
        let (lowest, first) = (self.batch.lowest(), self.batch.first());
        let numbers = [generation, lowest, first, log_messages.into(), retention_ms];
        let numbers = numbers.iter().map(u64::to_string);
        let waiting = Waiting::Call { first, count: self.batch.len() };
        self.batch.write(out, self.answers.publish_script(), &self.node, numbers, probe);
        self.answers.expect(waiting);
    }

    /// Appends a call of the script that marks, and reads the newest entries.
    fn mark(&mut self, ask: Ask<'_>, out: &mut Vec<u8>) {
        let (topic, above, mark, when, backlog) = match ask {
            Ask::Newest { topic, above, mark, backlog } => {
                (topic, above, mark, &b"empty"[..], backlog)
            }
            Ask::Mark { topic, above, mark } => (topic, above, mark, &b"always"[..], 0),
            _ => return,
        };
        let Settings { generation, log_messages, retention_ms, .. } = self.settings;
        let entries = 1 + u64::from(backlog.min(BACKLOG_MAX));
        let numbers = [generation, above, log_messages.into(), retention_ms, entries];
        let numbers = numbers.map(|n| n.to_string());
        let [generation, above, log_messages, retention_ms, entries] =
            numbers.each_ref().map(|n| n.as_bytes());
        let (sha, key) = (self.answers.mark_script(), self.key(topic));
        let arguments: &[&[u8]] = &[
            b"EVALSHA",
            sha,
            b"2",
            &self.node,
            &key,
            generation,
            when,
            above,
            log_messages,
            retention_ms,
            mark,
            entries,
            BACKLOG_BYTES,
        ];
        append_command(out, arguments);
        self.answers.expect(Waiting::Read(Read::new(topic, usize::MAX)));
    }
}

impl Engine for Redis {
    fn opening(&mut self, out: &mut Vec<u8>) {
        let generation = self.settings.generation.to_string();
        let mut put = |parts: &[&[u8]], waiting| {
            append_command(out, parts);
            self.answers.expect(waiting);
        };
        match &self.settings.login {
            None => put(&[b"HELLO", b"3"], Waiting::hello()),
            Some(Login { user, password }) => {
                let (user, password) = (user.as_bytes(), password.as_bytes());
                put(&[b"HELLO", b"3", b"AUTH", user, password], Waiting::hello());
            }
        }
        if self.settings.database > 0 {
            let database = self.settings.database.to_string();
            put(&[b"SELECT", database.as_bytes()], Waiting::Anything);
        }
        put(server_facts::QUESTION, Waiting::facts());
        put(&[b"SCRIPT", b"LOAD", script::PUBLISH.as_bytes()], Waiting::PublishScript);
        put(&[b"SCRIPT", b"LOAD", script::MARK.as_bytes()], Waiting::MarkScript);
        for script in name_answers::Script::ALL {
            let text = script.text();
            put(&[b"SCRIPT", b"LOAD", text.as_bytes()], Waiting::NameScript(script));
        }
        // From here on, late bytes of the connections before are refused.
        let (text, generation) = (script::GENERATION.as_bytes(), generation.as_bytes());
        put(&[b"EVAL", text, b"1", &self.node, generation], Waiting::Anything);
        // Answered by a push: then the connection is ready. A user may have the rights to
        // write, and none to subscribe.
        append_command(out, &[b"SUBSCRIBE", &self.node]);
    }

    fn on_data(&mut self, input: &[u8], news: &mut dyn FnMut(News<'_>)) -> Result<usize, Close> {
        self.answers.on_data(input, news)
    }

    fn ask(&mut self, ask: Ask<'_>, out: &mut Vec<u8>) {
        match ask {
            Ask::Publish { .. } => return self.publish(ask, out),
            // Before the call with the message, which stays one call.
            Ask::Renew(topic) => return self.renew(topic, out),
            _ => self.flush(out),
        }
        match ask {
            Ask::Watch(topic) => append_command(out, &[b"SUBSCRIBE", &self.key(topic)]),
            Ask::Unwatch(topic) => append_command(out, &[b"UNSUBSCRIBE", &self.key(topic)]),
            Ask::Newest { .. } | Ask::Mark { .. } => self.mark(ask, out),
            Ask::Since { topic, from } => {
                // Inclusive: the first entry must be the last seen one.
                let id = format!("{}-{}", from.epoch(), from.offset().saturating_sub(1));
                let count = PAGE.to_string();
                let (key, id, count) = (self.key(topic), id.as_bytes(), count.as_bytes());
                append_command(out, &[b"XRANGE", &key, id, b"+", b"COUNT", count]);
                self.answers.expect(Waiting::Read(Read::new(topic, PAGE)));
            }
            Ask::Publish { .. } | Ask::Renew(_) => {}
            Ask::Probe(number) => {
                self.call(number.to_string().as_bytes(), out);
                self.renew_lease(out);
            }
            Ask::SignIn { .. } | Ask::SignOut | Ask::Presence(..) | Ask::Undo { .. } => {
                self.ask_names(ask, out);
            }
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.batch.len() > 0 {
            self.call(b"", out);
        }
    }
}

#[cfg(test)]
mod tests;
