//! The rules for names in any script: length, characters, and the reasons of a refusal. Must not
//! know the tables of Unicode.

use std::fmt;

/// The reason why a name is not valid for a member or a room. Displayed as one line, as the example
/// of [`Chat::room`](super::Chat::room) shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    Empty,
    /// It has more than 32 characters.
    TooLong,
    /// It contains a character that is not allowed, or not allowed at its place.
    Unfit(char),
    /// It begins with a combining mark, which would change the character before the name.
    BeginsWithMark(char),
    /// It has more than four combining marks in a row.
    TooManyMarks,
}

/// The longest name, in characters.
pub(super) const LEN_MAX: usize = 32;
/// The most marks in a row.
pub(super) const MARKS_MAX: usize = 4;

/// Returns true for characters that would make a name look like a notice, a command, two words, or
/// an empty name.
pub(super) fn is_unfit(c: char) -> bool {
    match c {
        ':' | '*' | '/' => true,
        c => c.is_whitespace() || c.is_control(),
    }
}

impl fmt::Display for NameError {
    /// Characters beyond ASCII are numbers here: they might be invisible, or act on the terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NameError::Empty => f.write_str("a name needs at least one character"),
            NameError::TooLong => write!(f, "a name has at most {LEN_MAX} characters"),
            NameError::Unfit(' ') => f.write_str("a name cannot contain spaces"),
            NameError::Unfit(c) if c.is_ascii_punctuation() => {
                write!(f, "a name cannot contain '{c}'")
            }
            NameError::Unfit(c) if cfg!(feature = "chat-names") || c.is_ascii() => {
                write!(f, "a name cannot contain U+{:04X}", u32::from(c))
            }
            NameError::Unfit(c) => {
                write!(f, "a name cannot contain U+{:04X}: use ASCII ", u32::from(c))?;
                f.write_str("(the server was built without the feature `chat-names`)")
            }
            NameError::BeginsWithMark(c) => {
                write!(f, "a name cannot begin with the mark U+{:04X}", u32::from(c))?;
                f.write_str(": begin with a letter")
            }
            NameError::TooManyMarks => {
                write!(f, "a name has at most {MARKS_MAX} marks in a row: use fewer")
            }
        }
    }
}

impl std::error::Error for NameError {}
