//! An unfinished answer: its status and fields, how it is written, and the part of it that is not
//! written at once.

use std::mem;
use std::time::Duration;

use http::StatusCode;

use super::failure::Failure;
use super::pending::Kept;
use super::response::{Body, Response};
use super::source::{Extent, Source};
#[cfg(feature = "ws")]
use crate::handler::Handler;
#[cfg(doc)]
use crate::now::Now;
use crate::protocol::http::{Answer, Connection, Head, Length, Verb, Version};

/// An answer without its body.
pub(super) struct Draft {
    /// The time of the head of the request, in nanoseconds of [`Now`]. For a record.
    pub(super) began: u64,
    /// The number of bytes of the body written.
    pub(super) sent: u64,
    unix_seconds: u64,
    pub(super) is_head: bool,
    version: Version,
    connection: Connection,
    pub(super) status: StatusCode,
    /// `None` for most answers.
    pub(super) extras: Option<Box<Extras>>,
}

#[derive(Default)]
pub(super) struct Extras {
    /// The fields of the answer, and its content type if it replaces the one of the answering
    /// method.
    pub(super) fields: Response,
    pub(super) delay: Option<Duration>,
    /// The time in which a worker or the owner of a kept reply must answer.
    pub(super) time_limit: Option<Duration>,
    /// The answer must be a value.
    pub(super) is_collected: bool,
    pub(super) later: Option<Later>,
}

/// An answer that the reply does not write itself.
pub(super) enum Later {
    Response(Response),
    /// A worker produces the answer.
    Work(Work),
    Kept(Kept),
    #[cfg(feature = "ws")]
    Upgrade(Upgrade),
}

/// The end of HTTP on a connection: an answer with status 101, and the handler that follows.
#[cfg(feature = "ws")]
pub(super) struct Upgrade {
    pub(super) response: Response,
    pub(super) handler: Box<dyn Handler>,
}

/// A function that produces an answer, off the loop.
pub(super) type Work = Box<dyn FnOnce() -> Result<Response, Failure> + Send>;

/// The rest of a body that is sent in pieces.
pub(super) struct Rest {
    pub(super) source: Box<dyn Source>,
    pub(super) framing: Framing,
    pub(super) keep: bool,
}

/// The mark of the end of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// The length was sent before.
    Length,
    Chunked,
    /// The connection ends after the body.
    Unmarked,
}

impl Draft {
    /// Creates an answer with status 200 and no fields of its own.
    #[inline(always)]
    pub(super) fn new(head: &Head<'_>, keep: bool, unix_seconds: u64) -> Draft {
        Draft {
            began: 0,
            sent: 0,
            unix_seconds,
            is_head: head.verb() == Verb::Head,
            version: head.version(),
            connection: Connection::new(head.version(), keep),
            status: StatusCode::OK,
            extras: None,
        }
    }

    /// Creates an answer to malformed input, after which the connection ends.
    pub(super) fn refusal(status: StatusCode, is_head: bool, unix_seconds: u64) -> Draft {
        let (version, connection) = (Version::Http11, Connection::Close);
        Draft {
            began: 0,
            sent: 0,
            unix_seconds,
            is_head,
            version,
            connection,
            status,
            extras: None,
        }
    }

    /// Returns the draft with the time of the head of its request.
    #[inline(always)]
    pub(super) fn since(self, began: u64) -> Draft {
        Draft { began, ..self }
    }

    #[inline(always)]
    pub(super) fn keeps(&self) -> bool {
        self.connection != Connection::Close
    }

    /// Returns true if the answer is complete and the connection continues.
    #[inline(always)]
    pub(super) fn is_ordinary(&self) -> bool {
        self.extras.is_none() && self.keeps()
    }

    #[cfg(feature = "files")]
    pub(super) fn unix_seconds(&self) -> u64 {
        self.unix_seconds
    }

    pub(super) fn take_later(&mut self) -> Option<Later> {
        self.extras.as_mut()?.later.take()
    }

    pub(super) fn delay(&self) -> Option<Duration> {
        self.extras.as_ref()?.delay
    }

    pub(super) fn time_limit(&self) -> Option<Duration> {
        self.extras.as_ref()?.time_limit
    }

    /// Sets the date to the time of sending. The connection ends after the answer unless `keep`.
    pub(super) fn renew(&mut self, keep: bool, unix_seconds: u64) {
        self.unix_seconds = unix_seconds;
        if !keep {
            self.close();
        }
    }

    /// Writes the answer, with its body unless the status or the method forbids one (RFC 9110,
    /// sections 6.4.1 and 9.3.2).
    pub(super) fn write(&mut self, out: &mut Vec<u8>, content_type: &str, body: &[u8]) {
        if self.is_head || content_of(self.status) != Content::Any {
            return self.write_head_only(out, content_type, body.len() as u64);
        }
        self.head(content_type, Length::Fixed(body.len() as u64)).append(out, self.unix_seconds);
        self.sent = body.len() as u64;
        out.extend_from_slice(body);
    }

    #[cold]
    fn write_head_only(&self, out: &mut Vec<u8>, content_type: &str, body_len: u64) {
        let length = match content_of(self.status) {
            Content::Any => Length::Fixed(body_len),
            Content::Empty => Length::Fixed(0),
            Content::Without => Length::Untold,
        };
        self.head(content_type, length).append_lines(out, self.unix_seconds);
    }

    fn head<'a>(&'a self, content_type: &'a str, length: Length) -> Answer<'a> {
        let mut answer = Answer {
            status: self.status,
            content_type,
            length,
            connection: self.connection,
            fields: &[],
        };
        if let Some(extras) = &self.extras {
            answer.fields = extras.fields.lines.as_bytes();
            if !extras.fields.content_type.is_empty() {
                answer.content_type = &extras.fields.content_type;
            }
        }
        answer
    }

    /// Writes a whole answer in place of the draft, or its head if the body is produced while it is
    /// sent. Returns that body.
    pub(super) fn write_response(
        &mut self,
        out: &mut Vec<u8>,
        mut response: Response,
    ) -> Option<Rest> {
        self.status = response.status;
        if response.closes {
            self.close();
        }
        let body = mem::replace(&mut response.body, Body::Bytes(Vec::new()));
        self.extras = Some(Box::new(Extras { fields: response, ..Extras::default() }));
        match body {
            Body::Bytes(bytes) => {
                self.write(out, "", &bytes);
                None
            }
            Body::Source(source) => self.begin_source(out, source),
        }
    }

    /// Writes the head of an answer whose body is produced while it is sent. Returns the body.
    fn begin_source(&mut self, out: &mut Vec<u8>, source: Box<dyn Source>) -> Option<Rest> {
        let extent = source.extent();
        let (framing, length) = match (extent, self.version) {
            (Extent::Measured(length), _) => (Framing::Length, Length::Fixed(length)),
            (_, Version::Http11) => (Framing::Chunked, Length::Chunked),
            _ => (Framing::Unmarked, Length::Untold),
        };
        let content = content_of(self.status);
        let length = match content {
            Content::Any => length,
            Content::Empty => Length::Fixed(0),
            Content::Without => Length::Untold,
        };
        if content == Content::Any && framing == Framing::Unmarked {
            self.close();
        }
        self.head("", length).append_lines(out, self.unix_seconds);
        let is_sent = content == Content::Any && !self.is_head && extent != Extent::Measured(0);
        is_sent.then(|| Rest { source, framing, keep: self.keeps() })
    }

    /// Writes an answer after which the connection has another protocol, in place of the draft.
    #[cfg(feature = "ws")]
    pub(super) fn write_upgrade(&mut self, out: &mut Vec<u8>, response: Response) {
        // The fields of the answer say what becomes of the connection.
        self.connection = Connection::KeepAlive;
        self.write_response(out, response);
    }

    /// Ends the connection after the answer.
    pub(super) fn close(&mut self) {
        self.connection = Connection::Close;
    }

    pub(super) fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Returns the answer as a value with this body.
    pub(super) fn collect(&mut self, content_type: &str, body: Body) -> Response {
        let mut response = mem::take(&mut self.extras().fields);
        response.status = self.status;
        if response.content_type.is_empty() {
            response.content_type = content_type.into();
        }
        response.body = body;
        response
    }
}

/// The content of an answer, as its status allows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Any,
    /// A length of zero (RFC 9110, section 15.3.6).
    Empty,
    /// No body and no length (RFC 9110, sections 6.4.1 and 8.6).
    Without,
}

fn content_of(status: StatusCode) -> Content {
    match status {
        StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => {
            Content::Without
        }
        StatusCode::RESET_CONTENT => Content::Empty,
        _ => Content::Any,
    }
}
