//! WebSocket (RFC 6455), sans-IO: decodes frames into [`Message`]s, and encodes [`Frame`]s.
//!
//! A message that is in the input as one whole frame is unmasked where it is and borrowed. Any
//! other is collected in a buffer, which exists until the message is complete.
//!
//! ```
//! use socketserver::protocol::ws::{Message, Role, Ws, WsLimits};
//! use socketserver::{Protocol, Step};
//! use std::sync::Arc;
//!
//! let mut ws = Ws::new(Role::Server, Arc::new(WsLimits::default()));
//! // RFC 6455, section 5.7: a masked text message.
//! let mut input = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
//! let Step::Message(Message::Text(text), 11) = ws.decode(&mut input)? else { panic!() };
//! assert_eq!(text, "Hello");
//! # Ok::<(), socketserver::Close>(())
//! ```
//!
//! Input that breaks a rule is a [`Close::Malformed`] with the close code to send: 1002 for the
//! framing, 1007 for text that is not UTF-8, 1009 for a message that is too long, 1008 for one of
//! too many frames.

mod assembly;
mod code;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "deflate")]
mod extension;
mod frame;
mod handshake;
mod handshake_error;
mod header;
mod key;
mod kind;
mod limits;
mod mask;
mod message;
mod role;
mod url;
mod utf8;

use std::fmt;
use std::sync::Arc;

pub use self::code::CloseCode;
#[cfg(feature = "deflate")]
pub use self::extension::Deflate;
pub use self::frame::Frame;
#[cfg(feature = "deflate")]
pub(crate) use self::frame::pack;
pub use self::handshake::{Agreed, Handshake};
pub use self::handshake_error::HandshakeError;
pub use self::key::accept_key;
pub use self::limits::WsLimits;
pub use self::message::Message;
pub use self::role::Role;

use self::assembly::Assembly;
use self::header::{Coding, Header, Opcode};
use self::kind::Kind;
use crate::close::Close;
use crate::handler::framed::{Protocol, Step};

/// The decoder of one connection, after its handshake. An idle one owns no buffer. The
/// [module](self) has an example.
pub struct Ws {
    limits: Arc<WsLimits>,
    role: Role,
    coding: Coding,
    state: State,
}

enum State {
    /// Between two messages.
    Between,
    /// In a message that was not in the input as one whole frame.
    Within(Box<Assembly>),
    /// After a close frame: further input is skipped (RFC 6455, section 1.4).
    Closed,
}

impl Ws {
    /// A decoder at the beginning of a connection.
    #[must_use]
    pub fn new(role: Role, limits: Arc<WsLimits>) -> Ws {
        Ws { limits, role, coding: Coding::Plain, state: State::Between }
    }

    /// Takes compressed messages as well, which the handshake has agreed on: see [`Deflate`].
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflated(self) -> Ws {
        Ws { coding: Coding::Deflate, ..self }
    }

    /// Continues a frame of which an earlier part is in the assembly.
    fn resume<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<Message<'a>>, Close> {
        let State::Within(assembly) = &mut self.state else { return Ok(Step::NeedMore) };
        let used = assembly.take(input)?;
        self.conclude(used)
    }

    /// Returns the step after `used` bytes: the message, if they complete it.
    fn conclude<'a>(&mut self, used: usize) -> Result<Step<Message<'a>>, Close> {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Within(assembly) if assembly.is_complete() => {
                Ok(Step::Message(assembly.into_message(self.limits.message)?, used))
            }
            state => {
                self.state = state;
                Ok(Step::Skip(used))
            }
        }
    }

    /// Begins a frame of a message with the input after its header.
    fn data<'a>(
        &mut self,
        header: &Header,
        input: &'a mut [u8],
    ) -> Result<Step<Message<'a>>, Close> {
        let len = self.admit(header)?;
        let (head, rest) = input.split_at_mut(header.size.min(input.len()));
        if let Some(kind) = Kind::of(header.opcode) {
            if header.is_last && len <= rest.len() {
                let payload = rest.get_mut(..len).unwrap_or_default();
                mask::apply(payload, header.mask);
                #[cfg(feature = "deflate")]
                if header.is_deflated {
                    let message = Message::inflated(kind, payload, self.limits.message)?;
                    return Ok(Step::Message(message, head.len() + len));
                }
                return Ok(Step::Message(Message::of(kind, payload)?, head.len() + len));
            }
            #[cfg(feature = "deflate")]
            let assembly = match header.is_deflated {
                true => Assembly::deflated(kind),
                false => Assembly::new(kind),
            };
            #[cfg(not(feature = "deflate"))]
            let assembly = Assembly::new(kind);
            self.state = State::Within(Box::new(assembly));
        }
        let State::Within(assembly) = &mut self.state else { return Ok(Step::NeedMore) };
        assembly.begin_frame(len, header.mask, header.is_last);
        let used = assembly.take(rest)?;
        self.conclude(head.len() + used)
    }

    /// Checks the length of a frame against the limits. Returns it.
    fn admit(&self, header: &Header) -> Result<usize, Close> {
        let (before, frames) = match &self.state {
            State::Within(assembly) => (assembly.len(), assembly.frames()),
            _ => (0, 0),
        };
        let len = usize::try_from(header.len).unwrap_or(usize::MAX);
        if len > self.limits.frame {
            return Err(CloseCode::TOO_BIG.fault("the frame is too long"));
        }
        if before.saturating_add(len) > self.limits.message {
            return Err(CloseCode::TOO_BIG.fault("the message is too long"));
        }
        if frames >= self.limits.fragments {
            return Err(CloseCode::POLICY.fault("the message has too many frames"));
        }
        Ok(len)
    }

    /// Decodes a control frame once it is whole.
    fn control<'a>(
        &mut self,
        header: &Header,
        input: &'a mut [u8],
    ) -> Result<Step<Message<'a>>, Close> {
        let end = header.size + usize::from(header.short_len());
        let Some(payload) = input.get_mut(header.size..end) else { return Ok(Step::NeedMore) };
        mask::apply(payload, header.mask);
        let message = match header.opcode {
            Opcode::Ping => Message::Ping(payload),
            Opcode::Pong => Message::Pong(payload),
            _ => {
                self.state = State::Closed;
                Message::closing(payload)?
            }
        };
        Ok(Step::Message(message, end))
    }

    /// Checks that a frame may come now (RFC 6455, section 5.4).
    fn check_order(&self, opcode: Opcode) -> Result<(), Close> {
        match (&self.state, opcode) {
            (State::Between, Opcode::Continuation) => {
                Err(CloseCode::PROTOCOL.fault("a continuation without a message"))
            }
            (State::Within(_), Opcode::Text | Opcode::Binary) => {
                Err(CloseCode::PROTOCOL.fault("a message within a message"))
            }
            _ => Ok(()),
        }
    }
}

impl Protocol for Ws {
    type Message<'a> = Message<'a>;

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<Message<'a>>, Close> {
        let Some(first) = input.first() else { return Ok(Step::NeedMore) };
        match &self.state {
            State::Closed => return Ok(Step::Skip(input.len())),
            State::Within(assembly) if assembly.is_in_frame() => return self.resume(input),
            _ => {}
        }
        self.check_order(Opcode::of(*first, self.coding)?)?;
        match Header::parse(input, self.role, self.coding)? {
            None => Ok(Step::NeedMore),
            Some(header) if header.opcode.is_control() => self.control(&header, input),
            Some(header) => self.data(&header, input),
        }
    }
}

impl fmt::Debug for Ws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ws").field("role", &self.role).finish_non_exhaustive()
    }
}
