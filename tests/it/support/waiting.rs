//! Waits with a deadline: a failure shows the awaited event and the state instead. Knows no server.
#![allow(clippy::disallowed_types, reason = "a wait that may hang needs an end in real time")]

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any step of the tests on a busy machine: it turns a hang into a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

fn now() -> Instant {
    Instant::now()
}

/// Measures real time.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        now() - self.0
    }
}

/// Calls `look` again and again until it succeeds. Its last error is shown in the failure.
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

/// Waits until `value` returns `wanted`.
pub(crate) fn until_equal<T: Debug + PartialEq>(awaited: &str, wanted: T, value: impl Fn() -> T) {
    until(awaited, || match value() {
        is if is == wanted => Ok(()),
        is => Err(is),
    });
}

/// Bounds a loop that makes progress by itself: it counts the rounds and fails if there are too
/// many.
pub(crate) struct Rounds {
    awaited: &'static str,
    left: usize,
}

impl Rounds {
    pub(crate) fn at_most(rounds: usize, awaited: &'static str) -> Rounds {
        Rounds { awaited, left: rounds }
    }

    /// Counts a round; `state` is shown if there have been too many.
    pub(crate) fn count(&mut self, state: impl Debug) {
        assert!(
            self.left > 0,
            "too many rounds, and not yet: {}; instead: {state:?}",
            self.awaited
        );
        self.left -= 1;
    }
}

/// Lets real time pass, in tests about just that.
pub(crate) fn lapse(time: Duration) {
    let (_sender, never) = std::sync::mpsc::channel::<()>();
    let _ = never.recv_timeout(time);
}
