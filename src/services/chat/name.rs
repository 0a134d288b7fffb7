//! Names of members and rooms: how they are shown, and when two are the same or look alike. Must
//! not know which are in use, and no character beyond ASCII.

#[cfg(feature = "backplane")]
use std::borrow::Borrow;
use std::sync::Arc;
use std::{cmp, fmt, hash};

use super::name_rules::{LEN_MAX, NameError, is_unfit};
#[cfg(feature = "chat-names")]
use super::nickname;

/// A valid name of a member or a room. Names that differ only in case are the same. Cloning does
/// not allocate.
#[derive(Clone)]
pub(super) struct Name(Arc<Spelling>);

struct Spelling {
    shown: Arc<str>,
    /// The folded name, used for comparison; shared with `shown` if they are equal, as is usual.
    key: Arc<str>,
    /// The skeletons of the key and of the shown name: names that look alike share one. Both
    /// count, because case changes the look: I and l are alike, i and l are not.
    looks: [Arc<str>; 2],
}

impl Name {
    pub(super) fn new(text: &str) -> Result<Name, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if !text.is_ascii() {
            return Name::beyond_ascii(text);
        }
        if text.len() > LEN_MAX {
            return Err(NameError::TooLong);
        }
        match text.chars().find(|c| is_unfit(*c)) {
            Some(unfit) => Err(NameError::Unfit(unfit)),
            None => Ok(Name::of_fit(text)),
        }
    }

    #[cfg(feature = "chat-names")]
    fn beyond_ascii(text: &str) -> Result<Name, NameError> {
        let shown = nickname::enforce(text)?;
        let key = nickname::key(&shown);
        Ok(Name::with_key(&shown, &key))
    }

    #[cfg(not(feature = "chat-names"))]
    fn beyond_ascii(text: &str) -> Result<Name, NameError> {
        Err(text.chars().find(|c| !c.is_ascii()).map_or(NameError::Empty, NameError::Unfit))
    }

    /// Makes a name from an ASCII text that is known to be valid.
    pub(super) fn of_fit(text: &str) -> Name {
        Name::with_key(text, &text.to_ascii_lowercase())
    }

    fn with_key(shown: &str, key: &str) -> Name {
        let shown: Arc<str> = shown.into();
        let key = shared(key, &shown);
        let looks = [look(&key), look(&shown)];
        Name(Arc::new(Spelling { shown, key, looks }))
    }

    /// Returns the name as its owner spelled it.
    pub(super) fn as_str(&self) -> &str {
        &self.0.shown
    }

    /// Returns the key, which is the same for all spellings of a name.
    pub(super) fn key(&self) -> &str {
        &self.0.key
    }

    /// Returns the skeletons, of which no two names in use may share one.
    pub(super) fn looks(&self) -> &[Arc<str>; 2] {
        &self.0.looks
    }

    /// Returns true if both names are spelled the same, including case.
    pub(super) fn is_spelled_like(&self, other: &Name) -> bool {
        self.0.shown == other.0.shown
    }
}

#[cfg(feature = "chat-names")]
fn look(text: &Arc<str>) -> Arc<str> {
    shared(&nickname::skeleton(text), text)
}

/// Without the tables of Unicode, each key is its own skeleton.
#[cfg(not(feature = "chat-names"))]
fn look(text: &Arc<str>) -> Arc<str> {
    Arc::clone(text)
}

/// Returns `text`, without an allocation if it is the same as `other`.
fn shared(text: &str, other: &Arc<str>) -> Arc<str> {
    if *text == **other { Arc::clone(other) } else { text.into() }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Name {}

impl hash::Hash for Name {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// Tables find a name by its key.
#[cfg(feature = "backplane")]
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.key()
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> cmp::Ordering {
        self.key().cmp(other.key())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
