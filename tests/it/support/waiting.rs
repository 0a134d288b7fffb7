//! Waits that end: each says what it waited for and what had come instead. Knows no server.
#![allow(clippy::disallowed_types, reason = "a wait that may hang needs an end in real time")]

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes on the busiest machine: it turns a hang into a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

fn now() -> Instant {
    Instant::now()
}

/// Measures how long something takes in real time.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        now() - self.0
    }
}

/// Looks again and again until `look` gives something. Until then it gives what there is instead,
/// which the failure tells.
pub(crate) fn until<T, E: Debug>(awaited: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    let watch = Stopwatch::start();
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) if watch.elapsed() > PATIENCE => {
                panic!("after {PATIENCE:?} not yet: {awaited}; instead: {instead:?}")
            }
            Err(_) => thread::yield_now(),
        }
    }
}

/// Waits until `value` gives `wanted`.
pub(crate) fn until_equal<T: Debug + PartialEq>(awaited: &str, wanted: T, value: impl Fn() -> T) {
    until(awaited, || match value() {
        is if is == wanted => Ok(()),
        is => Err(is),
    });
}

/// Bounds a loop that makes progress by itself: each round is counted, and one too many fails.
pub(crate) struct Rounds {
    awaited: &'static str,
    left: usize,
}

impl Rounds {
    pub(crate) fn at_most(rounds: usize, awaited: &'static str) -> Rounds {
        Rounds { awaited, left: rounds }
    }

    /// Counts a round; `state` is told if there have been too many.
    pub(crate) fn count(&mut self, state: impl Debug) {
        assert!(
            self.left > 0,
            "too many rounds, and not yet: {}; instead: {state:?}",
            self.awaited
        );
        self.left -= 1;
    }
}

/// Lets real time pass, where that is what a test is about.
pub(crate) fn lapse(time: Duration) {
    let (_sender, never) = std::sync::mpsc::channel::<()>();
    let _ = never.recv_timeout(time);
}
