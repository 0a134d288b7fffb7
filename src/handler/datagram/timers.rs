//! The timers of a datagram handler. Must not read a clock: the time is passed in.

use std::collections::BTreeMap;

use crate::now::next_due_ms;

/// The timers of one datagram handler, by key. The search is linear, because there are few.
#[derive(Debug, Default)]
pub(crate) struct DatagramTimers(BTreeMap<u64, Timer>);

#[derive(Clone, Copy, Debug)]
struct Timer {
    at_ms: u64,
    /// Of an interval.
    period_ms: Option<u64>,
}

impl DatagramTimers {
    pub(crate) fn set(&mut self, key: u64, at_ms: u64, period_ms: Option<u64>) {
        self.0.insert(key, Timer { at_ms, period_ms });
    }

    pub(crate) fn cancel(&mut self, key: u64) {
        self.0.remove(&key);
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.0.values().map(|timer| timer.at_ms).min()
    }

    /// Takes the key of the timer that has been due for longest. An interval is set again, for its
    /// first multiple after `now_ms`.
    pub(crate) fn pop(&mut self, now_ms: u64) -> Option<u64> {
        let (&key, &timer) = self.0.iter().min_by_key(|(_, timer)| timer.at_ms)?;
        if timer.at_ms > now_ms {
            return None;
        }
        match timer.period_ms {
            Some(period_ms) => {
                let at_ms = next_due_ms(timer.at_ms, period_ms, now_ms);
                self.0.insert(key, Timer { at_ms, ..timer });
            }
            None => {
                self.0.remove(&key);
            }
        }
        Some(key)
    }
}
