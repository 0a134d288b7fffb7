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
mod name_answers;
pub(crate) mod name_script;
mod names;
pub(crate) mod script;
mod server_facts;

use std::fmt;

use self::answers::{Answers, BACKLOG_MAX, PAGE, Read, Waiting};
use self::batch::Batch;
use super::engine::{Ask, Engine, News};
use crate::close::Close;
use crate::protocol::resp::append_command;

/// The most messages of one call of the script: Redis serves no other client meanwhile.
const CALL_MESSAGES: usize = 64;
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
mod tests {
    use super::*;
    use crate::history::Position;

    fn redis(login: Option<Login>, database: u32) -> Redis {
        let (node, generation) = (7, 3);
        let (log_messages, retention_ms) = (100, 1000);
        Redis::new(Settings { node, generation, login, database, log_messages, retention_ms })
    }

    fn opening(redis: &mut Redis) -> String {
        let mut out = Vec::new();
        redis.opening(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// Returns the news of an input, and the end.
    fn told(redis: &mut Redis, input: &[u8]) -> (Vec<String>, Result<usize, Close>) {
        let mut told = Vec::new();
        let end = redis.on_data(input, &mut |news| told.push(format!("{news:?}")));
        (told, end)
    }

    /// Those of a server that does not tell its settings.
    const OPENED: &[u8] =
        b"%1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n-NOPERM no\r\n$1\r\na\r\n$1\r\nb\r\n\
          $1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n:0\r\n\
          >3\r\n$9\r\nsubscribe\r\n$24\r\nbp:node:0000000000000007\r\n:1\r\n";

    #[test]
    fn a_login_and_a_database_are_sent_and_the_password_is_not_shown() {
        assert!(
            opening(&mut redis(None, 0))
                .starts_with("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*6\r\n$6\r\nCONFIG\r\n$3\r\nGET")
        );
        let login = Login { user: "me".into(), password: "secret".into() };
        let mut redis = redis(Some(login), 2);
        let sent = opening(&mut redis);
        assert!(sent.starts_with("*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n"));
        assert!(!format!("{redis:?}").contains("secret"));
    }

    /// Redis sends a message to the subscribers of all databases.
    #[test]
    fn a_topic_has_another_channel_in_each_database() {
        for (database, channel) in [(0, "bp:{a{b}"), (1, "bp:1:{a{b}"), (12, "bp:12:{a{b}")] {
            let (mut redis, mut out) = (redis(None, database), Vec::new());
            redis.ask(Ask::Watch("a{b"), &mut out);
            let sent = String::from_utf8(out).unwrap();
            assert_eq!(
                sent,
                format!("*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n{channel}\r\n", channel.len())
            );
            let push = format!(
                ">3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n$5\r\n8-3 x\r\n",
                channel.len()
            );
            let (news, _) = told(&mut redis, push.as_bytes());
            assert!(news[0].starts_with("Live { topic: \"a{b\""), "{news:?}");
        }
    }

    #[test]
    fn an_error_during_the_opening_ends_the_connection() {
        for answer in [
            "-NOAUTH Authentication required.\r\n",
            "%1\r\n$4\r\nrole\r\n$7\r\nreplica\r\n",
            "%1\r\n$7\r\nversion\r\n$6\r\n6.2.14\r\n",
            "%0\r\n%0\r\n$1\r\na\r\n$1\r\nb\r\n-LOADING Redis is loading the dataset in memory\r\n",
            "%0\r\n%0\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n:1\r\n\
             -NOPERM this user has no permissions to access one of the channels\r\n",
        ] {
            let mut redis = redis(None, 0);
            opening(&mut redis);
            let (told, end) = told(&mut redis, answer.as_bytes());
            assert!(told.is_empty() && matches!(end, Err(Close::Failed(_))), "{answer}: {end:?}");
        }
    }

    /// Redis before 6.0, and proxies, repeat the arguments of an unknown command.
    #[test]
    fn a_server_without_hello_does_not_bring_the_password_into_the_log() {
        let login = Login { user: "me".into(), password: "secret".into() };
        let mut redis = redis(Some(login), 0);
        opening(&mut redis);
        let answer = b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, \
                       `me`, `secret`, \r\n";
        let (_, end) = told(&mut redis, answer);
        let why = end.unwrap_err().to_string();
        assert!(!why.contains("secret") && why.contains("7.0"), "{why}");
    }

    #[test]
    fn the_messages_of_a_turn_are_one_call() {
        let mut redis = redis(None, 0);
        opening(&mut redis);
        let ready = ["Ready".to_owned()];
        assert_eq!(told(&mut redis, OPENED), (ready.to_vec(), Ok(OPENED.len())));
        let mut out = Vec::new();
        for seq in 4..=6 {
            let (topic, record) = ("t", &b"hello"[..]);
            redis.ask(Ask::Publish { topic, seq, lowest: 4, epoch: 8, record }, &mut out);
        }
        assert!(out.is_empty());
        redis.flush(&mut out);
        let sent = String::from_utf8(out).unwrap();
        assert!(sent.starts_with("*19\r\n$7\r\nEVALSHA\r\n$1\r\na\r\n$1\r\n4\r\n"), "{sent}");
        // The second was refused, and all are settled.
        let (news, _) = told(&mut redis, b"*3\r\n:1\r\n:3\r\n$0\r\n\r\n");
        assert_eq!(news, ["Refused(5)", "Accepted(6)"]);
        let mut out = Vec::new();
        for (seq, topic) in [(7, "t"), (8, "u")] {
            let record = &b"hello"[..];
            redis.ask(Ask::Renew(topic), &mut out);
            redis.ask(Ask::Publish { topic, seq, lowest: 7, epoch: 8, record }, &mut out);
        }
        redis.flush(&mut out);
        let sent = String::from_utf8(out).unwrap();
        let renewals = ["t", "u"]
            .map(|topic| format!("*3\r\n$7\r\nPEXPIRE\r\n$6\r\nbp:{{{topic}}}\r\n$4\r\n1000\r\n"));
        let call = sent.strip_prefix(&renewals.concat()).unwrap();
        assert_eq!(call.matches("EVALSHA").count(), 1, "{sent}");
        let (news, end) = told(&mut redis, b":1\r\n:0\r\n*2\r\n:1\r\n$3\r\nOOM\r\n");
        assert_eq!(news, ["Accepted(7)"]);
        assert!(end.is_err());
    }

    #[test]
    fn entries_and_messages_have_positions() {
        let mut redis = redis(None, 0);
        opening(&mut redis);
        assert!(told(&mut redis, OPENED).1.is_ok());
        let mut out = Vec::new();
        redis.ask(Ask::Since { topic: "t", from: Position::new(8, 3) }, &mut out);
        assert!(out.starts_with(b"*6\r\n$6\r\nXRANGE\r\n$6\r\nbp:{t}\r\n$3\r\n8-2\r\n"));
        let message = b">3\r\n$7\r\nmessage\r\n$6\r\nbp:{t}\r\n$5\r\n8-3 x\r\n";
        let page = b"*1\r\n*2\r\n$3\r\n8-2\r\n*2\r\n$1\r\nm\r\n$1\r\ny\r\n";
        let input = [&message[..], page].concat();
        let (news, end) = told(&mut redis, &input);
        assert_eq!(end, Ok(input.len()));
        assert!(news[0].starts_with("Live") && news[0].contains("0000000000000008-4"), "{news:?}");
        assert!(news[1].starts_with("Past") && news[1].contains("0000000000000008-3"), "{news:?}");
        assert!(news[2].starts_with("PastEnd"), "{news:?}");
        // A message that has not arrived whole waits.
        let (news, end) = told(&mut redis, &message[..message.len() - 1]);
        assert_eq!((news.len(), end), (0, Ok(0)));
    }
}
