//! The facts a connection remembers between turns, one bit each.

/// A set of independent facts. (What excludes each other is an enum: see
/// [`Link`](super::connection::Link) and [`Watch`](super::deadline::Watch).)
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks(u32);

/// The handler's `on_open` has not run yet.
pub(crate) const NEW: Marks = Marks(1);
/// It is in the ready queue. There at most once.
pub(crate) const QUEUED: Marks = Marks(1 << 1);
/// The socket may hold input: an edge came and no read has come up short since. No second event
/// will come before that.
pub(crate) const READABLE: Marks = Marks(1 << 2);
/// An event said "read closed" or "error". The end may have come merged with data, without an
/// event of its own: read on until it shows, a short read proves nothing any more.
pub(crate) const HANGUP: Marks = Marks(1 << 3);
/// The socket took less than it was given: wait for the event before writing again.
pub(crate) const BLOCKED: Marks = Marks(1 << 4);
/// The output was above its high mark and has not been below the low one since: not read.
pub(crate) const FULL: Marks = Marks(1 << 5);
/// The handler paused: not read, nothing offered.
pub(crate) const PAUSED: Marks = Marks(1 << 6);
/// Left-over input is to be offered again though no new byte has come.
pub(crate) const REOFFER: Marks = Marks(1 << 7);
/// Its timer rang.
pub(crate) const WOKEN: Marks = Marks(1 << 8);
/// `on_stop` is due.
pub(crate) const STOP: Marks = Marks(1 << 9);
/// The peer has sent at least one byte.
pub(crate) const SPOKE: Marks = Marks(1 << 10);
/// It has an entry among the timers.
pub(crate) const TIMED: Marks = Marks(1 << 11);
/// The end of the peer's input was read.
pub(crate) const EOF: Marks = Marks(1 << 12);
/// The connection was ended with input that nobody used.
pub(crate) const UNREAD: Marks = Marks(1 << 13);
/// An event said "error" and the error has not been read yet.
pub(crate) const BROKEN: Marks = Marks(1 << 14);

/// It publishes, or forwards, faster than others take it: not read until they have.
pub(crate) const HELD: Marks = Marks(1 << 15);
/// It is a member of a topic.
pub(crate) const JOINED: Marks = Marks(1 << 16);
/// It is a member of more than one.
pub(crate) const SEVERAL: Marks = Marks(1 << 17);
/// It has been given something by several topics that is to leave in one write.
pub(crate) const COLLECTS: Marks = Marks(1 << 18);
/// Others wait for its output to fall below the low mark.
pub(crate) const AWAITED: Marks = Marks(1 << 19);
/// It was told something by another handler.
pub(crate) const NOTED: Marks = Marks(1 << 20);
/// Its handler sends no more: our side is to be shut when everything has been sent.
pub(crate) const FINISHED: Marks = Marks(1 << 21);
/// Our side is shut.
pub(crate) const SHUT: Marks = Marks(1 << 22);
/// Its handler is with a worker.
pub(crate) const AWAY: Marks = Marks(1 << 23);
/// The handler has been told the end, though it has not come back yet.
pub(crate) const TOLD: Marks = Marks(1 << 24);
/// Work that its handler offloaded is being done.
pub(crate) const OFFLOADED: Marks = Marks(1 << 25);
/// It has something for a sibling, which has to be there before anybody hears of it: nothing is
/// written before the next turn.
pub(crate) const DEFERRED: Marks = Marks(1 << 26);
/// It has been served already, and counted: only its peer is waited for.
pub(crate) const SERVED: Marks = Marks(1 << 27);
/// Its message had its time and is still incomplete.
pub(crate) const OVERDUE: Marks = Marks(1 << 28);
/// The stopping server waits no longer for a message of its peer.
pub(crate) const URGED: Marks = Marks(1 << 29);

/// With any of these the handler is offered no input.
pub(crate) const HALTED: Marks = PAUSED.with(HELD).with(EOF).with(AWAY);
/// With none of these there is no input to take.
pub(crate) const BUSY: Marks = NEW.with(READABLE).with(FULL).with(REOFFER);

impl Marks {
    #[inline]
    pub(crate) fn has(self, other: Marks) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn has_any(self, other: Marks) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn set(&mut self, other: Marks) {
        self.0 |= other.0;
    }

    pub(crate) fn clear(&mut self, other: Marks) {
        self.0 &= !other.0;
    }

    /// Clears `other` and tells whether it was set.
    pub(crate) fn take(&mut self, other: Marks) -> bool {
        let was = self.has(other);
        self.clear(other);
        was
    }

    pub(crate) const fn with(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }
}
