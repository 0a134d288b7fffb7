//! Limits on the work of one turn, and on the messages in flight. The rest is done in later turns.
//! Must not know the work.

/// The budgets of a hub. They affect timing and order, not the outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budgets {
    /// Bytes delivered to members of topics in one turn, plus a fixed cost per write. Delivery to
    /// 10,000 members takes several turns, and other connections are served in between.
    pub(crate) delivery: usize,
    /// Bytes that the log of a topic may hold before its publishers are throttled.
    pub(crate) topic_log: usize,
    /// Bytes in flight to another shard before connections that send more to it are throttled,
    /// until half of them have been handled. At least 4: credit comes in steps of a quarter.
    pub(crate) shard_window: usize,
    /// Messages of other shards handled in one turn.
    pub(crate) inbox: usize,
    /// Timers that fire in one turn.
    pub(crate) timers: usize,
    /// Connections ended by their deadlines in one turn: closing a socket takes about 20
    /// microseconds.
    pub(crate) ends: usize,
    /// The ratio of ready connections to yielded ones in a turn. At least one yielded connection
    /// gets a pass, so that long turns do not starve them.
    pub(crate) news_for_one: usize,
}

impl Default for Budgets {
    fn default() -> Budgets {
        Budgets {
            delivery: 2 * 1024 * 1024,
            topic_log: 1024 * 1024,
            shard_window: 1024 * 1024,
            inbox: 1024,
            timers: 4096,
            ends: 16,
            news_for_one: 64,
        }
    }
}
