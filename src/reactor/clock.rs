//! The only place that reads a clock.
#![allow(clippy::disallowed_types, reason = "this is the clock that everybody else is handed")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::metrics::stopwatch::Elapsed;
use crate::now::Now;

/// Time as a server sees it: read once a turn, and to time calls.
pub(crate) struct Clock {
    started: Instant,
    /// The wall clock is read only when its second is over. It serves the `Date` of answers and
    /// no deadline, so it may jump.
    unix_seconds: u64,
    unix_until: Duration,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { started: Instant::now(), unix_seconds: 0, unix_until: Duration::ZERO }
    }

    /// The same clock as a function, for those who time calls.
    pub(crate) fn elapsed(&self) -> Elapsed {
        let started = self.started;
        Arc::new(move || started.elapsed())
    }

    pub(crate) fn read(&mut self) -> Now {
        let elapsed = self.started.elapsed();
        if elapsed >= self.unix_until {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.unix_seconds = unix.as_secs();
            let rest = Duration::from_nanos(1_000_000_000 - u64::from(unix.subsec_nanos()));
            self.unix_until = elapsed + rest;
        }
        Now::new(elapsed, self.unix_seconds)
    }
}
