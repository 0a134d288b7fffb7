//! The settings of a backplane, as a program gives them. Knows no socket.

use std::fmt;
use std::sync::Arc;

use super::bounds::Bounds;
use super::engine::Engine;
use super::exchange::Policy;
use super::feed::Feed;
use super::keep::Keep;
#[cfg(feature = "nats")]
use super::nats::{self, JetStream};
use super::redis::{Login, Redis, Settings};
use crate::handler::presence::Roster;
use crate::history::{History, random_epoch};
use crate::metrics::backplane::BackplaneStatus;
use crate::net::address::Address;
use crate::net::destination::Destination;
use crate::topic::Topic;

/// The engine between the nodes of a service, and the topics that they share.
///
/// The nodes are servers on several machines, or processes of one; each has its own connection to
/// the engine: Redis 7.0 or later, Valkey, or NATS with JetStream. A message of a shared topic goes
/// through the engine, and members of all nodes get it in one order. Where messages may be missing,
/// members get a [`Mark`](crate::Mark).
///
/// ```
/// use socketserver::{Backplane, Policy};
/// use std::time::Duration;
///
/// let backplane = Backplane::at("redis://:secret@10.0.0.7:6379/2")?
///     .node("east-1")
///     .policy(Policy::Hold(Duration::from_secs(10)))
///     .share("room/", "* some messages may be missing\n");
/// assert_eq!(backplane.to_string(), "redis://10.0.0.7:6379/2"); // without the password
/// # Ok::<(), socketserver::BackplaneError>(())
/// ```
pub struct Backplane {
    pub(crate) engine: EngineAddress,
    pub(crate) policy: Policy,
    pub(crate) shares: Vec<Share>,
    pub(crate) roster: Option<Box<dyn Roster>>,
    /// The number of this node, a random one of each process.
    pub(crate) number: u64,
    /// The name of this node in logs.
    pub(crate) node: Option<Box<str>>,
    pub(crate) log: LogBounds,
    pub(crate) bounds: Bounds,
    /// The state of the connection, which the loop writes and other threads read.
    pub(crate) status: Arc<BackplaneStatus>,
}

/// The kind of an engine, and its place.
#[derive(Clone)]
pub(crate) enum EngineAddress {
    Redis {
        to: Destination,
        login: Option<Login>,
        database: u32,
    },
    #[cfg(feature = "nats")]
    Nats {
        to: Destination,
        login: Option<nats::Login>,
    },
}

/// The size of the log of a topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogBounds {
    pub(crate) messages: u32,
    /// The time after which a log without messages is removed, in milliseconds.
    pub(crate) retention_ms: u64,
}

impl Default for LogBounds {
    fn default() -> LogBounds {
        LogBounds { messages: 1_000, retention_ms: 24 * 3_600 * 1_000 }
    }
}

impl LogBounds {
    /// Returns the time after which a node renews the retention of a log with a message, in
    /// milliseconds: so a log stays for at least nine tenths of it after its last message.
    pub(crate) fn renewal_ms(self) -> u64 {
        self.retention_ms / 10
    }
}

impl EngineAddress {
    pub(crate) fn destination(&self) -> &Destination {
        match self {
            EngineAddress::Redis { to, .. } => to,
            #[cfg(feature = "nats")]
            EngineAddress::Nats { to, .. } => to,
        }
    }

    /// Returns the state of a connection, the `generation`th of this node.
    pub(crate) fn connection(
        &self,
        node: u64,
        generation: u64,
        log: LogBounds,
    ) -> Box<dyn Engine + Send> {
        match self {
            EngineAddress::Redis { login, database, .. } => Box::new(Redis::new(Settings {
                node,
                generation,
                login: login.clone(),
                database: *database,
                log_messages: log.messages,
                retention_ms: log.retention_ms,
            })),
            #[cfg(feature = "nats")]
            EngineAddress::Nats { login, .. } => Box::new(JetStream::new(nats::Settings {
                node,
                generation,
                login: login.clone(),
                log_messages: log.messages,
                retention_ms: log.retention_ms,
            })),
        }
    }
}

/// Without the login: a mistyped user may be a password.
impl fmt::Debug for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineAddress::Redis {
                to: Destination::Address(Address::Unix(path)),
                database,
                ..
            } => {
                write!(f, "unix://{}", path.display())?;
                if *database > 0 { write!(f, "?db={database}") } else { Ok(()) }
            }
            EngineAddress::Redis { to, database: 0, .. } => write!(f, "redis://{to}"),
            EngineAddress::Redis { to, database, .. } => write!(f, "redis://{to}/{database}"),
            #[cfg(feature = "nats")]
            EngineAddress::Nats { to, .. } => write!(f, "nats://{to}"),
        }
    }
}

/// The topics whose names begin with a prefix.
pub(crate) struct Share {
    pub(crate) prefix: Box<str>,
    pub(crate) feed: Box<dyn Feed>,
    /// The topic that is watched even without members.
    pub(crate) kept: Option<Topic>,
}

impl Backplane {
    pub(crate) fn new(engine: EngineAddress) -> Backplane {
        Backplane {
            engine,
            policy: Policy::Refuse,
            shares: Vec::new(),
            roster: None,
            number: random_epoch(),
            node: None,
            log: LogBounds::default(),
            bounds: Bounds::default(),
            status: Arc::default(),
        }
    }

    /// Returns the beginnings of the names of shared topics.
    pub(crate) fn prefixes(&self) -> Arc<[Box<str>]> {
        self.shares.iter().map(|share| share.prefix.clone()).collect()
    }

    /// Shares the topics whose names begin with `prefix`. Of several prefixes the first counts.
    ///
    /// ```
    /// use socketserver::Backplane;
    ///
    /// let backplane = Backplane::at("redis://localhost")?.share("room/", "* a gap\n");
    /// # Ok::<(), socketserver::BackplaneError>(())
    /// ```
    #[must_use]
    pub fn share(mut self, prefix: &str, feed: impl Feed + 'static) -> Backplane {
        self.shares.push(Share { prefix: prefix.into(), feed: Box::new(feed), kept: None });
        self
    }

    /// Shares the topic of this name, and keeps its messages in `history`, with the positions of
    /// the engine. So the history has the same messages at all nodes, and a reader may go on at
    /// another node from its position: it gets all that it has missed, or is told of a
    /// [`Gap`](crate::Gap). The messages that the history held before are forgotten.
    ///
    /// The topic is watched although it may have no members. Publish to it, instead of appending to
    /// the history. The publisher of a message that is not sent is not told, because the protocol
    /// of its connection is not known here. Such messages are counted:
    /// [`BackplaneMetrics::refused`](crate::BackplaneMetrics::refused).
    ///
    /// ```
    /// use socketserver::services::web::Web;
    /// use socketserver::{Backplane, History, Server, Topic};
    ///
    /// let news = History::new(1_000, 1024 * 1024);
    /// let backplane = Backplane::at("redis://localhost")?.keep("news", &news);
    /// let web = Web::new().get("/news", move |request, reply| {
    ///     reply.events(&news, request.last_event_id())
    /// });
    /// let server = Server::bind("127.0.0.1:0")?.backplane(backplane);
    /// server.handle().publish(&Topic::new("news"), "the first edition")?;
    /// # server.handle().stop();
    /// server.serve(web)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn keep(mut self, topic: &str, history: &History) -> Backplane {
        let kept = Topic::new(topic);
        let feed = Box::new(Keep::new(kept.clone(), history));
        self.shares.push(Share { prefix: topic.into(), feed, kept: Some(kept) });
        self
    }
}

impl fmt::Debug for Backplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backplane").field("engine", &self.engine).finish_non_exhaustive()
    }
}
