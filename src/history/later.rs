//! The answer to a reader of a history. Knows no history.

use std::sync::Arc;

use super::position::Position;

/// The most that a history keeps.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// The size of a message in an answer besides its bytes: an empty message counts, too.
pub(super) const MESSAGE: usize = 64;

/// The messages after a position, from [`History::since`](crate::History::since).
/// [`History`](crate::History) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Later {
    /// `None` if no message is missing between the position and the first of
    /// [`messages`](Later::messages).
    pub gap: Option<Gap>,
    /// The position before the first of [`messages`](Later::messages).
    pub start: Position,
    /// The messages with their positions, in order and without a gap.
    pub messages: Vec<(Position, Arc<[u8]>)>,
}

/// The reason why messages are missing. [`History`](crate::History) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// This number of messages was removed, because the history is bounded.
    Trimmed(u64),
    /// The position is of another history, for example of the one before a restart.
    Epoch,
    /// Messages may be missing. This is told of [shared](crate::Backplane::keep) histories.
    Unknown,
}

impl Later {
    /// Returns the position of the last of these messages, or [`start`](Later::start) without any.
    #[must_use]
    pub fn end(&self) -> Position {
        self.messages.last().map_or(self.start, |(position, _)| *position)
    }
}
