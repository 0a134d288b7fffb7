//! The messages that the decoder finds. Knows no frame.

use std::borrow::Cow;
use std::str;

use super::code::CloseCode;
#[cfg(feature = "deflate")]
use super::deflate;
use super::kind::Kind;
use crate::close::Close;

pub(super) const NOT_UTF8: &str = "a text is not UTF-8";

/// A message of the peer. [`Ws`](super::Ws) finds them.
///
/// ```
/// use socketserver::protocol::ws::{Frame, Message, Role, Ws, WsLimits};
/// use socketserver::{Protocol, Step};
/// use std::sync::Arc;
///
/// let mut input = Vec::from(Frame::text("Grüße"));
/// let mut ws = Ws::new(Role::Client, Arc::new(WsLimits::default()));
/// let step = ws.decode(&mut input)?;
/// assert_eq!(step, Step::Message(Message::Text("Grüße".into()), 9));
/// # Ok::<(), socketserver::Close>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// A text message. Borrowed from the input if it came as one frame in one piece.
    Text(Cow<'a, str>),
    /// A binary message. Borrowed from the input if it came as one frame in one piece.
    Binary(Cow<'a, [u8]>),
    /// A ping, of up to 125 bytes. It must be answered by a pong with the same bytes (RFC 6455,
    /// section 5.5.2).
    Ping(&'a [u8]),
    /// A pong, of up to 125 bytes: the answer to a ping, or unsolicited.
    Pong(&'a [u8]),
    /// A close frame. [`CloseCode::NO_STATUS`] if it has no code. Nothing follows it.
    Close(CloseCode, &'a str),
}

impl<'a> Message<'a> {
    /// Returns the message with this payload.
    pub(super) fn of(kind: Kind, payload: &'a [u8]) -> Result<Message<'a>, Close> {
        match kind {
            Kind::Binary => Ok(Message::Binary(Cow::Borrowed(payload))),
            Kind::Text => match str::from_utf8(payload) {
                Ok(text) => Ok(Message::Text(Cow::Borrowed(text))),
                Err(_) => Err(CloseCode::NOT_UTF8.fault(NOT_UTF8)),
            },
        }
    }

    /// Returns the message with this compressed payload.
    #[cfg(feature = "deflate")]
    pub(super) fn inflated(kind: Kind, payload: &[u8], limit: usize) -> Result<Message<'a>, Close> {
        let bytes = deflate::inflate(payload, limit)?;
        match kind {
            Kind::Binary => Ok(Message::Binary(Cow::Owned(bytes))),
            Kind::Text => match String::from_utf8(bytes) {
                Ok(text) => Ok(Message::Text(Cow::Owned(text))),
                Err(_) => Err(CloseCode::NOT_UTF8.fault(NOT_UTF8)),
            },
        }
    }

    /// Returns the close message with this payload (RFC 6455, section 5.5.1).
    pub(super) fn closing(payload: &'a [u8]) -> Result<Message<'a>, Close> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return match payload {
                [] => Ok(Message::Close(CloseCode::NO_STATUS, "")),
                _ => Err(CloseCode::PROTOCOL.fault("a close frame of one byte")),
            };
        };
        let code = CloseCode::from(u16::from_be_bytes(*code));
        if !code.is_sendable() {
            return Err(CloseCode::PROTOCOL.fault("an invalid close code"));
        }
        match str::from_utf8(reason) {
            Ok(reason) => Ok(Message::Close(code, reason)),
            Err(_) => Err(CloseCode::NOT_UTF8.fault("the reason of a close is not UTF-8")),
        }
    }
}
