//! The versions of HTTP that are accepted.

/// The version of a request; others than these two are refused with 505. It decides about the
/// [`Connection`](super::Connection::new) after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0: closes unless asked not to, knows no chunked coding.
    Http10,
    /// HTTP/1.1
    Http11,
}
