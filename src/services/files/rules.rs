//! The choices of the owner of a directory. Must not know files or requests.

use super::path::Hidden;
use super::root::Links;

#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) links: Links,
    pub(super) hidden: Hidden,
    pub(super) directories: Directories,
    pub(super) slash: Slash,
    pub(super) neighbours: Neighbours,
}

/// The answer for a directory without a page of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directories {
    Refused,
    Listed,
}

/// The answer for a directory whose path has no slash at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slash {
    /// A redirect to the path with the slash, so that relative links work.
    Added,
    /// The same as with the slash.
    AsItIs,
}

/// The use of precompressed files beside a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Neighbours {
    Preferred,
    Ignored,
}

impl Rules {
    pub(super) const DEFAULT: Rules = Rules {
        links: Links::Refused,
        hidden: Hidden::Refused,
        directories: Directories::Refused,
        slash: Slash::Added,
        neighbours: Neighbours::Preferred,
    };
}
