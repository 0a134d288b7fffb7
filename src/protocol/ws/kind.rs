//! The kinds of messages.

use super::header::Opcode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
}

impl Kind {
    /// Returns the kind of the message that a frame with this opcode begins, if it begins one.
    pub(super) fn of(opcode: Opcode) -> Option<Kind> {
        match opcode {
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => None,
        }
    }
}
