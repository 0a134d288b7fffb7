//! The place of a message in a history. Knows no history.

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;

/// The place of a message in a [`History`](crate::History): its epoch, a random number of each
/// history, and its offset, which is 1 for the first message and then increases by one. As text it
/// is `epoch-offset`, for example `00c0ffee00c0ffee-17`.
///
/// A history that is [shared](crate::Backplane::keep) has the positions of the engine: the same
/// ones on all nodes. They increase, and numbers may be left out.
///
/// ```
/// use socketserver::{History, Position};
///
/// let position = History::new(10, 1000).append("hello");
/// assert_eq!(position.offset(), 1);
/// assert_eq!(position.to_string().parse(), Ok(position));
/// assert!("17".parse::<Position>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    epoch: u64,
    offset: u64,
}

/// A text that is not a [`Position`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionError(());

/// Random epochs have this bit. Those of an engine come from a clock, and do not.
const RANDOM: u64 = 1 << 63;

impl Position {
    /// A position in no history: a reader from it is told of a [`Gap`](crate::Gap).
    pub const NOWHERE: Position = Position { epoch: 0, offset: 0 };

    /// The place of a message in a log, of an engine or of this process.
    pub(crate) const fn new(epoch: u64, offset: u64) -> Position {
        Position { epoch, offset }
    }

    /// Returns the epoch, which is not 0.
    #[must_use]
    pub fn epoch(self) -> u64 {
        self.epoch
    }

    /// Returns the offset: 1 for the first message of a history that is not shared.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// Returns true if the position is of a history with a random epoch.
    #[cfg(feature = "backplane")]
    pub(super) fn is_random(self) -> bool {
        self.epoch & RANDOM != 0
    }
}

/// The keys of a `RandomState` are from the system.
pub(crate) fn random_epoch() -> u64 {
    RandomState::new().build_hasher().finish() | RANDOM
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Position, PositionError> {
        let error = PositionError(());
        let (epoch, offset) = text.split_once('-').ok_or(error)?;
        // `parse` and `from_str_radix` accept a sign.
        let is_hex = epoch.len() == 16 && epoch.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !offset.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error);
        }
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| error)?;
        let offset = offset.parse().map_err(|_| error)?;
        Ok(Position { epoch, offset })
    }
}

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position: write 16 hexadecimal digits, a hyphen and a number")
    }
}

impl Error for PositionError {}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}
