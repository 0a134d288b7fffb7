//! The only place that reads a clock.
#![allow(clippy::disallowed_types, reason = "this is the clock that everything else is handed")]

#[cfg(not(any(feature = "http", feature = "processes")))]
use std::sync::OnceLock;
#[cfg(not(any(feature = "http", feature = "processes")))]
use std::time::Instant;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::now::Now;

/// The time of a server: read once a turn, and to time calls.
pub(crate) struct Clock {
    elapsed: Elapsed,
    /// The wall clock is read only after its last second is over. It sets the `Date` of answers but
    /// no deadline, so it may jump.
    unix_seconds: u64,
    unix_until_nanos: u64,
}

/// The time since the start of a clock, used to time calls. It holds the reading at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elapsed(u64);

const NANOS_PER_SECOND: u64 = 1_000_000_000;

impl Elapsed {
    /// Returns the nanoseconds since the start with as little arithmetic as possible: a loop calls
    /// it twice a turn.
    #[inline]
    pub(crate) fn nanos(self) -> u64 {
        monotonic().saturating_sub(self.0)
    }
}

/// Returns `turn` with the wall clock of this moment, which is at `nanos`. It is read only if that
/// of the turn may be more than a second old, because a call has blocked.
#[inline]
pub(crate) fn renewed(turn: Now, nanos: u64) -> Now {
    match nanos.saturating_sub(turn.nanos()) < NANOS_PER_SECOND {
        true => turn,
        false => Now::from_nanos(turn.nanos(), unix().as_secs()),
    }
}

#[cold]
fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Reads a clock that never goes backwards, in nanoseconds. The difference of two `Instant`s costs
/// more than a reading.
#[cfg(any(feature = "http", feature = "processes"))]
#[inline]
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // It wraps after 584 years.
    (now.tv_sec as u64).wrapping_mul(NANOS_PER_SECOND).wrapping_add(now.tv_nsec as u64)
}

/// The same without `rustix`.
#[cfg(not(any(feature = "http", feature = "processes")))]
fn monotonic() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    elapsed.as_secs().wrapping_mul(NANOS_PER_SECOND).wrapping_add(elapsed.subsec_nanos().into())
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { elapsed: Elapsed(monotonic()), unix_seconds: 0, unix_until_nanos: 0 }
    }

    pub(crate) fn elapsed(&self) -> Elapsed {
        self.elapsed
    }

    #[inline]
    pub(crate) fn read(&mut self) -> Now {
        let nanos = self.elapsed.nanos();
        if nanos >= self.unix_until_nanos {
            self.read_wall_clock(nanos);
        }
        Now::from_nanos(nanos, self.unix_seconds)
    }

    #[cold]
    fn read_wall_clock(&mut self, now_nanos: u64) {
        let unix = unix();
        self.unix_seconds = unix.as_secs();
        self.unix_until_nanos = now_nanos + NANOS_PER_SECOND - u64::from(unix.subsec_nanos());
    }
}
