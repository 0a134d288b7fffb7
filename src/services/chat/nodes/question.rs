//! The questions of a member with lines to the other nodes, and its notifications. Must not know
//! members.

use super::naming::Naming;
use crate::handler::notification::Ticket;

/// A question that is not answered.
pub(in crate::services::chat) enum Question {
    Name(Naming),
    Members(Ticket),
}

/// A notification of a member with lines.
pub(in crate::services::chat) enum Heard {
    /// Not for the member.
    Nothing,
    /// These lines are for the member.
    Notice(String),
    /// So are these, and they answer its last line.
    Answer(String),
}
