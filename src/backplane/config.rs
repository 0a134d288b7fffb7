//! The settings of a backplane, as a program gives them. Knows no socket.

use std::fmt;
use std::sync::Arc;

use super::engine::Engine;
use super::exchange::Policy;
use super::feed::Feed;
use super::redis::{Login, Redis, Settings};
use crate::handler::presence::Roster;
use crate::net::destination::Destination;

/// The engine between the nodes of a service, and the topics that they share.
pub struct Backplane {
    pub(crate) engine: EngineAddress,
    pub(crate) policy: Policy,
    pub(crate) shares: Vec<Share>,
    pub(crate) roster: Option<Box<dyn Roster>>,
    /// The name of this node in logs.
    pub(crate) node: Option<Box<str>>,
    pub(crate) log: LogBounds,
}

/// The kind of an engine, and its place.
#[derive(Clone, Debug)]
pub(crate) enum EngineAddress {
    Redis { to: Destination, login: Option<Login>, database: u32 },
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

impl EngineAddress {
    pub(crate) fn destination(&self) -> &Destination {
        match self {
            EngineAddress::Redis { to, .. } => to,
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
                birth: node,
                login: login.clone(),
                database: *database,
                log_messages: log.messages,
                retention_ms: log.retention_ms,
            })),
        }
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineAddress::Redis { to, database: 0, .. } => write!(f, "redis://{to}"),
            EngineAddress::Redis { to, database, .. } => write!(f, "redis://{to}/{database}"),
        }
    }
}

/// The topics whose names begin with a prefix.
pub(crate) struct Share {
    pub(crate) prefix: Box<str>,
    pub(crate) feed: Box<dyn Feed>,
}

impl Backplane {
    pub(crate) fn new(engine: EngineAddress) -> Backplane {
        let (policy, log) = (Policy::Refuse, LogBounds::default());
        Backplane { engine, policy, shares: Vec::new(), roster: None, node: None, log }
    }

    /// Returns the beginnings of the names of shared topics.
    pub(crate) fn prefixes(&self) -> Arc<[Box<str>]> {
        self.shares.iter().map(|share| share.prefix.clone()).collect()
    }

    /// Shares the topics whose names begin with `prefix`. Of several prefixes the first counts.
    #[must_use]
    pub fn share(mut self, prefix: &str, feed: impl Feed + 'static) -> Backplane {
        self.shares.push(Share { prefix: prefix.into(), feed: Box::new(feed) });
        self
    }
}

impl fmt::Debug for Backplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backplane").field("engine", &self.engine).finish_non_exhaustive()
    }
}
