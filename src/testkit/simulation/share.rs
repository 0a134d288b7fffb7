//! The part of the due events that a turn delivers.

use crate::testkit::random::Random;

/// The part of the due events that a turn delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    All,
    /// Each at random.
    Some,
}

impl Share {
    /// Returns true if the next event is delivered.
    pub(super) fn takes(self, random: &mut Random) -> bool {
        self == Share::All || !random.one_in(3)
    }
}
