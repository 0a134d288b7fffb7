//! Limits log lines about a problem that may recur with every connection. Knows no log and no
//! clock.

/// The time from one line to the next, in milliseconds.
const QUIET_MS: u64 = 10_000;

/// Allows one line, and no other for ten seconds.
#[derive(Default)]
pub(crate) struct LogThrottle {
    quiet_until_ms: u64,
}

impl LogThrottle {
    /// Returns true if a line may be logged now, and counts it as logged.
    pub(crate) fn allows(&mut self, now_ms: u64) -> bool {
        let is_allowed = self.quiet_until_ms <= now_ms;
        if is_allowed {
            self.quiet_until_ms = now_ms + QUIET_MS;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_let_through_in_ten_seconds() {
        let mut throttle = LogThrottle::default();
        let times_ms = [0, 1, 9_999, 10_000, 10_001, 19_999, 25_000, 34_999, 35_000];
        let logged = times_ms.map(|now_ms| throttle.allows(now_ms));
        assert_eq!(logged, [true, false, false, true, false, false, true, false, true]);
    }
}
