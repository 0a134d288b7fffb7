//! The scripts about names by their names, and their answers. Knows no connection.

use super::name_script;
use crate::handler::presence::Answer;
use crate::protocol::resp::Token;

/// The most names of one answer.
pub(super) const MEMBERS_MAX: usize = 100;

/// A script about names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    SignIn,
    Claim,
    Release,
    Room,
    Members,
}

/// An answer that arrives in parts.
#[derive(Debug)]
pub(super) enum Partial {
    Claim(Option<Answer>),
    Members(Option<u64>, Vec<Box<str>>),
    /// A key has another type.
    Failed,
}

impl Script {
    pub(super) const ALL: [Script; 5] =
        [Script::SignIn, Script::Claim, Script::Release, Script::Room, Script::Members];

    pub(super) fn text(self) -> &'static str {
        match self {
            Script::SignIn => name_script::SIGN_IN,
            Script::Claim => name_script::CLAIM,
            Script::Release => name_script::RELEASE,
            Script::Room => name_script::ROOM,
            Script::Members => name_script::MEMBERS,
        }
    }
}

impl Partial {
    /// Takes a part; `None` if it does not belong to such an answer.
    pub(super) fn add(&mut self, token: Token<'_>) -> Option<()> {
        match (self, token) {
            (Partial::Claim(answer), Token::Integer(_)) => *answer = Some(Answer::Claimed),
            (Partial::Claim(answer), Token::Bytes(name)) => {
                *answer = Some(Answer::Taken(String::from_utf8_lossy(name).into()));
            }
            (Partial::Members(count @ None, _), Token::Integer(number)) => {
                *count = Some(u64::try_from(number).ok()?);
            }
            (Partial::Members(_, names), Token::Bytes(name)) => {
                names.push(String::from_utf8_lossy(name).into());
            }
            (Partial::Members(..), Token::Array(_)) => {}
            _ => return None,
        }
        Some(())
    }

    /// Returns the answer; `None` if a part is missing.
    pub(super) fn end(self) -> Option<Answer> {
        match self {
            Partial::Claim(answer) => answer,
            Partial::Failed => Some(Answer::Away),
            Partial::Members(count, names) => {
                Some(Answer::Members { count: count?, names: names.into() })
            }
        }
    }
}
