//! The version of Redis, and its settings with which messages get lost. Knows no connection.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::close::Close;
use crate::protocol::resp::Token;

/// The first version with `XADD key <epoch>-*`.
const VERSION_MIN: u32 = 7;
/// Asks for the settings. A server may refuse: those of some providers have no CONFIG.
pub(super) const QUESTION: &[&[u8]] = &[
    b"CONFIG",
    b"GET",
    b"appendonly",
    b"maxmemory-policy",
    b"maxmemory",
    b"client-output-buffer-limit",
];
/// The longest value that is looked at, in bytes.
const VALUE_MAX: usize = 1024;
/// The defaults of Redis: the buffer of a subscriber at once, and for a minute.
const BUFFER_MIN: [u64; 2] = [32 * 1024 * 1024, 8 * 1024 * 1024];

/// The parts of the answer to HELLO that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    Name,
    Role,
    Version,
}

impl Hello {
    /// Returns true if the server does not know the command. Its error repeats the arguments, and
    /// one of them is the password.
    pub(super) fn is_unknown(error: &[u8]) -> bool {
        const UNKNOWN: &[u8] = b"unknown command";
        error.windows(UNKNOWN.len()).any(|part| part.eq_ignore_ascii_case(UNKNOWN))
    }

    /// Takes the next part of the answer. Only a master keeps the messages that are written to it.
    pub(super) fn take(&mut self, token: Token<'_>) -> Result<(), Close> {
        match (*self, token) {
            (Hello::Role, token) if token != Token::Bytes(b"master") => {
                return Err(Close::failed("Redis: the server is a replica: name the master"));
            }
            (Hello::Version, Token::Bytes(version)) if is_old(version) => {
                let version = version.escape_ascii();
                return Err(Close::failed(format!(
                    "Redis: the server has version {version}: 7.0 or later is needed"
                )));
            }
            _ => {}
        }
        *self = match token {
            Token::Bytes(b"role") => Hello::Role,
            Token::Bytes(b"version") => Hello::Version,
            _ => Hello::Name,
        };
        Ok(())
    }
}

/// A version that is not understood may be of another server that can do the same.
fn is_old(version: &[u8]) -> bool {
    let major = version.split(|byte| *byte == b'.').next().and_then(|it| str::from_utf8(it).ok());
    major.and_then(|major| major.parse().ok()).is_some_and(|major: u32| major < VERSION_MIN)
}

/// The answer to the [`QUESTION`]: names and values in turn.
#[derive(Debug, Default)]
pub(super) struct Facts {
    name: Option<Name>,
    appends: Option<bool>,
    evicts: Option<String>,
    has_maximum: bool,
    buffer: Option<[u64; 2]>,
}

#[derive(Clone, Copy, Debug)]
enum Name {
    AppendOnly,
    Policy,
    Maximum,
    Buffer,
    Other,
}

impl Facts {
    pub(super) fn take(&mut self, token: Token<'_>) {
        let Token::Bytes(bytes) = token else { return };
        let text = str::from_utf8(bytes.get(..VALUE_MAX).unwrap_or(bytes)).unwrap_or_default();
        match self.name.take() {
            None => {
                self.name = Some(match text {
                    "appendonly" => Name::AppendOnly,
                    "maxmemory-policy" => Name::Policy,
                    "maxmemory" => Name::Maximum,
                    "client-output-buffer-limit" => Name::Buffer,
                    _ => Name::Other,
                });
            }
            Some(Name::AppendOnly) => self.appends = Some(text != "no"),
            Some(Name::Policy) => {
                self.evicts = (text != "noeviction").then(|| text.escape_debug().to_string());
            }
            Some(Name::Maximum) => self.has_maximum = text != "0",
            Some(Name::Buffer) => self.buffer = buffer(text),
            Some(Name::Other) => {}
        }
    }

    /// Logs the settings that lose messages: once for each process, not for each connection.
    pub(super) fn warn(&self) {
        static WARNED: AtomicU8 = AtomicU8::new(0);
        for (number, warning) in self.warnings().into_iter().enumerate() {
            let bit = 1 << number;
            if let Some(warning) = warning
                && WARNED.fetch_or(bit, Ordering::Relaxed) & bit == 0
            {
                log::warn!("backplane: Redis has {warning}");
            }
        }
    }

    fn warnings(&self) -> [Option<String>; 3] {
        let no_file = self.appends == Some(false);
        let evicts = self.evicts.as_ref().filter(|_| self.has_maximum);
        let small = self.buffer.filter(|[hard, soft]| {
            let is_small = |limit: &u64, least: u64| (1..least).contains(limit);
            is_small(hard, BUFFER_MIN[0]) || is_small(soft, BUFFER_MIN[1])
        });
        [
            no_file.then(|| {
                "appendonly no: a restart loses the logs, and members of all topics get marks"
                    .to_owned()
            }),
            evicts.map(|policy| {
                format!(
                    "maxmemory-policy {policy}: it may remove the logs of topics, and their members \
                     get marks; set noeviction"
                )
            }),
            small.map(|[hard, soft]| {
                format!(
                    "client-output-buffer-limit pubsub {hard} {soft}: it cuts off nodes in a burst; \
                     set at least {} {} 60",
                    BUFFER_MIN[0], BUFFER_MIN[1]
                )
            }),
        ]
    }
}

/// Returns the two limits of subscribers: `CLASS HARD SOFT SECONDS` for each class.
fn buffer(text: &str) -> Option<[u64; 2]> {
    let mut words = text.split(' ').skip_while(|word| *word != "pubsub").skip(1);
    Some([words.next()?.parse().ok()?, words.next()?.parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(values: &[(&str, &str)]) -> Vec<String> {
        let mut facts = Facts::default();
        facts.take(Token::Map(values.len() as u32));
        for (name, value) in values {
            facts.take(Token::Bytes(name.as_bytes()));
            facts.take(Token::Bytes(value.as_bytes()));
        }
        facts.warn();
        facts.warnings().into_iter().flatten().collect()
    }

    #[test]
    fn settings_that_lose_messages_are_named() {
        let limit = "client-output-buffer-limit";
        let usual = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        let safe = [
            ("appendonly", "yes"),
            ("maxmemory-policy", "noeviction"),
            ("maxmemory", "1000000"),
            (limit, usual),
        ];
        assert_eq!(warnings(&safe), [""; 0]);
        assert_eq!(warnings(&[]), [""; 0], "a server that tells nothing");
        assert_eq!(warnings(&[("maxmemory-policy", "allkeys-lru"), ("maxmemory", "0")]), [""; 0]);
        assert_eq!(warnings(&[(limit, "pubsub 0 0 0")]), [""; 0], "no limit");
        for (settings, warned) in [
            (&[("appendonly", "no")][..], "appendonly no: "),
            (
                &[("maxmemory", "5"), ("other", "maxmemory"), ("maxmemory-policy", "volatile-ttl")],
                "maxmemory-policy volatile-ttl: ",
            ),
            (&[(limit, "normal 0 0 0 pubsub 1048576 0 2")], "client-output-buffer-limit pubsub 1"),
            (&[(limit, "pubsub 0 262144 2")], "client-output-buffer-limit pubsub 0 262144: "),
        ] {
            let found = warnings(settings);
            assert!(found.len() == 1 && found[0].starts_with(warned), "{found:?}");
        }
    }

    #[test]
    fn versions_before_7_are_refused() {
        for (version, is_taken) in
            [("7.0.15", true), ("10.1", true), ("unknown", true), ("6.2.14", false), ("0.1", false)]
        {
            let mut hello = Hello::Name;
            assert_eq!(hello.take(Token::Bytes(b"version")), Ok(()));
            let taken = hello.take(Token::Bytes(version.as_bytes()));
            let why = format!("Redis: the server has version {version}: 7.0 or later is needed");
            assert_eq!(taken, if is_taken { Ok(()) } else { Err(Close::failed(why)) });
        }
    }
}
