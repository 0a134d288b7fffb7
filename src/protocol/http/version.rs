//! The supported versions of HTTP.

/// The version of a request. Other versions are refused with 505.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0: closes by default, and has no chunked coding.
    Http10,
    /// HTTP/1.1
    Http11,
}
