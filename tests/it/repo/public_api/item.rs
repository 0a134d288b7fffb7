//! One item of the public interface.

use std::fmt;

/// An item of the public interface. Each is a line.
#[derive(Clone, Debug, Default)]
pub(super) struct ApiItem {
    /// As users write it.
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) signature: String,
    /// The features without which it is not there.
    pub(super) features: Vec<String>,
    /// The text of its documentation.
    pub(super) docs: String,
    /// Returns a property of its object and does nothing else, by its signature.
    pub(super) is_getter: bool,
    /// Items of other crates that it names.
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
