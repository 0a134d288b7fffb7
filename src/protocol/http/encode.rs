//! The encoder of answers.

use http::StatusCode;

use super::decimal::append_decimal;
use super::opening;
use super::version::Version;

/// The head of an answer, which is appended to the output of a connection.
///
/// ```
/// use http::StatusCode;
/// use socketserver::protocol::http::{Answer, Connection, Length};
///
/// let mut out = Vec::new();
/// let answer = Answer::new(StatusCode::OK, Length::Fixed(5), Connection::KeepAlive)
///     .content_type("text/plain");
/// answer.append(&mut out, 784_111_777);
/// out.extend_from_slice(b"hello");
/// assert_eq!(out, b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
///     Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answer<'a> {
    /// The status.
    pub status: StatusCode,
    /// The value of the Content-Type field, or an empty string for no such field.
    pub content_type: &'a str,
    /// The way in which the end of the body is marked.
    pub length: Length,
    /// The state of the connection after the answer.
    pub connection: Connection,
    /// Further fields, each a complete line with its CR LF.
    pub fields: &'a [u8],
}

/// The way in which the end of an answer's body is marked (RFC 9112, section 6). [`Answer`] and
/// [`Answer::append_chunk`] have examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Length {
    /// The body has this many bytes.
    Fixed(u64),
    /// The body is sent in chunks.
    Chunked,
    /// The body ends with the connection; or there is none, as with 204 and 304.
    Untold,
}

/// The state of the connection after an answer (RFC 9112, section 9).
///
/// ```
/// use socketserver::protocol::http::{Connection, Version};
///
/// assert_eq!(Connection::new(Version::Http11, true), Connection::KeepAlive);
/// assert_eq!(Connection::new(Version::Http10, true), Connection::KeepAliveTold);
/// assert_eq!(Connection::new(Version::Http11, false), Connection::Close);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connection {
    /// It stays open, the default in HTTP/1.1, which needs no field.
    KeepAlive,
    /// It stays open, and a field tells an HTTP/1.0 client.
    KeepAliveTold,
    /// It is closed.
    Close,
}

impl Connection {
    /// Returns the state for a client with this version: closed unless `keep`.
    #[must_use]
    pub fn new(version: Version, keep: bool) -> Connection {
        match (version, keep) {
            (_, false) => Connection::Close,
            (Version::Http11, true) => Connection::KeepAlive,
            (Version::Http10, true) => Connection::KeepAliveTold,
        }
    }
}

impl<'a> Answer<'a> {
    /// Returns an answer without a content type and without further fields.
    #[must_use]
    pub fn new(status: StatusCode, length: Length, connection: Connection) -> Answer<'a> {
        Answer { status, content_type: "", length, connection, fields: b"" }
    }

    /// Sets the content type, as in [`Answer`]'s example.
    #[must_use]
    pub fn content_type(self, content_type: &'a str) -> Answer<'a> {
        Answer { content_type, ..self }
    }

    /// Sets further fields, each a complete line with its CR LF. [`Answer`] has an example of a
    /// setter.
    #[must_use]
    pub fn fields(self, fields: &'a [u8]) -> Answer<'a> {
        Answer { fields, ..self }
    }
}

impl Answer<'_> {
    /// Appends the head, up to and including its empty line, with the date `unix_seconds` after
    /// 1970.
    #[inline(always)]
    pub fn append(&self, out: &mut Vec<u8>, unix_seconds: u64) {
        if let (Connection::KeepAlive, [], Length::Fixed(length)) =
            (self.connection, self.fields, self.length)
        {
            opening::append_whole(out, self.status, self.content_type, unix_seconds, length);
        } else {
            self.append_lines(out, unix_seconds);
        }
    }

    /// Does the same for any answer, line by line.
    ///
    /// For answers that are rare: each further use of [`Answer::append`] keeps its code from being
    /// inlined where it is hot, which costs 36 instructions.
    #[inline(never)]
    pub(crate) fn append_lines(&self, out: &mut Vec<u8>, unix_seconds: u64) {
        opening::append(out, self.status, self.content_type, unix_seconds);
        match self.connection {
            Connection::KeepAlive => {}
            Connection::KeepAliveTold => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            Connection::Close => out.extend_from_slice(b"Connection: close\r\n"),
        }
        if !self.fields.is_empty() {
            out.extend_from_slice(self.fields);
        }
        match self.length {
            Length::Fixed(length) => {
                out.extend_from_slice(b"Content-Length: ");
                append_decimal(out, length);
                out.extend_from_slice(b"\r\n\r\n");
            }
            Length::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
            Length::Untold => out.extend_from_slice(b"\r\n"),
        }
    }

    /// Appends one chunk of a body that is [`Length::Chunked`]. Appends nothing if `bytes` is
    /// empty, because an empty chunk would end the body.
    ///
    /// ```
    /// use http::StatusCode;
    /// use socketserver::protocol::http::{Answer, Connection, Length};
    ///
    /// let mut out = Vec::new();
    /// let answer = Answer::new(StatusCode::OK, Length::Chunked, Connection::KeepAlive)
    ///     .content_type("text/plain");
    /// answer.append(&mut out, 784_111_777);
    /// Answer::append_chunk(&mut out, b"hello ");
    /// Answer::append_chunk(&mut out, b"world");
    /// Answer::append_last_chunk(&mut out);
    /// assert!(out.ends_with(b"\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"));
    /// ```
    pub fn append_chunk(out: &mut Vec<u8>, bytes: &[u8]) {
        if !bytes.is_empty() {
            out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends the end of a body that is [`Length::Chunked`]: see [`Answer::append_chunk`].
    pub fn append_last_chunk(out: &mut Vec<u8>) {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}
