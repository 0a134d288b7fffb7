//! The events of a topic at one node, and its requests. Knows no state.

use crate::backplane::engine::Rest;
use crate::history::Position;

/// A request to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Watch the topic, then read its newest entry, and this number of entries before it.
    Open(u32),
    /// The same for a topic that is watched.
    Newest(u32),
    /// Watch the topic, then read from this position on.
    Resume(Position),
    Since(Position),
    Mark,
}

/// An event of a topic.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// It is the topic's turn to ask.
    Turn,
    Live {
        at: Position,
        after: Option<Position>,
        record: &'a [u8],
    },
    Past {
        at: Position,
        after: Option<Position>,
        record: &'a [u8],
    },
    PastEnd(Rest),
    Unusable,
}
