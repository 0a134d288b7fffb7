//! Deadlines of connections: four bytes each, and a hand that goes round the table.
//!
//! Every connection has at most one deadline, in ticks, in its own slot; setting it is one
//! store. Nothing is sorted. Instead a hand visits the slots in their order, so many a turn,
//! and starts its next round when the earliest deadline that it saw, or that was set since, is
//! due. (Redis' `clientsCron` works like this.) A deadline is met within a second.

use std::time::Duration;

use crate::close::Timeout;
use crate::limits::Limits;
use crate::now;
use crate::now::Now;

/// Time in tenths of a second since the server started: 13 years fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u32);

const TICK_MS: u64 = 100;

// What a deadline costs a connection.
const _: () = assert!(size_of::<Tick>() == 4);

impl Tick {
    pub(crate) const NEVER: Tick = Tick(u32::MAX);

    pub(crate) fn at(now: Now) -> Tick {
        Tick(u32::try_from(now.millis() / TICK_MS).unwrap_or(u32::MAX - 1))
    }

    pub(crate) fn millis(self) -> u64 {
        u64::from(self.0) * TICK_MS
    }
}

/// What a connection's deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// No deadline: the handler paused and decides itself.
    Nothing,
    /// The peer has not sent a byte yet.
    FirstByte,
    /// A message is incomplete.
    Message,
    /// All is quiet.
    Idle,
    /// Output waits for the peer to take it.
    WriteStall,
    /// The server is stopping; a first message, or the rest of one, may be on its way.
    Grace,
    /// We ended the connection and wait for the peer to do so too.
    Linger,
}

impl Watch {
    /// What the end of the watch means if it ends the connection at once; `None` for watches over
    /// what has ended already.
    pub(crate) fn timeout(self) -> Option<Timeout> {
        match self {
            Watch::FirstByte => Some(Timeout::FirstByte),
            Watch::Idle => Some(Timeout::Idle),
            Watch::WriteStall => Some(Timeout::WriteStall),
            Watch::Nothing | Watch::Message | Watch::Grace | Watch::Linger => None,
        }
    }
}

impl Watch {
    /// What becomes of it while the handler is with a worker: watches for what the peer sends keep
    /// their deadline, and whether it has passed is asked when the handler is back.
    pub(crate) fn while_away(self) -> Watch {
        match self {
            Watch::FirstByte | Watch::Message | Watch::Idle => self,
            Watch::Nothing | Watch::WriteStall | Watch::Grace | Watch::Linger => Watch::Nothing,
        }
    }
}

/// How long a stopping server waits for the first byte of a connection, or for the rest of a
/// message.
const GRACE: Duration = Duration::from_secs(1);

/// How long each watch lasts, in ticks; worked out once, because a deadline is set for every
/// request.
pub(crate) struct Periods([u32; 7]);

impl Periods {
    pub(crate) fn new(limits: &Limits) -> Periods {
        let mut ticks = [u32::MAX; 7];
        for (watch, period) in [
            (Watch::FirstByte, limits.first_byte),
            (Watch::Message, limits.message),
            (Watch::Idle, limits.idle),
            (Watch::WriteStall, limits.write_stall),
            (Watch::Grace, Some(GRACE)),
            (Watch::Linger, Some(limits.linger)),
        ] {
            if let Some(period) = period {
                // One more, because the tick it is counted from has begun already.
                let whole = now::millis(period).div_ceil(TICK_MS).saturating_add(1);
                ticks[watch as usize] = u32::try_from(whole).unwrap_or(u32::MAX);
            }
        }
        Periods(ticks)
    }

    /// When the watch ends that begins in the tick `now`.
    pub(crate) fn deadline(&self, watch: Watch, now: Tick) -> Tick {
        Tick(now.0.saturating_add(self.0[watch as usize]))
    }
}

/// The hand that goes round the table.
pub(crate) struct Sweep {
    /// When the next round begins: no later than the earliest deadline.
    due: Tick,
    /// Where the round has got to; `None` between rounds.
    hand: Option<usize>,
}

/// Slots visited in one turn: 4,096 take some ten microseconds.
const SLICE: usize = 4096;
/// From the end of a round to the next, in ticks: under load deadlines move all the time, and
/// rounds that find nothing due must not follow one another.
const REST: u32 = 5;

impl Sweep {
    pub(crate) fn new() -> Sweep {
        Sweep { due: Tick::NEVER, hand: None }
    }

    /// A deadline was set.
    pub(crate) fn note(&mut self, deadline: Tick) {
        self.due = self.due.min(deadline);
    }

    /// When it wants to be looked at again, in milliseconds.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        match self.hand {
            Some(_) => Some(0),
            None if self.due == Tick::NEVER => None,
            None => Some(self.due.millis()),
        }
    }

    /// The slots to visit now, if a round is due, of a table that is `len` slots long. The
    /// caller [`note`](Sweep::note)s the deadlines of those that stay.
    pub(crate) fn slice(&mut self, now: Tick, len: usize) -> std::ops::Range<usize> {
        let start = match self.hand {
            Some(hand) => hand,
            None if self.due <= now => {
                self.due = Tick::NEVER;
                0
            }
            None => return 0..0,
        };
        let end = len.min(start + SLICE);
        self.hand = (end < len).then_some(end);
        start.min(end)..end
    }

    /// The slice was broken off at slot `key`: the next turn goes on there.
    pub(crate) fn break_off(&mut self, key: usize) {
        self.hand = Some(key);
    }

    /// The slots of the slice have been visited.
    pub(crate) fn visited(&mut self, now: Tick) {
        if self.hand.is_none() && self.due != Tick::NEVER {
            self.due = self.due.max(Tick(now.0.saturating_add(REST)));
        }
    }
}

impl Sweep {
    /// Whether the deadline of slot `key` will be looked at in time.
    #[cfg(debug_assertions)]
    pub(crate) fn covers(&self, deadline: Tick, key: usize, now: Tick) -> bool {
        let ahead = self.hand.is_some_and(|hand| hand <= key);
        ahead || self.due.0 <= deadline.max(now).0.saturating_add(REST)
    }
}
