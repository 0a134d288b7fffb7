//! The settings of a backplane that a program makes: from a URL or the environment, and with
//! others than the defaults. Knows no socket.

use std::time::Duration;
use std::{env, error, fmt, io};

use super::bounds::Bounds;
use super::config::{Backplane, LogBounds};
use super::exchange;
use super::url::{self, Problem};
use crate::now;

/// The environment variable of [`Backplane::from_env`].
const VARIABLE: &str = "SOCKETSERVER_BACKPLANE";

/// The treatment of published messages while the engine is away: not connected for longer than the
/// [grace](Backplane::grace). Until then they wait.
///
/// ```
/// use socketserver::{Backplane, Policy};
///
/// // Better to chat with some than with none.
/// let backplane = Backplane::at("redis://localhost")?.policy(Policy::Local);
/// # Ok::<(), socketserver::BackplaneError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// They are not sent, and their publishers are told by
    /// [`Feed::unshared`](crate::Feed::unshared).
    #[default]
    Refuse,
    /// The members of this node get them, behind a [`Mark::Apart`](crate::Mark::Apart). They are
    /// not sent later.
    Local,
    /// They wait, and publishers are not read when many do, for this time instead of the grace;
    /// then as `Refuse`.
    Hold(Duration),
}

/// The error of a URL that names no engine. Its text is one line that says what to write. It
/// repeats no part of the URL, which may contain a password.
///
/// ```
/// use socketserver::Backplane;
///
/// let error = Backplane::at("redis://:secret@localhost/two").unwrap_err();
/// let text = "backplane: the database is a number: redis://HOST/2, or unix:///PATH?db=2";
/// assert_eq!(error.to_string(), text);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BackplaneError {
    problem: Problem,
    is_from_env: bool,
}

impl fmt::Display for BackplaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = if self.is_from_env { VARIABLE } else { "backplane" };
        write!(f, "{source}: {}", self.problem.advice())
    }
}

impl fmt::Debug for BackplaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for BackplaneError {}

/// `InvalidInput`.
impl From<BackplaneError> for io::Error {
    fn from(error: BackplaneError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

impl fmt::Display for Backplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.fmt(f)
    }
}

impl Backplane {
    /// Creates a backplane whose engine is at `url`. Nothing is connected before the server runs.
    ///
    /// | form | engine |
    /// |---|---|
    /// | `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]` | Redis 7.0 or later; the port is 6379, the database 0. `valkey://` is the same. |
    /// | `unix:///PATH[?db=DB&user=USER&password=PASSWORD]` | Redis at a Unix socket. `redis+unix://` is the same, and `unix://USER:PASSWORD@/PATH` is possible. |
    /// | `nats://[USER:PASSWORD@\|TOKEN@]HOST[:PORT]` | NATS with JetStream (feature `nats`); the port is 4222. |
    ///
    /// A host is a name, an IPv4 address, or an IPv6 address in brackets. In a user and a password
    /// `%40` stands for `@`, and so on (RFC 3986, section 2.1). Connections with TLS (`rediss://`,
    /// `tls://`) are not supported: put a TLS proxy before the engine.
    ///
    /// The password is sent to the engine and shown nowhere: not in `Debug`, `Display`, errors or
    /// logs. `Display` shows the URL without it.
    ///
    /// # Errors
    ///
    /// If the URL has another form.
    ///
    /// ```
    /// use socketserver::Backplane;
    ///
    /// for url in ["redis://[::1]:6379/1", "unix:///run/redis.sock?db=1", "valkey://me:pw@cache"] {
    ///     Backplane::at(url)?;
    /// }
    /// assert!(Backplane::at("rediss://localhost").is_err());
    /// # Ok::<(), socketserver::BackplaneError>(())
    /// ```
    pub fn at(url: &str) -> Result<Backplane, BackplaneError> {
        let error = |problem| BackplaneError { problem, is_from_env: false };
        url::parse(url).map(Backplane::new).map_err(error)
    }

    /// Creates a backplane whose URL is in the environment variable `SOCKETSERVER_BACKPLANE`, where
    /// other users of the machine do not see its password, as they do in a command line. Returns
    /// `None` if the variable is not set or empty.
    ///
    /// # Errors
    ///
    /// As [`at`](Backplane::at); also if the value is not Unicode.
    ///
    /// ```
    /// use socketserver::{Backplane, Server};
    ///
    /// let mut server = Server::new();
    /// if let Some(backplane) = Backplane::from_env()? {
    ///     println!("rooms are shared through {backplane}");
    /// }
    /// # Ok::<(), socketserver::BackplaneError>(())
    /// ```
    pub fn from_env() -> Result<Option<Backplane>, BackplaneError> {
        match env::var(VARIABLE) {
            Ok(url) => from_variable(&url),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => {
                Err(BackplaneError { problem: Problem::NotUnicode, is_from_env: true })
            }
        }
    }

    /// Sets the treatment of messages while the engine is away; [`Policy::Refuse`] by default.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Backplane {
        let policy = match policy {
            Policy::Refuse => exchange::Policy::Refuse,
            Policy::Local => exchange::Policy::Local,
            Policy::Hold(time) => exchange::Policy::Hold(now::millis(time.min(TIME_MAX))),
        };
        Backplane { policy, ..self }
    }

    /// Sets the name of this node in logs, at most 64 characters of it.
    ///
    /// ```
    /// use socketserver::Backplane;
    ///
    /// let backplane = Backplane::at("redis://localhost")?.node("east-1");
    /// # Ok::<(), socketserver::BackplaneError>(())
    /// ```
    #[must_use]
    pub fn node(self, name: &str) -> Backplane {
        let name = name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect::<String>();
        Backplane { node: Some(name.into()), ..self }
    }

    /// Sets the length of the log of a topic in the engine, in messages, and the time for which a
    /// log without new messages is kept; 1,000 and a day by default. A node that was cut off for
    /// longer than the log reaches back gives its members a mark. Redis keeps up to 100 messages
    /// more, and may remove a log after nine tenths of the time. At least 1 message and a minute: a
    /// node that was cut off for less is still known to the engine.
    ///
    /// All nodes should have the same values, or the last publisher decides.
    ///
    /// ```
    /// use socketserver::Backplane;
    /// use std::time::Duration;
    ///
    /// let hour = Duration::from_secs(3_600);
    /// let backplane = Backplane::at("redis://localhost")?.log(5_000, hour);
    /// # Ok::<(), socketserver::BackplaneError>(())
    /// ```
    #[must_use]
    pub fn log(self, messages: u32, retention: Duration) -> Backplane {
        let retention = retention.clamp(RETENTION_MIN, TIME_MAX);
        let log = LogBounds { messages: messages.max(1), retention_ms: now::millis(retention) };
        let bounds = Bounds { renewal_ms: log.renewal_ms(), ..self.bounds };
        Backplane { log, bounds, ..self }
    }

    /// Sets the number of published messages that the engine may leave unaccepted, and the number
    /// of their bytes; 8,192 and 1 MiB by default. Above one of the two, publishers are not read
    /// until half of it is free. At least 1 message and 64 KiB, more than a message has.
    ///
    /// ```
    /// use socketserver::Backplane;
    ///
    /// let backplane = Backplane::at("redis://localhost")?.window(20_000, 4 * 1024 * 1024);
    /// # Ok::<(), socketserver::BackplaneError>(())
    /// ```
    #[must_use]
    pub fn window(mut self, messages: usize, bytes: usize) -> Backplane {
        self.bounds.window_messages = messages.max(1);
        self.bounds.window_bytes = bytes.max(WINDOW_MIN);
        self
    }

    /// Sets the time without a connection after which the engine counts as away, and the
    /// [`Policy`] decides; 2 s by default.
    ///
    /// ```
    /// use socketserver::Backplane;
    /// use std::time::Duration;
    ///
    /// let backplane = Backplane::at("redis://localhost")?.grace(Duration::from_secs(5));
    /// # Ok::<(), socketserver::BackplaneError>(())
    /// ```
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Backplane {
        self.bounds.grace_ms = now::millis(grace.min(TIME_MAX));
        self
    }
}

const NAME_MAX: usize = 64;
const WINDOW_MIN: usize = 64 * 1024;
const RETENTION_MIN: Duration = Duration::from_secs(60);
/// Ten years: a script takes it as a number below 2^53.
const TIME_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3_600);

fn from_variable(url: &str) -> Result<Option<Backplane>, BackplaneError> {
    match url {
        "" => Ok(None),
        url => match Backplane::at(url) {
            Ok(backplane) => Ok(Some(backplane)),
            Err(error) => Err(BackplaneError { is_from_env: true, ..error }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_may_be_empty_and_its_errors_name_it() {
        assert!(from_variable("").unwrap().is_none());
        assert!(from_variable("redis://h").unwrap().is_some());
        let error = from_variable("h").unwrap_err().to_string();
        assert!(error.starts_with("SOCKETSERVER_BACKPLANE: write redis://"), "{error}");
        assert!(!error.contains('\n'));
    }

    /// Neither whole URLs nor any that are mistyped.
    #[test]
    fn no_text_shows_a_password() {
        let urls = [
            "redis://sUser:sPass@host:1/2",
            "redis://:sPass@[::1]",
            "unix://:sPass@/run/x.sock?db=1",
            "unix:///run/x.sock?db=1&user=sUser&password=sPass",
            "nats://sPass@host",
            "nats://sUser:sPass@host",
            "rediss://:sPass@host",
        ];
        let mistakes = ["", "/", "@", ":", "%", "%0a", "?", "#", " ", "=", "&", "//", "[", "x"];
        for url in urls {
            for at in 0..=url.len() {
                for mistake in mistakes {
                    for cut in [at, (at + 1).min(url.len())] {
                        let url = format!("{}{mistake}{}", &url[..at], &url[cut..]);
                        let texts = match Backplane::at(&url) {
                            Ok(it) => format!("{it} {it:?} {:?}", it.engine),
                            Err(it) => format!("{it} {it:?} {}", io::Error::from(it.clone())),
                        };
                        // A password in the place of a host is a host.
                        let is_shown = texts.contains("sPass");
                        let host = texts.split("sPass").next().unwrap_or_default();
                        assert!(
                            !is_shown || host.ends_with("://") && !url.contains('@'),
                            "{url}: {texts}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn settings_are_bounded() {
        let at = |url| Backplane::at(url).unwrap();
        let backplane = at("redis://h");
        assert_eq!(backplane.bounds.renewal_ms, backplane.log.renewal_ms());
        let backplane = backplane.window(0, 0).log(0, Duration::ZERO).node("a\n\u{1b}b");
        assert_eq!((backplane.bounds.window_messages, backplane.bounds.window_bytes), (1, 65_536));
        assert_eq!((backplane.log.messages, backplane.log.retention_ms), (1, 60_000));
        assert_eq!(backplane.node.as_deref(), Some("ab"));
        let backplane = backplane.log(9, Duration::MAX).policy(Policy::Hold(Duration::MAX));
        assert!(backplane.log.retention_ms < 1 << 53);
        let longest = exchange::Policy::Hold(now::millis(TIME_MAX));
        assert_eq!(backplane.policy, longest);
        assert_eq!(backplane.grace(Duration::MAX).bounds.grace_ms, now::millis(TIME_MAX));
        for (url, shown) in [
            ("valkey://me:pw@[::1]/3", "redis://[::1]:6379/3"),
            ("redis+unix:///run/x?db=1&password=pw", "unix:///run/x?db=1"),
        ] {
            assert_eq!(at(url).to_string(), shown);
        }
    }
}
