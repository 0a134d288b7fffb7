//! The contract of a service whose topics span several nodes. Knows no engine.

use crate::handler::payload::Payload;
use crate::history::Position;
use crate::id::Id;
use crate::topic::Topic;

/// The reason of a mark. [`Feed`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mark {
    /// Messages may be missing.
    Missing,
    /// The messages that follow are of this node only; those of others are missing.
    Apart,
}

/// The messages that the members got after a break. [`Feed`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// All messages.
    All,
    /// Those after a mark.
    Marked,
}

/// A message of a shared topic. [`Feed`] has an example.
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
/// The default passes messages on as they are, and makes no marks. A `&'static str` is a feed with
/// this text as its marks.
///
/// ```
/// use socketserver::{Backplane, Feed, Mark, Payload, Position, Recovery, SharedMessage, Topic};
///
/// /// Lines with their positions, from which a client can go on at another node.
/// struct Lines {
///     last: Option<Vec<u8>>,
/// }
///
/// impl Feed for Lines {
///     fn message(&mut self, message: &SharedMessage) -> Option<Payload> {
///         let text = String::from_utf8_lossy(message.bytes);
///         match message.position {
///             Some(at) => Some(format!("{at} {text}\n").into()),
///             None => Some(format!("- {text}\n").into()),
///         }
///     }
///
///     fn mark(&mut self, topic: &Topic, why: Mark) -> Option<Payload> {
///         Some(match why {
///             Mark::Apart => "* the other nodes are away\n".into(),
///             _ => format!("* messages of {} may be missing\n", topic.as_str()).into(),
///         })
///     }
///
///     // A new member gets the last line that was written before.
///     fn backlog(&self, _: &Topic) -> u32 {
///         1
///     }
///
///     fn earlier(&mut self, message: &SharedMessage) {
///         self.last = Some(message.bytes.to_vec());
///     }
///
///     fn joined(&mut self, _: &Topic, at: Position) -> Option<Payload> {
///         let last = self.last.take()?;
///         Some(format!("{at} {}\n", String::from_utf8_lossy(&last)).into())
///     }
///
///     fn recovered(&mut self, _: &Topic, _: Position, recovery: Recovery) -> Option<Payload> {
///         (recovery == Recovery::All).then(|| "* nothing is missing\n".into())
///     }
///
///     fn unshared(&mut self, message: &SharedMessage) -> Option<Payload> {
///         Some(format!("* not sent: {}\n", String::from_utf8_lossy(message.bytes)).into())
///     }
/// }
///
/// let backplane = Backplane::at("redis://localhost")?.share("room:", Lines { last: None });
/// # Ok::<(), socketserver::BackplaneError>(())
/// ```
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

/// A feed that passes messages on as they are, with this mark. The publisher of a message that is
/// not sent gets it, too.
impl Feed for &'static str {
    fn mark(&mut self, _: &Topic, _: Mark) -> Option<Payload> {
        Some((*self).into())
    }

    fn unshared(&mut self, _: &SharedMessage<'_>) -> Option<Payload> {
        Some((*self).into())
    }
}
