//! Names of members and rooms: the rules for them, and when two are the same.

use std::sync::Arc;
use std::{cmp, fmt, hash};

/// A valid name of a member or a room. Names that differ only in case are the same. Cloning does
/// not allocate.
#[derive(Clone)]
pub(super) struct Name {
    shown: Arc<str>,
    /// The folded name, used for comparison; shared with `shown` if they are equal, as is usual.
    key: Arc<str>,
}

/// The reason why a name is not valid for a member or a room. Displayed as one line, as the example
/// of [`Chat::room`](super::Chat::room) shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    Empty,
    /// It has more than 32 characters.
    TooLong,
    /// It contains a character that is not allowed.
    Unfit(char),
}

/// The longest name, in characters.
const LEN_MAX: usize = 32;

impl Name {
    pub(super) fn new(text: &str) -> Result<Name, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.chars().nth(LEN_MAX).is_some() {
            return Err(NameError::TooLong);
        }
        if let Some(unfit) = text.chars().find(|c| is_unfit(*c)) {
            return Err(NameError::Unfit(unfit));
        }
        Ok(Name::of_fit(text))
    }

    /// Makes a name from a text that is known to be valid.
    pub(super) fn of_fit(text: &str) -> Name {
        // Down, up and down again: some letters have one upper case and two lower ones, and the
        // upper case of a sharp s is two letters, or one that is its own upper case.
        let upper = text.chars().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
        let key: String = upper.flat_map(char::to_lowercase).collect();
        let shown: Arc<str> = text.into();
        let key = if *key == *shown { Arc::clone(&shown) } else { key.into() };
        Name { shown, key }
    }

    /// Returns the name as its owner spelled it.
    pub(super) fn as_str(&self) -> &str {
        &self.shown
    }

    /// Returns the key, which is the same for all spellings of a name.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Returns true if both names are spelled the same, including case.
    pub(super) fn is_spelled_like(&self, other: &Name) -> bool {
        self.shown == other.shown
    }
}

/// Returns true for characters that would make a name look like a notice, a command, two words, an
/// empty name, or another name.
fn is_unfit(c: char) -> bool {
    match c {
        ':' | '*' | '/' => true,
        // The same three characters in full width, small, or upright.
        '\u{fe13}' | '\u{fe55}' | '\u{fe61}' | '\u{ff0a}' | '\u{ff0f}' | '\u{ff1a}' => true,
        // The replacement for bytes that are not text.
        '\u{fffd}' => true,
        c => c.is_whitespace() || c.is_control() || is_invisible(c) || is_combining(c),
    }
}

/// Returns true for characters that take no space or show nothing: joiners, fillers, direction
/// marks, selectors, tags.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns true for marks that combine with the character before them. A letter and its mark in one
/// character are valid; in two they would be a different name that looks the same.
fn is_combining(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{3099}'..='\u{309a}' | '\u{fe20}'..='\u{fe2f}')
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.key == other.key
    }
}

impl Eq for Name {}

impl hash::Hash for Name {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("a name needs at least one character"),
            NameError::TooLong => write!(f, "a name has at most {LEN_MAX} characters"),
            NameError::Unfit(' ') => f.write_str("a name cannot contain spaces"),
            NameError::Unfit(c) if c.is_ascii_punctuation() => {
                write!(f, "a name cannot contain '{c}'")
            }
            // The character itself might be invisible or act on the terminal.
            NameError::Unfit(c) => write!(f, "a name cannot contain U+{:04X}", u32::from(*c)),
        }
    }
}

impl std::error::Error for NameError {}
