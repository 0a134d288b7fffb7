//! The timers of handlers: any number per connection, exact to the millisecond.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use crate::id::Id;
use crate::now::next_due_ms;

/// The timers of all connections, by time and by connection and key. Connections without timers use
/// no memory; replacing or cancelling a timer removes it completely.
#[derive(Default)]
pub(in crate::hub) struct TimerQueue {
    by_time: BTreeSet<(u64, Id, u64)>,
    by_key: BTreeMap<(Id, u64), Timer>,
}

#[derive(Clone, Copy)]
struct Timer {
    at_ms: u64,
    /// The period of an interval. Not zero, so that it takes no more room than a number.
    period_ms: Option<NonZeroU64>,
}

/// A timer that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) struct Due {
    pub(in crate::hub) id: Id,
    pub(in crate::hub) key: u64,
    /// The connection has no other timers.
    pub(in crate::hub) is_last: bool,
}

impl TimerQueue {
    /// Sets or replaces a timer. A period of zero is one of a millisecond.
    pub(in crate::hub) fn set(&mut self, id: Id, key: u64, at_ms: u64, period_ms: Option<u64>) {
        let period_ms = period_ms.map(|ms| NonZeroU64::new(ms).unwrap_or(NonZeroU64::MIN));
        if let Some(old) = self.by_key.insert((id, key), Timer { at_ms, period_ms }) {
            self.by_time.remove(&(old.at_ms, id, key));
        }
        self.by_time.insert((at_ms, id, key));
    }

    /// Cancels a timer. Returns true if the connection has others.
    pub(in crate::hub) fn cancel(&mut self, id: Id, key: u64) -> bool {
        if let Some(timer) = self.by_key.remove(&(id, key)) {
            self.by_time.remove(&(timer.at_ms, id, key));
        }
        self.has_any(id)
    }

    /// Cancels all timers of a connection.
    pub(in crate::hub) fn cancel_all(&mut self, id: Id) {
        let keys: Vec<u64> = self.of(id).map(|((_, key), _)| *key).collect();
        for key in keys {
            self.cancel(id, key);
        }
    }

    #[inline(always)]
    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    pub(in crate::hub) fn next_ms(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, ..)| *at_ms)
    }

    /// Takes one due timer. An interval is set again, for its next multiple after `now_ms`.
    pub(in crate::hub) fn pop(&mut self, now_ms: u64) -> Option<Due> {
        let &(at_ms, id, key) = self.by_time.first()?;
        if at_ms > now_ms {
            return None;
        }
        let period_ms = self.by_key.get(&(id, key)).and_then(|timer| timer.period_ms);
        let period_ms = period_ms.map(NonZeroU64::get);
        self.cancel(id, key);
        if let Some(period_ms) = period_ms {
            self.set(id, key, next_due_ms(at_ms, period_ms, now_ms), Some(period_ms));
        }
        Some(Due { id, key, is_last: !self.has_any(id) })
    }

    fn has_any(&self, id: Id) -> bool {
        self.of(id).next().is_some()
    }

    fn of(&self, id: Id) -> impl Iterator<Item = (&(Id, u64), &Timer)> {
        self.by_key.range((id, 0)..=(id, u64::MAX))
    }

    /// Returns the number of connections with timers.
    #[cfg(debug_assertions)]
    pub(in crate::hub) fn connections(&self) -> usize {
        debug_assert_eq!(self.by_time.len(), self.by_key.len());
        let mut ids: Vec<Id> = self.by_key.keys().map(|(id, _)| *id).collect();
        ids.dedup();
        ids.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn id() -> Id {
        Id::new(3, 1)
    }

    fn due(key: u64, is_last: bool) -> Option<Due> {
        Some(Due { id: id(), key, is_last })
    }

    #[test]
    fn an_interval_does_not_drift_and_skips_calls_that_come_too_late() {
        let mut timers = TimerQueue::default();
        timers.set(id(), 7, 100, Some(100));
        assert_eq!(timers.pop(99), None);
        assert_eq!(timers.pop(130), due(7, false));
        assert_eq!(timers.next_ms(), Some(200), "not 230");
        assert_eq!(timers.pop(520), due(7, false));
        assert_eq!(timers.next_ms(), Some(600));
        assert_eq!(timers.pop(520), None);
    }

    #[test]
    fn a_key_has_one_timer_and_each_connection_its_own_keys() {
        let mut timers = TimerQueue::default();
        timers.set(id(), 1, 10, None);
        timers.set(id(), 1, 20, None);
        timers.set(id(), 2, 15, None);
        assert_eq!(timers.pop(10), None);
        assert_eq!(timers.pop(30), due(2, false));
        assert_eq!(timers.pop(30), due(1, true));
        timers.set(id(), 1, 40, None);
        timers.set(id(), 2, 40, Some(5));
        assert!(timers.cancel(id(), 2));
        timers.cancel_all(id());
        assert!(timers.is_empty());
    }
}
