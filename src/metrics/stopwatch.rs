//! How long the calls of a turn hold the loop. Is handed the clock; does not know the calls.

use std::fmt;
use std::time::Duration;

use crate::clock::Elapsed;
use crate::log_throttle::LogThrottle;
use crate::metrics::counters::Counters;
use crate::now::NANOS_PER_MS;

/// Times what holds the loop, with one look at the clock for each lap: where one ends the next one
/// begins.
///
/// As long as nothing is slow, all calls of a turn are one lap, so that a look is shared by all who
/// are served in it. After a slow lap each call is one for a while, which finds out whose it is.
#[derive(Default)]
pub(crate) struct Stopwatch {
    /// `None`: nothing is timed.
    elapsed: Option<Elapsed>,
    // All of these in nanoseconds since the clock's start: one look a turn is not free.
    /// What is longer is slow.
    limit: u64,
    /// When the lap began.
    since: u64,
    longest: u64,
    /// Each call is timed, until that time.
    is_alarmed: bool,
    alarmed_until: u64,
    /// A handler may be slow with every call.
    log_throttle: LogThrottle,
    untold: u64,
}

/// A lap that was longer than the limit, and is to be told.
pub(crate) struct Slow {
    held: Duration,
    /// How many were not told before it.
    untold: u64,
}

/// How long each call is timed after a slow lap.
const ALARM_NANOS: u64 = 60_000 * NANOS_PER_MS;

impl Stopwatch {
    pub(crate) fn new(elapsed: Option<Elapsed>, limit: Option<Duration>) -> Stopwatch {
        let elapsed = elapsed.filter(|_| limit.is_some());
        let limit = limit.unwrap_or_default().as_nanos();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        Stopwatch { elapsed, limit, ..Stopwatch::default() }
    }

    /// A turn begins, and with it a lap; `at` is in nanoseconds.
    #[inline(always)]
    pub(crate) fn start(&mut self, at: u64) {
        self.since = at;
        self.is_alarmed = at < self.alarmed_until;
    }

    /// Whether each call is a lap.
    #[inline(always)]
    pub(crate) fn is_alarmed(&self) -> bool {
        self.is_alarmed
    }

    /// A lap ends, and the next one begins.
    #[inline]
    pub(crate) fn lap(&mut self, counters: &Counters) -> Option<Slow> {
        let elapsed = self.elapsed?.nanos();
        let held = elapsed.saturating_sub(self.since);
        self.since = elapsed;
        if held > self.longest { self.note_long(held, counters) } else { None }
    }

    /// The longest lap so far, or one that is slow: with each of those the bar is set anew, so
    /// that an ordinary lap is held against one number.
    #[cold]
    fn note_long(&mut self, held: u64, counters: &Counters) -> Option<Slow> {
        let is_slow = held > self.limit;
        counters.longest_call.note(Duration::from_nanos(held));
        // What is slow is told each time.
        self.longest = held.min(self.limit);
        if is_slow { self.note_slow(held, counters) } else { None }
    }

    #[cold]
    fn note_slow(&mut self, held: u64, counters: &Counters) -> Option<Slow> {
        counters.slow_calls.add(1);
        self.alarmed_until = self.since + ALARM_NANOS;
        // The first line says that something is slow, the next one what it is.
        let is_first = !std::mem::replace(&mut self.is_alarmed, true);
        if !is_first && !self.log_throttle.allows(self.since / NANOS_PER_MS) {
            self.untold += 1;
            return None;
        }
        let held = Duration::from_nanos(held);
        Some(Slow { held, untold: std::mem::take(&mut self.untold) })
    }

    /// A worker had a call for so long: nobody else has waited for that.
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
