//! The time of a turn, for all code except the clock.

use std::time::Duration;

/// The time at which a turn began. All events of one turn have the same time.
///
/// Deadlines use `elapsed`, which never jumps. `unix_seconds` is for showing the date and time.
///
/// ```
/// use socketserver::Now;
/// use std::time::Duration;
///
/// let now = Now::new(Duration::from_millis(1500), 784_111_777);
/// assert_eq!(now.elapsed(), Duration::from_millis(1500));
/// assert_eq!(now.unix_seconds(), 784_111_777);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Since the server started. 64 bits last for 584 years and take less arithmetic than a
    /// `Duration`.
    nanos: u64,
    unix_seconds: u64,
}

impl Now {
    /// A moment `elapsed` after the server started, `unix_seconds` after 1970 by the wall clock.
    #[must_use]
    pub fn new(elapsed: Duration, unix_seconds: u64) -> Now {
        Now::from_nanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX), unix_seconds)
    }

    #[inline(always)]
    pub(crate) fn from_nanos(nanos: u64, unix_seconds: u64) -> Now {
        Now { nanos, unix_seconds }
    }

    /// Time since the server started; never goes backwards.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// The wall clock, in seconds since 1970. At most a second old, and it may jump.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.unix_seconds
    }

    /// Returns [`elapsed`](Now::elapsed) in nanoseconds.
    #[inline(always)]
    pub(crate) fn nanos(self) -> u64 {
        self.nanos
    }

    /// Returns [`elapsed`](Now::elapsed) in whole milliseconds, rounded down.
    #[inline(always)]
    pub(crate) fn millis(self) -> u64 {
        self.nanos / NANOS_PER_MS
    }
}

/// The nanoseconds in a millisecond.
pub(crate) const NANOS_PER_MS: u64 = 1_000_000;

/// Returns `duration` in milliseconds, rounded up: a timer may be late, never early.
pub(crate) fn millis(duration: Duration) -> u64 {
    let whole = duration.as_millis();
    let up = whole + u128::from(!duration.subsec_nanos().is_multiple_of(1_000_000));
    u64::try_from(up).unwrap_or(u64::MAX)
}

/// Returns when an interval that was due at `at_ms` is due again: the first multiple of its period
/// after `now_ms`. So the calls do not drift, and those that were missed are skipped.
pub(crate) fn next_due_ms(at_ms: u64, period_ms: u64, now_ms: u64) -> u64 {
    let missed = now_ms.saturating_sub(at_ms) / period_ms.max(1);
    period_ms.max(1).saturating_mul(missed + 1).saturating_add(at_ms)
}
