//! The contract of a service whose topics span several nodes. Knows no engine.

use crate::handler::payload::Payload;
use crate::history::Position;
use crate::id::Id;
use crate::topic::Topic;

/// The reason of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mark {
    /// Messages may be missing.
    Missing,
    /// The messages that follow are of this node only; those of others are missing.
    Apart,
}

/// The messages that the members got after a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// All messages.
    All,
    /// Those after a mark.
    Marked,
}

/// A message of a shared topic.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SharedMessage<'a> {
    /// The topic.
    pub topic: &'a Topic,
    /// Its place in the log of the topic, the same on all nodes; `None` if the engine was away, and
    /// only this node has it.
    pub position: Option<Position>,
    /// The bytes that were published.
    pub bytes: &'a [u8],
    /// The publisher, if it is a connection of this node.
    pub author: Option<Id>,
}

/// Makes the bytes that members get of the messages of shared topics. It runs in the first loop of
/// the server, in the order of the log, and must return soon.
///
/// The default passes messages on as they are, and makes no marks.
pub trait Feed: Send {
    /// Returns the bytes that the members of the topic get, except the author.
    fn message(&mut self, message: &SharedMessage<'_>) -> Option<Payload> {
        Some(message.bytes.into())
    }

    /// Returns the bytes of a mark, which members get in order with the messages.
    fn mark(&mut self, topic: &Topic, why: Mark) -> Option<Payload> {
        let _ = (topic, why);
        None
    }

    /// Returns the number of earlier messages that are wanted when a topic gets its first member:
    /// [`earlier`](Feed::earlier) receives them.
    fn backlog(&self, topic: &Topic) -> u32 {
        let _ = topic;
        0
    }

    /// A message that was published before the first member joined. The members do not get it.
    fn earlier(&mut self, message: &SharedMessage<'_>) {
        let _ = message;
    }

    /// All messages after this position are for the members, which have just joined. Returns bytes
    /// for them.
    fn joined(&mut self, topic: &Topic, at: Position) -> Option<Payload> {
        let _ = (topic, at);
        None
    }

    /// Messages arrive as they are published again. Returns bytes for the members.
    fn recovered(&mut self, topic: &Topic, at: Position, recovery: Recovery) -> Option<Payload> {
        let _ = (topic, at, recovery);
        None
    }

    /// The message of this publisher will not be sent, or its fate is unknown. Returns bytes for
    /// the publisher.
    fn unshared(&mut self, message: &SharedMessage<'_>) -> Option<Payload> {
        let _ = message;
        None
    }
}

/// A feed that passes messages on as they are, with this mark.
impl Feed for &'static str {
    fn mark(&mut self, _: &Topic, _: Mark) -> Option<Payload> {
        Some((*self).into())
    }
}
