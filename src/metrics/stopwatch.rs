//! How long the calls of a turn hold the loop. Is handed the clock as a function; knows neither the
//! calls nor where the time comes from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::QUIET_MS;
use crate::metrics::counters::Counters;

/// The time since the server's start.
pub(crate) type Elapsed = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Times what holds the loop, with one look at the clock for each lap: where one ends the next one
/// begins.
///
/// As long as nothing is slow, all calls of a turn are one lap, so that a look is shared by all who
/// are served in it. After a slow lap each call is one for a while, which finds out whose it is.
#[derive(Default)]
pub(crate) struct Stopwatch {
    /// `None`: nothing is timed.
    elapsed: Option<Elapsed>,
    /// What is longer is slow.
    limit: Duration,
    /// When the lap began.
    since: Duration,
    longest: Duration,
    /// Each call is timed, until that time.
    is_alarmed: bool,
    alarmed_until: Duration,
    /// Nothing is told before this time: a handler may be slow with every call.
    quiet_until: Duration,
    untold: u64,
}

/// A lap that was longer than the limit, and is to be told.
pub(crate) struct Slow {
    held: Duration,
    /// How many were not told before it.
    untold: u64,
}

/// How long each call is timed after a slow lap.
const ALARM: Duration = Duration::from_secs(60);

impl Stopwatch {
    pub(crate) fn new(elapsed: Elapsed, limit: Option<Duration>) -> Stopwatch {
        let elapsed = limit.is_some().then_some(elapsed);
        Stopwatch { elapsed, limit: limit.unwrap_or_default(), ..Stopwatch::default() }
    }

    /// A turn begins, and with it a lap.
    pub(crate) fn start(&mut self, at: Duration) {
        self.since = at;
        self.is_alarmed = at < self.alarmed_until;
    }

    /// Whether each call is a lap.
    #[inline(always)]
    pub(crate) fn is_alarmed(&self) -> bool {
        self.is_alarmed
    }

    /// A lap ends, and the next one begins.
    pub(crate) fn lap(&mut self, counters: &Counters) -> Option<Slow> {
        let elapsed = self.elapsed.as_ref()?();
        let held = elapsed.saturating_sub(self.since);
        self.since = elapsed;
        if held > self.longest {
            self.longest = held;
            counters.longest_call.note(held);
        }
        if held > self.limit { self.note_slow(held, counters) } else { None }
    }

    #[cold]
    fn note_slow(&mut self, held: Duration, counters: &Counters) -> Option<Slow> {
        counters.slow_calls.add(1);
        self.alarmed_until = self.since + ALARM;
        // The first line says that something is slow, the next one what it is.
        if std::mem::replace(&mut self.is_alarmed, true) {
            if self.since < self.quiet_until {
                self.untold += 1;
                return None;
            }
            self.quiet_until = self.since + Duration::from_millis(QUIET_MS);
        }
        Some(Slow { held, untold: std::mem::take(&mut self.untold) })
    }

    /// A worker had a call for so long: nobody else has waited for that.
    pub(crate) fn note_job(&self, took: Duration, counters: &Counters) {
        if self.elapsed.is_some() && took > self.limit {
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
