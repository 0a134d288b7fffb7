//! The sources of a body that is sent in pieces, and how they wake their connection. Knows no
//! answer and no client.

use std::time::Duration;

use crate::handler::notifier::Notifier;
use crate::id::Id;

/// The source of a body in pieces.
pub(super) enum Source {
    /// An empty piece means that there is none yet: the source is asked again after a pause.
    Pieces(Box<dyn Iterator<Item = Vec<u8>> + Send>),
    /// The source wakes its connection when it has a piece.
    Live(Box<dyn Live>),
}

/// A source that is fed by other threads or handlers while its answer is sent.
pub(super) trait Live: Send {
    /// Called once, before the first piece is asked for.
    fn begin(&mut self, waker: Waker);

    /// Returns the next step at this time, by [`Now::elapsed`](crate::Now::elapsed). A piece is
    /// not empty.
    fn next(&mut self, now: Duration) -> Step;

    /// Notes that the server is stopping.
    fn stop(&mut self);
}

/// The result of a request to a source.
pub(super) enum Step {
    Piece(Vec<u8>),
    /// There is none yet: the source is asked again when it wakes its connection, or after this
    /// time.
    Wait(Option<Duration>),
    End,
    /// There will be no more, and the body is incomplete.
    Broken,
}

/// Wakes the connection of a live source, from any thread.
pub(super) struct Waker {
    notifier: Notifier,
    id: Id,
}

/// The notification of a woken connection.
pub(super) struct Awake;

/// The time after which a source without a piece is asked again.
const PAUSE: Duration = Duration::from_millis(10);

impl Source {
    /// Has a live source wake its connection.
    pub(super) fn begin(&mut self, waker: impl FnOnce() -> Waker) {
        if let Source::Live(live) = self {
            live.begin(waker());
        }
    }

    pub(super) fn next(&mut self, now: Duration) -> Step {
        match self {
            Source::Pieces(pieces) => match pieces.next() {
                Some(piece) if piece.is_empty() => Step::Wait(Some(PAUSE)),
                Some(piece) => Step::Piece(piece),
                None => Step::End,
            },
            Source::Live(live) => live.next(now),
        }
    }

    pub(super) fn stop(&mut self) {
        if let Source::Live(live) = self {
            live.stop();
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self, Source::Live(_))
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
