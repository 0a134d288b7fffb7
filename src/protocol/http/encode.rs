//! Answers, as bytes.

use http::StatusCode;

use super::decimal::append_decimal;
use super::opening;
use super::version::Version;

/// The head of an answer, to be appended to a connection's output.
///
/// ```
/// use http::StatusCode;
/// use socketserver::protocol::http::{Answer, Connection, Length};
///
/// let mut out = Vec::new();
/// let answer = Answer {
///     status: StatusCode::OK,
///     content_type: "text/plain",
///     length: Length::Fixed(5),
///     connection: Connection::KeepAlive,
///     fields: b"",
/// };
/// answer.append(&mut out, 784_111_777);
/// out.extend_from_slice(b"hello");
/// assert_eq!(out, b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
///     Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status.
    pub status: StatusCode,
    /// The value of the Content-Type field; empty for none.
    pub content_type: &'a str,
    /// How the end of the body is told.
    pub length: Length,
    /// What becomes of the connection.
    pub connection: Connection,
    /// Further fields, each a whole line with its CR LF.
    pub fields: &'a [u8],
}

/// How the end of the body of an [`Answer`] is told (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes follow.
    Fixed(u64),
    /// Chunks follow.
    Chunked,
    /// The body ends with the connection; or there is none, as with 204 and 304.
    Untold,
}

/// The connection after an [`Answer`] (RFC 9112, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It goes on, which in HTTP/1.1 need not be said.
    KeepAlive,
    /// It goes on, which an HTTP/1.0 client must be told.
    KeepAliveTold,
    /// It ends.
    Close,
}

impl Connection {
    /// Returns the form in which a client of this version is told whether the connection goes on.
    ///
    /// ```
    /// use socketserver::protocol::http::{Connection, Version};
    ///
    /// assert_eq!(Connection::new(Version::Http11, true), Connection::KeepAlive);
    /// assert_eq!(Connection::new(Version::Http10, true), Connection::KeepAliveTold);
    /// assert_eq!(Connection::new(Version::Http10, false), Connection::Close);
    /// ```
    pub fn new(version: Version, keep: bool) -> Connection {
        match (version, keep) {
            (_, false) => Connection::Close,
            (Version::Http11, true) => Connection::KeepAlive,
            (Version::Http10, true) => Connection::KeepAliveTold,
        }
    }
}

impl Answer<'_> {
    /// Appends the head, up to and with its empty line, dated `unix_seconds` after 1970.
    #[inline(always)]
    pub fn append(&self, out: &mut Vec<u8>, unix_seconds: u64) {
        if let (Connection::KeepAlive, [], Length::Fixed(length)) =
            (self.connection, self.fields, self.length)
        {
            opening::append_whole(out, self.status, self.content_type, unix_seconds, length);
            return;
        }
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

    /// Appends one chunk of a body that is [`Length::Chunked`]. Nothing for no bytes: an empty
    /// chunk would end the body.
    ///
    /// ```
    /// use socketserver::protocol::http::Answer;
    ///
    /// let mut out = Vec::new();
    /// Answer::append_chunk(&mut out, b"hello");
    /// Answer::append_chunk(&mut out, b"");
    /// Answer::append_last_chunk(&mut out);
    /// assert_eq!(out, b"5\r\nhello\r\n0\r\n\r\n");
    /// ```
    pub fn append_chunk(out: &mut Vec<u8>, bytes: &[u8]) {
        if !bytes.is_empty() {
            out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends the end of a body that is [`Length::Chunked`]: see
    /// [`append_chunk`](Answer::append_chunk).
    pub fn append_last_chunk(out: &mut Vec<u8>) {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}
