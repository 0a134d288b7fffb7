//! How much of what is due comes with a turn.

use crate::testkit::random::Random;

/// Of what is due, how much comes with a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    All,
    /// Each as the dice fall.
    Some,
}

impl Share {
    /// Whether this one comes.
    pub(super) fn takes(self, random: &mut Random) -> bool {
        self == Share::All || !random.one_in(3)
    }
}
