//! HTTP/1.1 (RFC 9112), the server's side, sans-IO: requests in as [`Message`]s, answers out as
//! bytes.
//!
//! Strict where leniency is how requests get smuggled: whatever two parsers could read
//! differently is refused. Every refusal is a [`Close::Malformed`] that carries the status to
//! answer with, and the connection ends after it.
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
mod encode;
mod fields;
mod framing;
mod head;
mod host;
mod opening;
mod scan;
mod target;
mod verb;

use std::sync::Arc;
use std::time::Duration;

pub use self::encode::{Answer, Connection, Length};
pub use self::fields::Fields;
pub use self::head::{Head, Version};
pub(crate) use self::verb::Verb;

use self::body::Body;
use self::scan::Scan;
use crate::close::Close;
use crate::handler::framed::{Protocol, Step};

/// What HTTP limits for itself, besides the server's [`Limits`](crate::Limits).
///
/// ```
/// use socketserver::protocol::http::HttpLimits;
///
/// let limits = HttpLimits { body: 10 * 1024 * 1024, ..HttpLimits::default() };
/// assert_eq!(limits.head, 16 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of the request line; a longer one gets 414. Default 8 KiB (RFC 9112 asks for at
    /// least 8,000).
    pub request_line: usize,
    /// Bytes of the whole head; a longer one gets 431, and so does one that does not fit into
    /// [`Limits::pending_input`](crate::Limits::pending_input). At most 64 KiB less one. Default
    /// 16 KiB (Node.js).
    pub head: usize,
    /// Fields of the head; more get 431. Default 100 (hyper, Apache).
    pub fields: usize,
    /// Bytes of the body; a longer one gets 413. Default 1 MiB (nginx).
    pub body: u64,
    /// Bytes of the trailers of a chunked body, which are read and dropped; more get 431.
    /// Default 8 KiB.
    pub trailers: usize,
    /// How long a body may take, counted from its head, besides a second for each
    /// [`body_rate`](HttpLimits::body_rate) bytes of it that have come; `None` for as long as
    /// [`Limits::idle`](crate::Limits::idle) lets it. A later one gets 408. Default 20 s (Apache's
    /// `RequestReadTimeout body=20,MinRate=500`). The decoder knows no time: the web service holds
    /// clients to it.
    pub body_time: Option<Duration>,
    /// Bytes of a body that give it another second. Default 500 (Apache); 0 gives none.
    pub body_rate: u32,
    /// Requests that a connection may make: the last answer says `Connection: close`. Default
    /// `None`, as many as it likes (Go, Node.js, hyper; nginx 1,000, Apache 100): no memory grows
    /// with them here, which is what others have the limit for. It makes clients spread anew over
    /// worker processes, or over servers behind a balancer. The web service holds clients to it.
    pub keep_alive_requests: Option<u32>,
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            request_line: 8 * 1024,
            head: 16 * 1024,
            fields: 100,
            body: 1024 * 1024,
            trailers: 8 * 1024,
            body_time: Some(Duration::from_secs(20)),
            body_rate: 500,
            keep_alive_requests: None,
        }
    }
}

/// What a request consists of: a head, and if [`Head::has_body`], pieces of its body up to the
/// one that is the last.
#[derive(Debug)]
pub enum Message<'a> {
    /// The head of a request.
    Head(Head<'a>),
    /// A piece of its body, as it came: how it is cut means nothing.
    Body {
        /// The bytes; the last piece may have none.
        bytes: &'a [u8],
        /// Whether the request is now complete.
        is_last: bool,
    },
}

/// The decoder of one connection's requests.
#[derive(Debug)]
pub struct Http {
    limits: Arc<HttpLimits>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between requests or in a head.
    Head(Scan),
    /// An empty line was skipped in front of a head; a second one is refused.
    HeadAfterEmptyLine(Scan),
    Body(Body),
}

impl Http {
    /// A decoder at the beginning of a connection.
    pub fn new(limits: Arc<HttpLimits>) -> Http {
        Http { limits, state: State::Head(Scan::default()) }
    }
}

impl Protocol for Http {
    type Message<'a> = Message<'a>;

    #[inline]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<Message<'a>>, Close> {
        let input: &'a [u8] = input;
        // Nearly all heads come in one piece, and are parsed at once.
        if matches!(&self.state, State::Head(scan) if scan.is_fresh()) {
            if let Some(head) = head::whole(input, &self.limits) {
                return self.begin(head);
            }
        }
        self.decode_in_order(input)
    }
}

impl Http {
    /// Whatever does not begin with a whole head: bodies, pieces of heads, and what is wrong.
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
                // RFC 9112, section 2.2: an empty line in front of a request is ignored.
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

    /// Hands on a head, and gets ready for its body if there is one.
    #[inline]
    fn begin<'a>(&mut self, head: Head<'a>) -> Result<Step<Message<'a>>, Close> {
        if let Some(body) = Body::of(&head, &self.limits)? {
            self.state = State::Body(body);
        }
        let len = head.as_bytes().len();
        Ok(Step::Message(Message::Head(head), len))
    }
}

/// Why a request is refused: the status to answer with, and what was wrong. Parsers pass it on
/// by reference: two machine words carry any of their results.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    code: u16,
    why: &'static str,
}

type Parsed<T> = Result<T, &'static Refusal>;

impl From<&Refusal> for Close {
    fn from(refusal: &Refusal) -> Close {
        Close::Malformed { code: refusal.code, why: refusal.why }
    }
}
