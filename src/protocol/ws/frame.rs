//! The encoder of frames. Knows no connection.

use super::code::CloseCode;
#[cfg(feature = "deflate")]
use super::deflate;
#[cfg(feature = "deflate")]
use super::extension::Deflate;
#[cfg(feature = "deflate")]
use super::header::{Coding, DEFLATED, Header};
use super::header::{IN_EIGHT, IN_TWO, LAST, MASKED, Opcode, SHORT};
use super::mask;
#[cfg(feature = "deflate")]
use super::role::Role;
#[cfg(feature = "deflate")]
use crate::protocol::compressor::WINDOW_MAX;

/// A message to send, as one frame. Its payload is borrowed.
///
/// As bytes it is the frame of a server, which is not masked: so it is encoded once for all members
/// of a topic.
///
/// ```
/// use socketserver::protocol::ws::{CloseCode, Frame};
///
/// assert_eq!(Vec::from(Frame::text("Hello")), b"\x81\x05Hello");
/// assert_eq!(Vec::from(Frame::close(CloseCode::NORMAL, "bye")), b"\x88\x05\x03\xe8bye");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    opcode: Opcode,
    /// The code of a close frame.
    code: Option<CloseCode>,
    payload: &'a [u8],
}

/// The longest header of a frame.
const HEADER_MAX: usize = 14;

impl<'a> Frame<'a> {
    /// A text message. [`Frame`] has an example.
    #[must_use]
    pub fn text(text: &'a str) -> Frame<'a> {
        Frame { opcode: Opcode::Text, code: None, payload: text.as_bytes() }
    }

    /// A binary message.
    ///
    /// ```
    /// use socketserver::protocol::ws::Frame;
    ///
    /// assert_eq!(Vec::from(Frame::binary(&[0; 300]))[..5], *b"\x82\x7e\x01\x2c\x00");
    /// ```
    #[must_use]
    pub fn binary(bytes: &'a [u8]) -> Frame<'a> {
        Frame { opcode: Opcode::Binary, code: None, payload: bytes }
    }

    /// A ping. Only the first 125 bytes are sent (RFC 6455, section 5.5).
    ///
    /// ```
    /// use socketserver::protocol::ws::Frame;
    ///
    /// assert_eq!(Vec::from(Frame::ping(b"1")), b"\x89\x011");
    /// assert_eq!(Vec::from(Frame::pong(b"1")), b"\x8a\x011");
    /// ```
    #[must_use]
    pub fn ping(payload: &'a [u8]) -> Frame<'a> {
        Frame { opcode: Opcode::Ping, code: None, payload: within(payload, SHORT.into()) }
    }

    /// A pong. Only the first 125 bytes are sent. [`Frame::ping`] has an example.
    #[must_use]
    pub fn pong(payload: &'a [u8]) -> Frame<'a> {
        Frame { opcode: Opcode::Pong, code: None, payload: within(payload, SHORT.into()) }
    }

    /// A close frame, the last one that an endpoint sends. The reason is cut to 123 bytes, between
    /// characters. A code that may [not be sent](CloseCode::is_sendable) gives a frame without code
    /// and reason. [`Frame`] has an example.
    #[must_use]
    pub fn close(code: CloseCode, reason: &'a str) -> Frame<'a> {
        let most = reason.len().min(usize::from(SHORT) - 2);
        let reason = (0..=most).rev().find_map(|end| reason.get(..end)).unwrap_or_default();
        let reason = reason.as_bytes();
        match code.is_sendable() {
            true => Frame { opcode: Opcode::Close, code: Some(code), payload: reason },
            false => Frame { opcode: Opcode::Close, code: None, payload: b"" },
        }
    }

    /// Appends the frame of a server.
    ///
    /// ```
    /// use socketserver::protocol::ws::Frame;
    ///
    /// let mut out = Vec::new();
    /// Frame::text("a").append(&mut out);
    /// Frame::text("b").append(&mut out);
    /// assert_eq!(out, b"\x81\x01a\x81\x01b");
    /// ```
    pub fn append(&self, out: &mut Vec<u8>) {
        self.append_as(0, None, out);
    }

    /// Appends the frame of a client, masked with `key`, which must be unpredictable (RFC 6455,
    /// section 10.3).
    ///
    /// ```
    /// use socketserver::protocol::ws::Frame;
    ///
    /// let mut out = Vec::new();
    /// Frame::text("Hello").append_masked(&mut out, [0x37, 0xfa, 0x21, 0x3d]);
    /// assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    /// ```
    pub fn append_masked(&self, out: &mut Vec<u8>, key: [u8; 4]) {
        self.append_as(0, Some(key), out);
    }

    /// Appends the frame of a server, with its payload compressed if the message is long enough and
    /// becomes shorter by it. All frames may be appended in this way; only messages are compressed.
    ///
    /// ```
    /// use socketserver::protocol::ws::{Deflate, Frame};
    ///
    /// let deflate = Deflate::accept(b"permessage-deflate").unwrap();
    /// let mut out = Vec::new();
    /// Frame::text(&"hello ".repeat(100)).append_deflated(&mut out, deflate);
    /// assert_eq!(out[0], 0xc1);
    /// assert!(out.len() < 50);
    /// ```
    #[cfg(feature = "deflate")]
    pub fn append_deflated(&self, out: &mut Vec<u8>, deflate: Deflate) {
        self.append_shorter(deflate, None, out);
    }

    /// Appends the frame of a client: compressed as by [`append_deflated`](Frame::append_deflated),
    /// and then masked.
    ///
    /// ```
    /// use socketserver::protocol::ws::{Deflate, Frame};
    ///
    /// let deflate = Deflate::agreed(b"permessage-deflate; server_no_context_takeover").unwrap();
    /// let mut out = Vec::new();
    /// Frame::text(&"hello ".repeat(100)).append_masked_deflated(&mut out, [1, 2, 3, 4], deflate);
    /// assert_eq!((out[0], out[1] & 0x80), (0xc1, 0x80));
    /// ```
    #[cfg(feature = "deflate")]
    pub fn append_masked_deflated(&self, out: &mut Vec<u8>, key: [u8; 4], deflate: Deflate) {
        self.append_shorter(deflate, Some(key), out);
    }

    #[cfg(feature = "deflate")]
    fn append_shorter(&self, deflate: Deflate, key: Option<[u8; 4]>, out: &mut Vec<u8>) {
        let deflated = self.is_message().then(|| deflate::deflate(self.payload, deflate.window()));
        match deflated.flatten() {
            Some(payload) => Frame { payload: &payload, ..*self }.append_as(DEFLATED, key, out),
            None => self.append_as(0, key, out),
        }
    }

    /// Returns true if the payload is long enough to be compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn is_deflatable(&self) -> bool {
        self.is_message() && self.payload.len() >= deflate::SHORTEST
    }

    #[cfg(feature = "deflate")]
    fn is_message(&self) -> bool {
        matches!(self.opcode, Opcode::Text | Opcode::Binary)
    }

    /// Appends the frame, with `mark` in its first byte.
    fn append_as(&self, mark: u8, key: Option<[u8; 4]>, out: &mut Vec<u8>) {
        out.reserve(HEADER_MAX + self.payload.len());
        out.push(LAST | mark | self.opcode as u8);
        self.append_len(out, if key.is_some() { MASKED } else { 0 });
        out.extend_from_slice(key.as_ref().map_or(&[], |key| key.as_slice()));
        let start = out.len();
        if let Some(code) = self.code {
            out.extend_from_slice(&code.number().to_be_bytes());
        }
        out.extend_from_slice(self.payload);
        if let Some(key) = key {
            mask::apply(out.get_mut(start..).unwrap_or_default(), key);
        }
    }

    fn append_len(&self, out: &mut Vec<u8>, masked: u8) {
        let len = self.payload.len() + if self.code.is_some() { 2 } else { 0 };
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(len @ ..=SHORT), _) => out.push(masked | len),
            (_, Ok(len)) => {
                out.push(masked | IN_TWO);
                out.extend_from_slice(&len.to_be_bytes());
            }
            _ => {
                out.push(masked | IN_EIGHT);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
    }
}

/// Returns the compressed form of the frame of a server, for members of a topic that have agreed on
/// the largest window: a smaller one would be a third form. `None` if it would not be shorter.
#[cfg(feature = "deflate")]
pub(crate) fn pack(bytes: &[u8]) -> Option<Box<[u8]>> {
    let header = Header::parse(bytes, Role::Client, Coding::Plain).ok()??;
    let payload = bytes.get(header.size..)?;
    let packed = deflate::deflate(payload, WINDOW_MAX)?;
    let mut out = Vec::new();
    Frame { opcode: header.opcode, code: None, payload: &packed }
        .append_as(DEFLATED, None, &mut out);
    Some(out.into())
}

fn within(payload: &[u8], max: usize) -> &[u8] {
    payload.get(..max).unwrap_or(payload)
}

impl From<Frame<'_>> for Vec<u8> {
    fn from(frame: Frame<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        frame.append(&mut out);
        out
    }
}

impl From<Frame<'_>> for Box<[u8]> {
    fn from(frame: Frame<'_>) -> Box<[u8]> {
        Vec::from(frame).into()
    }
}
