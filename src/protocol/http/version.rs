//! The supported versions of HTTP.

/// The version of a request. Other major versions are refused with 505, and a later minor version
/// is treated as 1.1.
///
/// ```
/// use socketserver::protocol::http::{Head, HttpLimits, Version};
///
/// let head = Head::parse(b"GET / HTTP/1.0\r\n\r\n", &HttpLimits::default())?;
/// assert_eq!(head.version(), Version::Http10);
/// # Ok::<(), socketserver::Close>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Version {
    /// HTTP/1.0: closes by default, and has no chunked coding.
    Http10,
    /// HTTP/1.1, and 1.2 to 1.9
    Http11,
}
