//! An answer that is not sent at once: it is produced elsewhere, by a worker or by the owner of a
//! kept reply, or delayed, or sent in pieces. Knows no connection.

use std::io;

use super::draft::{Draft, Framing, Rest, Work};
use super::failure::Failure;
use super::pending::Kept;
use super::response::Response;
use super::upload::Upload;
use crate::panics;
use crate::protocol::http::{Answer, Head};

/// The current activity of a conversation. Boxed, so that an idle client takes 16 bytes there.
pub(super) enum Doing {
    Nothing,
    /// A body is arriving.
    Collecting(Box<Upload>),
    /// The decoder has refused the body of this head; only its record is left to make.
    Refusing(Box<RefusedHead>),
    /// The answer is delayed; the client is not read.
    Waiting(Box<Delayed>),
    /// The answer is produced elsewhere; the client is not read.
    Awaiting(Box<Late>),
    /// The answer is sent as fast as the client reads; the client is not read.
    Streaming(Box<Stream>),
}

/// The bytes of a head whose body was refused, for the record.
pub(super) struct RefusedHead(pub(super) Vec<u8>);

/// An answer that is being produced elsewhere.
pub(super) struct Late {
    /// The bytes of the head, which is parsed again when the answer has arrived.
    pub(super) head: Vec<u8>,
    pub(super) draft: Draft,
    /// `None` if a worker produces the answer.
    pub(super) kept: Option<Kept>,
}

/// An answer that is delayed.
pub(super) struct Delayed {
    /// The bytes of the head of the request.
    pub(super) head: Vec<u8>,
    pub(super) draft: Draft,
    pub(super) response: Response,
}

/// An answer whose body is sent in pieces.
pub(super) struct Stream {
    /// The bytes of the head of the request; empty if nothing records it.
    pub(super) head: Vec<u8>,
    pub(super) draft: Draft,
    pub(super) rest: Rest,
    pub(super) next: Next,
}

/// The origin of the next piece of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Source,
    /// A worker reads it.
    Worker,
}

/// The most pieces taken in one turn: a source of tiny pieces must not hold the loop.
pub(super) const PIECES_A_TURN: usize = 256;

impl Stream {
    pub(super) fn new(head: &Head<'_>, is_recorded: bool, draft: Draft, rest: Rest) -> Box<Stream> {
        let head = if is_recorded { head.as_bytes().to_vec() } else { Vec::new() };
        Box::new(Stream { head, draft, rest, next: Next::Source })
    }

    /// Appends a piece of the body.
    pub(super) fn append(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.draft.sent += piece.len() as u64;
        match self.rest.framing {
            Framing::Chunked => Answer::append_chunk(out, piece),
            Framing::Length | Framing::Unmarked => out.extend_from_slice(piece),
        }
    }

    /// Appends the end of the body.
    pub(super) fn append_end(&self, out: &mut Vec<u8>) {
        if self.rest.framing == Framing::Chunked {
            Answer::append_last_chunk(out);
        }
    }

    /// Returns true if the client can tell an incomplete body from a complete one only by a reset.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.rest.framing != Framing::Chunked
    }
}

/// The notification with a piece that a worker has read.
pub(super) struct ReadPiece(pub(super) io::Result<Vec<u8>>);

/// The notification with the answer of a worker.
pub(super) struct Worked(pub(super) Result<Response, Failure>);

impl Late {
    pub(super) fn new(head: &Head<'_>, draft: Draft, kept: Option<Kept>) -> Box<Late> {
        Box::new(Late { head: head.as_bytes().to_vec(), draft, kept })
    }

    /// Returns the answer with the fields of the reply.
    pub(super) fn complete(
        &mut self,
        answer: Result<Response, Failure>,
    ) -> Result<Response, Failure> {
        let mut response = answer?;
        if let Some(extras) = &mut self.draft.extras {
            response.add_fields(&mut extras.fields);
        }
        response.checked()
    }
}

/// Produces an answer, on a worker.
pub(super) fn work_off(work: Work) -> Worked {
    let made = panics::catch(work);
    Worked(made.unwrap_or_else(|said| Err(Failure::internal(format!("panicked: {said}")))))
}
