//! Questions about names that all nodes share, and their answers. Must not know an engine.

use std::sync::Arc;

use crate::handler::notification::Ticket;

/// A request about the names of a service that spans several nodes. A node that ends, or that the
/// engine does not hear of for 15 s, has no names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    /// Takes all of these keys for a name, unless another node has one of them.
    Claim {
        keys: Vec<Box<str>>,
        name: Box<str>,
    },
    /// Gives them back, if this node has them.
    Release {
        keys: Vec<Box<str>>,
    },
    /// Adds a name to the members of a room.
    Enter {
        room: Box<str>,
        name: Box<str>,
    },
    Leave {
        room: Box<str>,
        name: Box<str>,
    },
    /// Asks for the number of members of a room, and up to `max` of their names.
    Members {
        room: Box<str>,
        max: usize,
    },
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The keys are those of this node now.
    Claimed,
    /// Another name has one of the keys.
    Taken(Box<str>),
    Members {
        count: u64,
        /// Many members may get the same answer.
        names: Arc<[Box<str>]>,
    },
    /// The engine is away: nothing is known.
    Away,
    /// The engine has no such service.
    Unsupported,
}

/// The notification of a handler that has asked. Requests without a question in them
/// (`Release`, `Enter`, `Leave`) have none.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) ticket: Ticket,
    pub(crate) answer: Answer,
}

/// The names of this node, for an engine that has lost them.
pub(crate) trait Roster: Send {
    /// Notes all names that this node has, for [`next_names`](Roster::next_names).
    fn note_names(&mut self);

    /// Returns the next of the noted names that this node still has, as requests to take and enter
    /// them. None are left if it returns nothing.
    fn next_names(&mut self) -> Vec<Request>;

    /// Returns true if a member of this node has a name with this key, or waits for one.
    fn has_key(&self, key: &str) -> bool;

    /// Returns true if a member of this node has this name in this room.
    fn has_member(&self, room: &str, name: &str) -> bool;

    /// Another node has taken the name of a claim meanwhile.
    fn lost(&mut self, claim: &Request);
}
