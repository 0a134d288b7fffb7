//! One item of the public interface.

use std::fmt;

/// An item of the public interface, which is printed as one line.
#[derive(Clone, Debug, Default)]
pub(super) struct ApiItem {
    /// The path that users write.
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) signature: String,
    /// The features that it needs.
    pub(super) features: Vec<String>,
    /// The text of its documentation.
    pub(super) docs: String,
    /// True if by its signature it only returns a property of its object.
    pub(super) is_getter: bool,
    /// The items of other crates that it names.
    pub(super) foreign: Vec<String>,
}

impl fmt::Display for ApiItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.kind)?;
        if !self.signature.is_empty() {
            write!(f, " {}", self.signature)?;
        }
        match self.features.is_empty() {
            true => Ok(()),
            false => write!(f, " [feature {}]", self.features.join(", ")),
        }
    }
}
