//! The settings of a backplane, as a program gives them. Knows no socket.

use std::fmt;

use super::exchange::Policy;
use super::feed::Feed;
use super::keep::Keep;
use super::redis::Login;
use crate::handler::presence::Roster;
use crate::history::History;
use crate::net::destination::Destination;
use crate::topic::Topic;

/// The engine between the nodes of a service, and the topics that they share.
pub struct Backplane {
    pub(crate) engine: EngineAddress,
    pub(crate) policy: Policy,
    pub(crate) shares: Vec<Share>,
    pub(crate) roster: Option<Box<dyn Roster>>,
    /// The name of this node in logs.
    pub(crate) node: Option<Box<str>>,
    pub(crate) log_messages: u32,
    pub(crate) retention_ms: u64,
}

/// The kind of an engine, and its place.
#[derive(Clone, Debug)]
pub(crate) enum EngineAddress {
    Redis { to: Destination, login: Option<Login>, database: u32 },
}

/// The topics whose names begin with a prefix.
pub(crate) struct Share {
    pub(crate) prefix: Box<str>,
    pub(crate) feed: Box<dyn Feed>,
    /// The topic that is watched even without members.
    pub(crate) kept: Option<Topic>,
}

impl Backplane {
    /// Shares the topics whose names begin with `prefix`. Of several prefixes the first counts.
    #[must_use]
    pub fn share(mut self, prefix: &str, feed: impl Feed + 'static) -> Backplane {
        self.shares.push(Share { prefix: prefix.into(), feed: Box::new(feed), kept: None });
        self
    }

    /// Shares the topic of this name, and keeps its messages in `history`, with the positions of
    /// the engine. So the history has the same messages at all nodes, and a reader may go on at
    /// another node from its position: it gets all that it has missed, or is told of a
    /// [`Gap`](crate::Gap). What the history held before is forgotten.
    ///
    /// The topic is watched although it may have no members. Publish to it, instead of appending to
    /// the history.
    ///
    /// ```
    /// use socketserver::{Backplane, History};
    ///
    /// fn share_news(backplane: Backplane, news: &History) -> Backplane {
    ///     backplane.keep("news", news)
    /// }
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
