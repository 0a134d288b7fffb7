//! The pace of one member: a burst of lines, and then a line in each interval. Computes times; must
//! not know what is done while the member waits.

use std::time::Duration;

/// A line of more bytes than this counts as several lines.
pub(super) const LINE_BYTES: usize = 512;

/// How often a member may send a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    interval: Duration,
    /// The time that the lines of a burst stand for, but for the last of them.
    credit: Duration,
}

/// The lines of one member, counted by a [`Rate`].
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    /// The time by which the lines so far would have been sent one in each interval.
    paid_until: Duration,
}

impl Rate {
    pub(super) const fn new(burst: u32, interval: Duration) -> Rate {
        Rate { interval, credit: interval.saturating_mul(burst.saturating_sub(1)) }
    }
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Pace {
        Pace { rate, paid_until: Duration::ZERO }
    }

    /// Counts a line of `len` bytes at the time `now`. Returns the time to wait before the next.
    pub(super) fn count(&mut self, len: usize, now: Duration) -> Duration {
        let lines = u32::try_from(len.div_ceil(LINE_BYTES).max(1)).unwrap_or(u32::MAX);
        let price = self.rate.interval.saturating_mul(lines);
        self.paid_until = self.paid_until.max(now).saturating_add(price);
        self.paid_until.saturating_sub(now.saturating_add(self.rate.credit))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pace, Rate};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_followed_by_a_line_per_interval() {
        let mut pace = Pace::new(Rate::new(3, SECOND));
        let start = 50 * SECOND;
        assert_eq!(pace.count(5, start), Duration::ZERO);
        assert_eq!(pace.count(0, start), Duration::ZERO);
        assert_eq!(pace.count(512, start), SECOND);
        assert_eq!(pace.count(5, start + SECOND), SECOND);
        // Silence restores the burst, and no more.
        let later = start + 1000 * SECOND;
        assert_eq!(pace.count(5, later), Duration::ZERO);
        assert_eq!(pace.count(513, later), SECOND);
    }

    #[test]
    fn an_interval_of_zero_sets_no_limit_and_the_largest_values_are_harmless() {
        let mut pace = Pace::new(Rate::new(0, Duration::ZERO));
        assert_eq!(pace.count(usize::MAX, Duration::MAX), Duration::ZERO);
        let mut pace = Pace::new(Rate::new(u32::MAX, Duration::MAX));
        assert_eq!(pace.count(usize::MAX, SECOND), Duration::ZERO);
    }
}
