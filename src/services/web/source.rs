//! The source of a body that is sent in pieces, and how it wakes its connection. Knows no answer,
//! no client, and no origin of the bytes.

#[cfg(feature = "files")]
use std::fs::File;
use std::io;
#[cfg(feature = "files")]
use std::ops::Range;
#[cfg(feature = "files")]
use std::sync::Arc;
use std::time::Duration;

use crate::close::Close;
use crate::handler::notifier::Notifier;
use crate::id::Id;

/// The source of a body: it is asked for the next piece when the client has room.
pub(in crate::services) trait Source: Send {
    /// Returns how the body ends.
    fn extent(&self) -> Extent;

    /// Called once, before the first piece is asked for.
    fn begin(&mut self, _: Waker) {}

    /// Returns the next step at this time, by [`Now::elapsed`](crate::Now::elapsed), without
    /// blocking. A piece is not empty.
    fn next(&mut self, now: Duration) -> Step;

    /// Notes that the server is stopping.
    fn stop(&mut self) {}
}

/// The end of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::services) enum Extent {
    /// After this number of bytes from now on.
    #[cfg_attr(not(feature = "files"), allow(dead_code, reason = "used by files"))]
    Measured(u64),
    /// The source ends by itself.
    Unmeasured,
    /// Other threads or handlers feed the source, and end it.
    Live,
}

/// The result of a request to a source.
pub(in crate::services) enum Step {
    Piece(Vec<u8>),
    /// The piece is this part of a file, which can be read without waiting.
    #[cfg(feature = "files")]
    File(Arc<File>, Range<u64>),
    /// A worker has to read the piece; the next request is for the one after it.
    #[cfg_attr(not(feature = "files"), allow(dead_code, reason = "used by files"))]
    Read(ReadPiece),
    /// There is none yet: the source is asked again when it wakes its connection, or after this
    /// time.
    Wait(Option<Duration>),
    End,
    /// There will be no more, and the body is incomplete.
    Broken(Close),
}

/// Reads a piece, off the loop.
pub(in crate::services) type ReadPiece = Box<dyn FnOnce() -> io::Result<Vec<u8>> + Send>;

/// Wakes the connection of a source, from any thread.
pub(in crate::services) struct Waker {
    notifier: Notifier,
    id: Id,
}

/// The notification of a woken connection.
pub(super) struct Awake;

/// A body from an iterator. An empty piece means that there is none yet.
pub(super) struct Pieces<I>(pub(super) I);

/// The time after which an iterator without a piece is asked again.
const PAUSE: Duration = Duration::from_millis(10);

impl<I: Iterator<Item = Vec<u8>> + Send> Source for Pieces<I> {
    fn extent(&self) -> Extent {
        Extent::Unmeasured
    }

    fn next(&mut self, _: Duration) -> Step {
        match self.0.next() {
            Some(piece) if piece.is_empty() => Step::Wait(Some(PAUSE)),
            Some(piece) => Step::Piece(piece),
            None => Step::End,
        }
    }
}

impl Waker {
    pub(super) fn new(notifier: Notifier, id: Id) -> Waker {
        Waker { notifier, id }
    }

    /// Returns a waker that wakes no connection.
    pub(super) fn of_none() -> Waker {
        Waker { notifier: Notifier::default(), id: Id::NOBODY }
    }

    /// Wakes the connection. The notifier has no bound, so a source must not call this again
    /// before it was asked for a piece.
    pub(super) fn wake(&self) {
        self.notifier.notify(self.id, Box::new(Awake));
    }
}
