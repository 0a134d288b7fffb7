//! HTTP/1.1 (RFC 9112) for servers, sans-IO: decodes requests into [`Message`]s and encodes
//! answers.
//!
//! Strict where leniency allows request smuggling: input that two parsers could read differently is
//! refused. Every refusal is a [`Close::Malformed`] with the status to answer with, and the
//! connection is closed after the answer.
//!
//! ```
//! use socketserver::protocol::http::{Http, HttpLimits, Message};
//! use socketserver::{Protocol, Step};
//! use std::sync::Arc;
//!
//! let mut http = Http::new(Arc::new(HttpLimits::default()));
//! let mut input = *b"GET /hello?to=you HTTP/1.1\r\nHost: example.com\r\n\r\n";
//! let Step::Message(Message::Head(head), used) = http.decode(&mut input)? else { panic!() };
//! assert_eq!((head.path(), head.query(), used), ("/hello", Some("to=you"), 49));
//! assert!(!head.has_body());
//! # Ok::<(), socketserver::Close>(())
//! ```

mod body;
mod bytes;
mod chunk;
mod decimal;
mod encode;
mod field;
mod fields;
mod framing;
mod head;
mod host;
mod limits;
mod message;
mod opening;
mod refusal;
mod scan;
mod steps;
mod target;
mod verb;
mod version;

use std::sync::Arc;

#[cfg(feature = "ws")]
pub(crate) use self::bytes::{is_field_line, is_token};
pub use self::encode::{Answer, Connection, Length};
pub use self::fields::Fields;
pub use self::head::Head;
pub use self::limits::HttpLimits;
pub use self::message::Message;
pub(crate) use self::verb::Verb;
pub use self::version::Version;

use self::body::Body;
use self::refusal::Refusal;
use self::scan::Scan;
use crate::close::Close;
use crate::handler::framed::{Protocol, Step};

/// The decoder of the requests of one connection.
#[derive(Debug)]
pub struct Http {
    limits: Arc<HttpLimits>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between requests, or in a head.
    Head(Scan),
    /// After an empty line before a head; a second one is refused.
    HeadAfterEmptyLine(Scan),
    Body(Body),
    /// After the head, kept here, of a body that is too long.
    Refused(Box<[u8]>),
}

impl Http {
    /// A decoder at the beginning of a connection.
    #[must_use]
    pub fn new(limits: Arc<HttpLimits>) -> Http {
        Http { limits, state: State::Head(Scan::default()) }
    }

    /// Returns true if the refusal of an incomplete or malformed head must have no body.
    pub(crate) fn refuses_head(&self) -> bool {
        match &self.state {
            State::Head(scan) | State::HeadAfterEmptyLine(scan) => scan.is_of_head(),
            State::Refused(head) => head.starts_with(b"HEAD "),
            State::Body(_) => false,
        }
    }

    /// Returns the well-formed head whose body was refused because of its length.
    pub(crate) fn refused_head(&self) -> Option<&[u8]> {
        match &self.state {
            State::Refused(head) => Some(head),
            _ => None,
        }
    }
}

impl Protocol for Http {
    type Message<'a> = Message<'a>;

    #[inline]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<Message<'a>>, Close> {
        let input: &'a [u8] = input;
        // Nearly all heads arrive in one piece and are parsed at once.
        if matches!(&self.state, State::Head(scan) if scan.is_fresh())
            && let Some(head) = head::whole(input, &self.limits)
        {
            return self.begin(head);
        }
        self.decode_in_order(input)
    }
}

impl Http {
    /// Decodes everything but a complete head at once: bodies, parts of heads, and malformed input.
    fn decode_in_order<'a>(&mut self, input: &'a [u8]) -> Result<Step<Message<'a>>, Close> {
        let scan = match &mut self.state {
            State::Body(body) => {
                let step = body.decode(input, &self.limits)?;
                if let Step::Message(Message::Body { is_last: true, .. }, _) = step {
                    self.state = State::Head(Scan::default());
                }
                return Ok(step);
            }
            State::Head(scan) => {
                // RFC 9112, section 2.2: an empty line before a request is ignored.
                match input {
                    [b'\r', b'\n', ..] => {
                        self.state = State::HeadAfterEmptyLine(Scan::default());
                        return Ok(Step::Skip(2));
                    }
                    [b'\r'] => return Ok(Step::NeedMore),
                    _ => scan,
                }
            }
            State::HeadAfterEmptyLine(scan) => scan,
            State::Refused(_) => return Err(body::too_long().into()),
        };
        match scan.find_end(input, &self.limits)? {
            Some(len) => {
                let head = Head::parse(input.get(..len).unwrap_or_default(), &self.limits)?;
                self.state = State::Head(Scan::default());
                self.begin(head)
            }
            None => Ok(Step::NeedMore),
        }
    }

    /// Returns a head, and prepares for its body if there is one.
    #[inline]
    fn begin<'a>(&mut self, head: Head<'a>) -> Result<Step<Message<'a>>, Close> {
        match Body::of(&head, &self.limits) {
            Ok(None) => {}
            Ok(Some(body)) => self.state = State::Body(body),
            Err(refusal) => return Err(self.refuse(&head, refusal)),
        }
        let len = head.as_bytes().len();
        Ok(Step::Message(Message::Head(head), len))
    }

    #[cold]
    fn refuse(&mut self, head: &Head<'_>, refusal: &Refusal) -> Close {
        self.state = State::Refused(head.as_bytes().into());
        refusal.into()
    }
}
