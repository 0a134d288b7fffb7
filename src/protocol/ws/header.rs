//! The header of a frame (RFC 6455, section 5.2). Knows no message.

use super::code::CloseCode;
use super::role::Role;
use crate::close::Close;

/// A header, checked.
pub(super) struct Header {
    pub(super) opcode: Opcode,
    pub(super) is_last: bool,
    /// The message is compressed.
    #[cfg_attr(not(feature = "deflate"), allow(dead_code, reason = "none is without it"))]
    pub(super) is_deflated: bool,
    /// The length of the payload.
    pub(super) len: u64,
    pub(super) mask: [u8; 4],
    /// The length of the header itself.
    pub(super) size: usize,
}

/// The form of messages that the handshake has agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    /// Messages may be compressed.
    #[cfg_attr(not(feature = "deflate"), allow(dead_code, reason = "never agreed on without it"))]
    Deflate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

pub(super) const LAST: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// The first reserved bit, which marks a compressed message (RFC 7692, section 6).
pub(super) const DEFLATED: u8 = 0x40;
pub(super) const MASKED: u8 = 0x80;
/// The longest payload whose length is in the second byte; control frames have no longer one.
pub(super) const SHORT: u8 = 125;
pub(super) const IN_TWO: u8 = 126;
pub(super) const IN_EIGHT: u8 = 127;

impl Opcode {
    /// Returns the opcode in the first byte of a frame.
    pub(super) fn of(first: u8, coding: Coding) -> Result<Opcode, Close> {
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(CloseCode::PROTOCOL.fault("a reserved opcode")),
        };
        let may_be_deflated = coding == Coding::Deflate && opcode.begins_message();
        let reserved = if may_be_deflated { RESERVED & !DEFLATED } else { RESERVED };
        if first & reserved != 0 {
            return Err(CloseCode::PROTOCOL.fault("a reserved bit is set"));
        }
        if opcode.is_control() && first & LAST == 0 {
            return Err(CloseCode::PROTOCOL.fault("a control frame in fragments"));
        }
        Ok(opcode)
    }

    fn begins_message(self) -> bool {
        matches!(self, Opcode::Text | Opcode::Binary)
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

impl Header {
    /// Parses the header at the front of `input`; `None` if it is incomplete. A fault is found with
    /// the first byte that shows it, however the input is cut.
    pub(super) fn parse(input: &[u8], role: Role, coding: Coding) -> Result<Option<Header>, Close> {
        let [first, second, rest @ ..] = input else { return Ok(None) };
        let opcode = Opcode::of(*first, coding)?;
        let is_masked = second & MASKED != 0;
        match (role, is_masked) {
            (Role::Server, false) => {
                return Err(CloseCode::PROTOCOL.fault("a frame without a mask"));
            }
            (Role::Client, true) => return Err(CloseCode::PROTOCOL.fault("a masked frame")),
            _ => {}
        }
        let short = second & !MASKED;
        if opcode.is_control() && short > SHORT {
            return Err(CloseCode::PROTOCOL.fault("a control frame is too long"));
        }
        let Some((len, rest)) = length(short, rest)? else { return Ok(None) };
        let (mask, rest) = match (is_masked, rest.split_first_chunk()) {
            (false, _) => ([0; 4], rest),
            (true, Some((mask, rest))) => (*mask, rest),
            (true, None) => return Ok(None),
        };
        let (is_last, is_deflated) = (first & LAST != 0, first & DEFLATED != 0);
        let size = input.len() - rest.len();
        Ok(Some(Header { opcode, is_last, is_deflated, len, mask, size }))
    }

    /// Returns the length of a control frame, which was checked.
    pub(super) fn short_len(&self) -> u8 {
        u8::try_from(self.len).unwrap_or(SHORT)
    }
}

/// Returns the length of the payload and the input after it; `None` if it is incomplete. The
/// encoding must be the shortest one (RFC 6455, section 5.2).
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Close> {
    let (len, rest, least) = match short {
        IN_TWO => match rest.split_first_chunk() {
            Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), rest, SHORT.into()),
            None => return Ok(None),
        },
        IN_EIGHT => match rest.split_first_chunk() {
            Some((bytes, rest)) => (u64::from_be_bytes(*bytes), rest, u16::MAX.into()),
            None => return Ok(None),
        },
        _ => return Ok(Some((short.into(), rest))),
    };
    if len <= least {
        return Err(CloseCode::PROTOCOL.fault("a length is not in its shortest form"));
    }
    if len > i64::MAX as u64 {
        return Err(CloseCode::PROTOCOL.fault("the highest bit of a length is set"));
    }
    Ok(Some((len, rest)))
}
