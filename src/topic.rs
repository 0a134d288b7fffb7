//! The name of a set of connections to publish to. Knows nothing of its members.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Names a set of connections. Each member [joins](crate::Context::join) it and receives the bytes
/// [published](crate::Context::publish) to it.
///
/// A topic exists while it has members. Two values made from the same text name the same topic.
/// Cloning does not allocate.
///
/// ```
/// use socketserver::Topic;
///
/// let lobby = Topic::new("lobby");
/// assert_eq!(lobby, Topic::from("lobby"));
/// assert_eq!(lobby.as_str(), "lobby");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    /// The topic of that name.
    #[must_use]
    pub fn new(name: &str) -> Topic {
        Topic(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A topic is found by its name.
impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Topic {
    fn from(name: &str) -> Topic {
        Topic::new(name)
    }
}

impl From<String> for Topic {
    fn from(name: String) -> Topic {
        Topic(name.into())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
