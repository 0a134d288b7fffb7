//! Fifteen facts about a connection, one bit each. States that exclude each other are enums: see
//! `state.rs`.

/// Facts that do not exclude each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) struct Flags(u16);

impl Flags {
    pub(super) const NONE: Flags = Flags(0);
    /// In the run queue, where a connection is at most once.
    pub(in crate::hub) const QUEUED: Flags = Flags(1);
    /// The socket may hold input: there was an edge, and no short read since. No other event comes
    /// before one.
    pub(in crate::hub) const READABLE: Flags = Flags(1 << 1);
    /// A short read does not mean that the socket is empty: the end of the input may have come
    /// merged with data, or a read stopped at the urgent mark. Read until `WouldBlock`.
    pub(in crate::hub) const READ_TO_END: Flags = Flags(1 << 2);
    /// A write was short: an event will report room.
    pub(in crate::hub) const BLOCKED: Flags = Flags(1 << 3);
    /// Unsent output of the handler was above the high watermark and has not fallen to the low
    /// watermark since: the connection is not read.
    pub(in crate::hub) const ABOVE_HIGH: Flags = Flags(1 << 4);
    /// A timer of the handler is set. Those that have fired are in the cold part until the call of
    /// `on_timer`.
    pub(in crate::hub) const TIMED: Flags = Flags(1 << 5);
    /// It is not read until a receiver of its forwarded bytes, a topic to which it published, or
    /// another shard to which it sent messages has caught up.
    pub(in crate::hub) const THROTTLED: Flags = Flags(1 << 6);
    /// Unused input must be offered again though no new byte has arrived.
    pub(in crate::hub) const RETRY_INPUT: Flags = Flags(1 << 7);
    /// The handler is with a worker.
    pub(in crate::hub) const ON_WORKER: Flags = Flags(1 << 8);
    /// Several topics have queued output on it, which is sent in one write.
    pub(in crate::hub) const COLLECTING: Flags = Flags(1 << 9);
    /// The timeout of an incomplete message has passed.
    pub(in crate::hub) const MESSAGE_LATE: Flags = Flags(1 << 10);
    /// An event reported an error that no call has returned yet.
    pub(in crate::hub) const ERROR_PENDING: Flags = Flags(1 << 11);
    /// `on_crowded` is due, unless input has arrived.
    pub(in crate::hub) const CROWDED: Flags = Flags(1 << 12);

    /// The peer has sent the end of its input, though it may not have been read yet.
    pub(in crate::hub) const READ_CLOSED: Flags = Flags(1 << 13);

    /// One write since the last input was of more bytes than every peer has room for, or of more
    /// than the socket took: the peer may not have read it. It takes no work.
    pub(in crate::hub) const LONG_ANSWER: Flags = Flags(1 << 14);

    #[inline(always)]
    pub(in crate::hub) const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    #[inline(always)]
    pub(super) const fn bits(self) -> u16 {
        self.0
    }

    #[inline(always)]
    pub(super) const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    #[inline(always)]
    pub(super) const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    #[inline(always)]
    pub(super) const fn has_any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }
}
