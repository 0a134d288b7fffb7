//! How much of each kind one turn of a hub does, and how much may be under way. What is left over
//! comes in the turns that follow. Knows none of what it counts.

/// The budgets of a hub. They change the pace and the order of what it does, and not the outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budgets {
    /// Bytes delivered to members of topics in one turn; each write costs some on top. A room of
    /// 10,000 takes several turns, and other connections are served in between.
    pub(crate) delivery: usize,
    /// Bytes that the log of a topic may hold before its publishers are throttled.
    pub(crate) topic_log: usize,
    /// Bytes in flight to another shard before connections that send more there are throttled,
    /// until half of it has been handled. At least 4: credit comes in steps of a quarter.
    pub(crate) shard_window: usize,
    /// Messages of other shards handled in one turn.
    pub(crate) inbox: usize,
    /// Timers that ring in one turn.
    pub(crate) timers: usize,
    /// Connections ended for their deadlines in one turn: closing a socket takes some 20
    /// microseconds.
    pub(crate) ends: usize,
    /// One connection that has used up its share gets a pass each turn, and one more for so many
    /// with news: long turns must not starve them.
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
