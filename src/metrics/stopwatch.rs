//! The time that the calls of a turn hold the loop. Is given the clock; does not know the calls.

use std::fmt;
use std::time::Duration;

use crate::clock::{Elapsed, renewed};
use crate::log_throttle::LogThrottle;
use crate::metrics::counters::Counters;
use crate::now::{NANOS_PER_MS, Now};

/// Measures the time that calls hold the loop. The clock is read once at the end of each lap, which
/// is the beginning of the next one.
///
/// While no lap is slow, all calls of a turn are one lap, so that the connections served in a turn
/// share one reading of the clock. After a slow lap each call is a lap for a while, which finds the
/// slow one.
#[derive(Default)]
pub(crate) struct Stopwatch {
    /// The clock, or `None` if calls are not timed.
    elapsed: Option<Elapsed>,
    #[cfg(feature = "http")]
    watch: Watch,
    // In nanoseconds since the start of the clock, to spare conversions in each turn.
    /// Laps that take longer are slow.
    limit: u64,
    /// The beginning of the current lap.
    since: u64,
    longest: u64,
    /// Each call is a lap until this time.
    is_alarmed: bool,
    alarmed_until: u64,
    /// Limits the log lines: a handler may be slow in every call.
    log_throttle: LogThrottle,
    untold: u64,
}

/// The clock, for a duration within a turn.
#[cfg(feature = "http")]
#[derive(Clone, Copy, Default)]
pub(crate) struct Watch(Option<Elapsed>);

#[cfg(feature = "http")]
impl Watch {
    /// Returns the nanoseconds of [`Now`], read at this moment, and `turn` with the wall clock of
    /// it. Without a clock both are those of `turn`.
    pub(crate) fn read(self, turn: Now) -> (u64, Now) {
        let nanos = self.0.map_or(turn.nanos(), Elapsed::nanos);
        (nanos, renewed(turn, nanos))
    }
}

/// A lap that was longer than the limit, to be logged.
pub(crate) struct Slow {
    held: Duration,
    /// The number of slow laps before it that were not logged.
    untold: u64,
}

/// How long each call stays a lap after a slow one.
const ALARM_NANOS: u64 = 60_000 * NANOS_PER_MS;

impl Stopwatch {
    pub(crate) fn new(elapsed: Option<Elapsed>, limit: Option<Duration>) -> Stopwatch {
        #[cfg(feature = "http")]
        let watch = Watch(elapsed);
        let elapsed = elapsed.filter(|_| limit.is_some());
        let limit = limit.unwrap_or_default().as_nanos();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        Stopwatch {
            elapsed,
            #[cfg(feature = "http")]
            watch,
            limit,
            ..Stopwatch::default()
        }
    }

    #[cfg(feature = "http")]
    pub(crate) fn watch(&self) -> Watch {
        self.watch
    }

    /// Begins a turn, and its first lap, at `at` nanoseconds.
    #[inline(always)]
    pub(crate) fn start(&mut self, at: u64) {
        self.since = at;
        self.is_alarmed = at < self.alarmed_until;
    }

    /// Returns true if each call is a lap.
    #[inline(always)]
    pub(crate) fn is_alarmed(&self) -> bool {
        self.is_alarmed
    }

    /// Ends the lap and begins the next one. Returns the lap if it is slow and to be logged.
    #[inline]
    pub(crate) fn lap(&mut self, counters: &Counters) -> Option<Slow> {
        let elapsed = self.elapsed?.nanos();
        let held = elapsed.saturating_sub(self.since);
        self.since = elapsed;
        if held > self.longest { self.note_long(held, counters) } else { None }
    }

    /// Returns the time of a turn for the calls of the next lap: its wall clock is at most a second
    /// old, although earlier laps have taken longer.
    #[inline(always)]
    pub(crate) fn renewed(&self, turn: Now) -> Now {
        renewed(turn, self.since)
    }

    /// Handles a lap that is slow, or the longest so far. Both raise the same threshold, so that an
    /// ordinary lap is compared with one number.
    #[cold]
    fn note_long(&mut self, held: u64, counters: &Counters) -> Option<Slow> {
        let is_slow = held > self.limit;
        counters.longest_call.note(Duration::from_nanos(held));
        // At most the limit, so that every slow lap comes here.
        self.longest = held.min(self.limit);
        if is_slow { self.note_slow(held, counters) } else { None }
    }

    #[cold]
    fn note_slow(&mut self, held: u64, counters: &Counters) -> Option<Slow> {
        counters.slow_calls.add(1);
        self.alarmed_until = self.since + ALARM_NANOS;
        // The first line reports that a call was slow, the next one which call it was.
        let is_first = !std::mem::replace(&mut self.is_alarmed, true);
        if !is_first && !self.log_throttle.allows(self.since / NANOS_PER_MS) {
            self.untold += 1;
            return None;
        }
        let held = Duration::from_nanos(held);
        Some(Slow { held, untold: std::mem::take(&mut self.untold) })
    }

    /// Counts a call that kept a worker busy for `took`. No other connection waited for it.
    pub(crate) fn note_job(&self, took: Duration, counters: &Counters) {
        if self.elapsed.is_some() && took > Duration::from_nanos(self.limit) {
            counters.slow_jobs.add(1);
        }
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held the loop for {} ms", self.held.as_millis())?;
        match self.untold {
            0 => Ok(()),
            untold => write!(f, ", after {untold} other times that were not logged"),
        }
    }
}
