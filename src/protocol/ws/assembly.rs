//! A message that is not in the input as one whole frame: its bytes so far. Knows no limit.

use std::borrow::Cow;

use super::code::CloseCode;
use super::kind::Kind;
use super::mask;
use super::message::{Message, NOT_UTF8};
use super::utf8::Text;
use crate::close::Close;

pub(super) struct Assembly {
    body: Body,
    frames: u32,
    /// The bytes of the current frame that have not arrived.
    left: usize,
    /// The mask of the next byte.
    mask: [u8; 4],
    is_last: bool,
}

enum Body {
    Text(Text),
    Binary(Vec<u8>),
    /// A compressed message.
    #[cfg(feature = "deflate")]
    Deflated(Kind, Vec<u8>),
}

impl Assembly {
    pub(super) fn new(kind: Kind) -> Assembly {
        let body = match kind {
            Kind::Text => Body::Text(Text::default()),
            Kind::Binary => Body::Binary(Vec::new()),
        };
        Assembly::with(body)
    }

    #[cfg(feature = "deflate")]
    pub(super) fn deflated(kind: Kind) -> Assembly {
        Assembly::with(Body::Deflated(kind, Vec::new()))
    }

    fn with(body: Body) -> Assembly {
        Assembly { body, frames: 0, left: 0, mask: [0; 4], is_last: false }
    }

    /// Returns the number of bytes that have arrived.
    pub(super) fn len(&self) -> usize {
        match &self.body {
            Body::Text(text) => text.len(),
            Body::Binary(bytes) => bytes.len(),
            #[cfg(feature = "deflate")]
            Body::Deflated(_, bytes) => bytes.len(),
        }
    }

    pub(super) fn frames(&self) -> u32 {
        self.frames
    }

    pub(super) fn is_in_frame(&self) -> bool {
        self.left > 0
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_last && self.left == 0
    }

    pub(super) fn begin_frame(&mut self, len: usize, mask: [u8; 4], is_last: bool) {
        self.frames = self.frames.saturating_add(1);
        (self.left, self.mask, self.is_last) = (len, mask, is_last);
    }

    /// Takes the bytes of the current frame at the front of `input`, and unmasks them there.
    /// Returns their number.
    pub(super) fn take(&mut self, input: &mut [u8]) -> Result<usize, Close> {
        let used = input.len().min(self.left);
        let Some(bytes) = input.get_mut(..used) else { return Ok(0) };
        mask::apply(bytes, self.mask);
        let spare = match &self.body {
            Body::Text(text) => text.spare(),
            Body::Binary(buffer) => buffer.capacity() - buffer.len(),
            #[cfg(feature = "deflate")]
            Body::Deflated(_, buffer) => buffer.capacity() - buffer.len(),
        };
        let room = if spare < used { self.growth(used) } else { 0 };
        match &mut self.body {
            Body::Text(text) => {
                text.reserve(room);
                text.push(bytes).map_err(|_| CloseCode::NOT_UTF8.fault(NOT_UTF8))?;
            }
            Body::Binary(buffer) => {
                buffer.reserve_exact(room);
                buffer.extend_from_slice(bytes);
            }
            #[cfg(feature = "deflate")]
            Body::Deflated(_, buffer) => {
                buffer.reserve_exact(room);
                buffer.extend_from_slice(bytes);
            }
        }
        self.left -= used;
        self.mask = mask::after(self.mask, used);
        Ok(used)
    }

    /// Returns the room to add for `used` bytes. The buffer doubles, but not beyond the length of
    /// the message once that is known. So an announced length costs nothing before it arrives.
    fn growth(&self, used: usize) -> usize {
        let double = if self.is_last { self.len().min(self.left) } else { self.len() };
        used.max(double)
    }

    /// Returns the message, of up to `limit` bytes if it is compressed.
    #[cfg_attr(not(feature = "deflate"), allow(unused_variables, reason = "for compressed ones"))]
    pub(super) fn into_message<'a>(self, limit: usize) -> Result<Message<'a>, Close> {
        Ok(match self.body {
            Body::Text(text) => {
                let text = text.finish().map_err(|_| CloseCode::NOT_UTF8.fault(NOT_UTF8))?;
                Message::Text(Cow::Owned(text))
            }
            Body::Binary(bytes) => Message::Binary(Cow::Owned(bytes)),
            #[cfg(feature = "deflate")]
            Body::Deflated(kind, bytes) => Message::inflated(kind, &bytes, limit)?,
        })
    }
}
