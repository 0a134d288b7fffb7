//! The kinds of runs: their faults, and their messages. Knows no broker and no node.

/// Which faults a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Faults {
    None,
    /// Those after which the log has everything.
    Lossless,
    /// Also those after which messages are missing, except rollbacks.
    Losses,
    /// Also rollbacks, but nothing is trimmed. A topic is watched for longer than they go back.
    Rollbacks,
    All,
}

impl Faults {
    /// Returns true if the broker loses no name.
    pub(super) fn keep_names(self) -> bool {
        self <= Faults::Lossless
    }
}

/// How much a run has of messages and members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    Dense,
    /// Nodes often publish to topics of which they have no members, and each message may be the
    /// first one of its node that a member gets.
    Sparse,
}
