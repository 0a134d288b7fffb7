//! Deadlines of connections: four bytes each, and a sweep over the table.
//!
//! Every connection has at most one deadline, in ticks, in its own slot; setting it is one store.
//! Nothing is sorted. Instead a sweep visits a bounded number of slots per turn, in order, and
//! starts its next round when the earliest deadline that it saw, or that was set since, is due.
//! (Redis' `clientsCron` works like this.) A deadline is met within a second.

use crate::now::Now;

/// Time in tenths of a second since the server started, for up to 13 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hub) struct Tick(pub(super) u32);

pub(super) const TICK_MS: u64 = 100;

// The memory of a deadline in each connection.
const _: () = assert!(size_of::<Tick>() == 4);

impl Tick {
    pub(in crate::hub) const NEVER: Tick = Tick(u32::MAX);

    #[inline(always)]
    pub(in crate::hub) fn at(now: Now) -> Tick {
        Tick(u32::try_from(now.millis() / TICK_MS).unwrap_or(u32::MAX - 1))
    }

    pub(in crate::hub) fn at_start() -> Tick {
        Tick(0)
    }

    pub(in crate::hub) fn millis(self) -> u64 {
        u64::from(self.0) * TICK_MS
    }
}

/// The position of the sweep in the table.
pub(in crate::hub) struct Sweep {
    /// The start of the next round: no later than the earliest deadline.
    due: Tick,
    /// The next slot of the round; `None` between rounds.
    hand: Option<usize>,
}

/// Slots visited in one turn: 4,096 take about ten microseconds.
const SLICE: usize = 4096;
/// The pause between rounds, in ticks: under load deadlines move all the time, and rounds without
/// a due deadline must not follow each other at once.
const REST: u32 = 5;

impl Sweep {
    pub(in crate::hub) fn new() -> Sweep {
        Sweep { due: Tick::NEVER, hand: None }
    }

    /// Notes a deadline that was set.
    #[inline(always)]
    pub(in crate::hub) fn note(&mut self, deadline: Tick) {
        self.due = Tick(self.due.0.min(deadline.0));
    }

    /// Returns the time of the next visit, in milliseconds.
    pub(in crate::hub) fn next_ms(&self) -> Option<u64> {
        match self.hand {
            Some(_) => Some(0),
            None if self.due == Tick::NEVER => None,
            None => Some(self.due.millis()),
        }
    }

    /// Returns true if there are slots to visit now.
    #[inline(always)]
    pub(in crate::hub) fn is_due(&self, now: Tick) -> bool {
        self.hand.is_some() || self.due.0 <= now.0
    }

    /// Returns the slots to visit now, if a round is due, in a table of `len` slots. The caller
    /// [`note`](Sweep::note)s the deadlines of connections that stay.
    pub(in crate::hub) fn slice(&mut self, now: Tick, len: usize) -> std::ops::Range<usize> {
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

    /// Ends the slice early, at slot `key`: the next turn continues there.
    pub(in crate::hub) fn break_off(&mut self, key: usize) {
        self.hand = Some(key);
    }

    /// Ends the slice after all its slots.
    pub(in crate::hub) fn visited(&mut self, now: Tick) {
        if self.hand.is_none() && self.due != Tick::NEVER {
            self.due = self.due.max(Tick(now.0.saturating_add(REST)));
        }
    }
}

impl Sweep {
    /// Returns true if the deadline of slot `key` will be checked in time.
    #[cfg(debug_assertions)]
    pub(in crate::hub) fn covers(&self, deadline: Tick, key: usize, now: Tick) -> bool {
        let ahead = self.hand.is_some_and(|hand| hand <= key);
        ahead || self.due.0 <= deadline.max(now).0.saturating_add(REST)
    }
}
