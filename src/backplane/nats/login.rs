//! The login of a node. Knows no protocol.

use std::fmt;

/// A user with a password, or a token. Passwords and tokens are never shown.
#[derive(Clone)]
pub(crate) enum Login {
    User { user: Box<str>, password: Box<str> },
    Token(Box<str>),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Login::User { user, .. } => {
                f.debug_struct("User").field("user", user).finish_non_exhaustive()
            }
            Login::Token(_) => f.write_str("Token"),
        }
    }
}
