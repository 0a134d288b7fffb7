//! An answer that is not sent at once: it is produced elsewhere, by a worker or by the owner of a
//! kept reply, or delayed, or sent in pieces. Knows no connection.

#[cfg(feature = "files")]
use std::fs::File;
use std::io;
#[cfg(feature = "files")]
use std::ops::Range;
#[cfg(feature = "files")]
use std::sync::Arc;
use std::time::Duration;

use super::draft::{Draft, Pieces, Supply, Work};
use super::failure::Failure;
use super::pending::Kept;
use super::response::Response;
use super::source::{Portion, ReadPortion};
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
    pub(super) pieces: Pieces,
    pub(super) next: Next,
}

/// The origin of the next piece of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Supply,
    /// A worker reads it.
    Worker,
}

/// The most pieces taken in one turn: a source of tiny pieces must not hold the loop.
pub(super) const PIECES_A_TURN: usize = 256;
/// The time after which a source without a piece is asked again.
pub(super) const PIECES_PAUSE: Duration = Duration::from_millis(10);

/// The result of a request to a source of pieces.
pub(super) enum Step {
    Piece,
    /// An empty piece: there is none yet.
    NoneYet,
    /// The piece is a part of a file.
    #[cfg(feature = "files")]
    File(Arc<File>, Range<u64>),
    /// A worker has to read the piece.
    Read(ReadPortion),
    End,
    /// The rest cannot be had: the client must not take the body for complete.
    Broken(io::ErrorKind),
}

impl Stream {
    pub(super) fn new(
        head: &Head<'_>,
        is_recorded: bool,
        draft: Draft,
        pieces: Pieces,
    ) -> Box<Stream> {
        let head = if is_recorded { head.as_bytes().to_vec() } else { Vec::new() };
        Box::new(Stream { head, draft, pieces, next: Next::Supply })
    }

    /// Appends the next piece of the body, or its end.
    pub(super) fn append_next(&mut self, out: &mut Vec<u8>) -> Step {
        let (piece, is_chunked) = match &mut self.pieces.supply {
            Supply::Chunked(source) => (source.next(), true),
            Supply::Unmarked(source) => (source.next(), false),
            Supply::Measured(source) => {
                let portion = match source.left() {
                    0 => return Step::End,
                    _ => source.append(out),
                };
                return self.note_portion(portion);
            }
        };
        match piece {
            Some(piece) if piece.is_empty() => return Step::NoneYet,
            Some(piece) => {
                self.draft.sent += piece.len() as u64;
                match is_chunked {
                    true => Answer::append_chunk(out, &piece),
                    false => out.extend_from_slice(&piece),
                }
                return Step::Piece;
            }
            None if is_chunked => Answer::append_last_chunk(out),
            None => {}
        }
        Step::End
    }

    fn note_portion(&mut self, portion: io::Result<Portion>) -> Step {
        match portion {
            Ok(Portion::Appended(n)) => {
                self.draft.sent += n as u64;
                Step::Piece
            }
            #[cfg(feature = "files")]
            Ok(Portion::File(file, part)) => {
                self.draft.sent += part.end - part.start;
                Step::File(file, part)
            }
            Ok(Portion::Read(work)) => Step::Read(work),
            Err(error) => Step::Broken(error.kind()),
        }
    }

    /// Appends the piece that a worker has read.
    ///
    /// # Errors
    ///
    /// That of the read.
    pub(super) fn append_read(
        &mut self,
        read: io::Result<Vec<u8>>,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.next = Next::Supply;
        let bytes = read?;
        self.draft.sent += bytes.len() as u64;
        out.extend_from_slice(&bytes);
        Ok(())
    }

    /// Returns true if the client can tell an incomplete body from a complete one only by a reset.
    pub(super) fn ends_with_connection(&self) -> bool {
        !matches!(self.pieces.supply, Supply::Chunked(_))
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
