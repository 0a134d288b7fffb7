//! The reasons for which a handshake of a client fails. Knows no bytes.

use std::error::Error;
use std::fmt;

/// The reason for which a handshake has failed. Its text is one line that says what to do.
///
/// ```
/// use socketserver::protocol::ws::{Handshake, HandshakeError};
///
/// let error = Handshake::new("wss://example.com").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the URL needs TLS, which this crate does not have: let a proxy speak it, and use ws://"
/// );
/// let handshake = Handshake::new("ws://example.com")?;
/// let answer = b"HTTP/1.1 404 Not Found\r\n\r\n";
/// assert_eq!(handshake.answer([0; 16], answer), Err(HandshakeError::Status(404)));
/// # Ok::<(), HandshakeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The URL of the request is not one of a WebSocket (RFC 6455, section 3), for this reason.
    Url(&'static str),
    /// The bytes of the server are not the head of an HTTP/1.1 answer.
    Malformed,
    /// The head of the answer is longer than 16 KiB.
    TooLong,
    /// The answer has this status instead of 101.
    Status(u16),
    /// The answer does not upgrade to `websocket`.
    Upgrade,
    /// `Sec-WebSocket-Accept` is missing, or not for this request.
    Accept,
    /// The server has chosen a subprotocol that was not offered, or several.
    Subprotocol,
    /// The server uses an extension that was not offered, or with parameters that were not.
    Extension,
}

impl HandshakeError {
    /// Returns the reason for the log of a connection.
    pub(crate) fn why(&self) -> &'static str {
        match self {
            HandshakeError::Url(_) => "the URL is not one of a WebSocket",
            HandshakeError::Malformed => "the answer to the handshake is not HTTP/1.1",
            HandshakeError::TooLong => "the answer to the handshake is too long",
            HandshakeError::Status(_) => "the handshake was refused",
            HandshakeError::Upgrade => "the answer does not upgrade to websocket",
            HandshakeError::Accept => "Sec-WebSocket-Accept is not the one for the request",
            HandshakeError::Subprotocol => "a subprotocol that was not offered",
            HandshakeError::Extension => "an extension that was not offered",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Url(why) => write!(f, "the URL {why}"),
            HandshakeError::Malformed => {
                f.write_str("the server does not speak HTTP/1.1: check the host and the port")
            }
            HandshakeError::TooLong => {
                f.write_str("the head of the answer is longer than 16 KiB: have it made shorter")
            }
            HandshakeError::Status(status) => {
                write!(
                    f,
                    "the server answers {status} instead of 101: check the path and the fields"
                )
            }
            HandshakeError::Upgrade => f.write_str(
                "the answer does not upgrade to a WebSocket: check the proxies in between",
            ),
            HandshakeError::Accept => f.write_str(
                "Sec-WebSocket-Accept is missing or wrong: this server has no WebSocket there",
            ),
            HandshakeError::Subprotocol => f.write_str(
                "the server has chosen a subprotocol that was not offered: offer those it knows",
            ),
            HandshakeError::Extension => {
                f.write_str("the server uses an extension that was not offered: turn it off there")
            }
        }
    }
}

impl Error for HandshakeError {}
