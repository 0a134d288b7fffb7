//! The sizes and times of an exchange. Knows no exchange.

/// The sizes of an exchange. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// With this number of unaccepted messages, or of their bytes, publishers are held.
    pub(crate) window_messages: usize,
    pub(crate) window_bytes: usize,
    /// Topics that read at the same time.
    pub(crate) reads: usize,
    /// After this time without an engine, the policy decides.
    pub(crate) grace_ms: u64,
    /// The time for which a topic is watched after its last member has left, 30 % more or less.
    pub(crate) linger_ms: u64,
    /// After this time, a message of this node renews the retention of its log again.
    pub(crate) renewal_ms: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            window_messages: 8_192,
            window_bytes: 1024 * 1024,
            reads: 32,
            grace_ms: 2_000,
            linger_ms: 10_000,
            // Of a day.
            renewal_ms: 24 * 3_600 * 100,
        }
    }
}
