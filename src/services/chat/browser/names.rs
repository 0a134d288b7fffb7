//! The names in a room of a member with a browser, of all nodes. Must not know members.

use crate::handler::notification::Ticket;

/// The names in a room, of all nodes.
#[derive(Debug, Default)]
pub(super) enum Names {
    #[default]
    Unasked,
    Asked(Ticket),
    /// They are sent once the member has all events.
    Known {
        count: u64,
        names: Vec<Box<str>>,
    },
}
