//! The number of workers in a pool, and the time to ask the system for a missing thread. Knows no
//! thread and no clock.

use std::io;

use crate::log_throttle::LogThrottle;
use crate::now::Now;

/// The pause before the system is asked for a thread again.
const PAUSE_MS: u64 = 100;

/// How long work may wait for a first worker.
const PATIENCE_MS: u64 = 5_000;

/// The workers of a pool: as many as configured, or as many as the system has threads for.
pub(crate) struct Crew {
    wanted: usize,
    started: usize,
    /// The next time to ask the system.
    retry_ms: u64,
    log_throttle: LogThrottle,
    /// The time since which work has waited without any worker.
    stranded_since_ms: Option<u64>,
}

impl Crew {
    pub(crate) fn new(wanted: usize) -> Crew {
        let log_throttle = LogThrottle::default();
        Crew { wanted, started: 0, retry_ms: 0, log_throttle, stranded_since_ms: None }
    }

    /// Starts the workers when a server starts, by calling `start` with the number of each. A
    /// server with only some of its workers runs, and logs a warning.
    ///
    /// # Errors
    ///
    /// Returns the system's error, with the resource that ran out, if no worker can be started.
    pub(crate) fn start_all(
        &mut self,
        mut start: impl FnMut(usize) -> io::Result<()>,
    ) -> io::Result<()> {
        while self.started < self.wanted {
            match start(self.started) {
                Ok(()) => self.started += 1,
                Err(error) => {
                    let error = self.lack(&error);
                    if self.started == 0 {
                        return Err(error);
                    }
                    log::warn!("{error}; {} do all the work", self.started);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Starts the missing workers while work waits, unless the system was asked a moment ago.
    pub(crate) fn start_missing(
        &mut self,
        now: Now,
        mut start: impl FnMut(usize) -> io::Result<()>,
    ) {
        if now.millis() < self.retry_ms {
            return;
        }
        while self.started < self.wanted {
            match start(self.started) {
                Ok(()) => {
                    self.started += 1;
                    self.stranded_since_ms = None;
                }
                Err(error) => return self.pause(now, &error),
            }
        }
    }

    /// Returns the error to report when the system had no thread for the next worker.
    fn lack(&self, error: &io::Error) -> io::Error {
        no_thread("worker", self.started + 1, self.wanted, error)
    }

    fn pause(&mut self, now: Now, error: &io::Error) {
        if self.log_throttle.allows(now.millis()) {
            let error = self.lack(error);
            match self.started {
                0 => log::warn!("{error}; the work waits"),
                started => log::warn!("{error}; {started} do all the work"),
            }
        }
        self.retry_ms = now.millis() + PAUSE_MS;
        if self.started == 0 {
            self.stranded_since_ms.get_or_insert(now.millis());
        }
    }

    /// Returns true if at least one worker has started.
    pub(crate) fn is_there(&self) -> bool {
        self.started > 0
    }

    /// Returns the next time to ask the system for a worker, if work waits for one. Running workers
    /// take work without it.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        (!self.is_there()).then_some(self.retry_ms)
    }

    /// Returns true if work has waited too long for a first worker and must be given up.
    pub(crate) fn gives_up(&mut self, now: Now) -> bool {
        let has_waited = |since_ms: &u64| since_ms.saturating_add(PATIENCE_MS) <= now.millis();
        self.stranded_since_ms.take_if(|since_ms| has_waited(since_ms)).is_some()
    }
}

/// Returns the system's error for a thread that it refused, with the resource that ran out: the
/// error code alone does not tell.
pub(crate) fn no_thread(what: &str, number: usize, count: usize, error: &io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::WouldBlock => " (threads: ulimit -u, or pids.max of the control group)",
        io::ErrorKind::OutOfMemory => " (memory: ulimit -v)",
        _ => "",
    };
    io::Error::new(error.kind(), format!("cannot start {what} {number} of {count}: {error}{hint}"))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::{Crew, PATIENCE_MS, PAUSE_MS};
    use crate::now::Now;

    const EAGAIN: i32 = if cfg!(target_os = "linux") { 11 } else { 35 };

    fn at(millis: u64) -> Now {
        Now::new(Duration::from_millis(millis), 0)
    }

    /// A system that can start `threads` threads.
    fn system(threads: usize) -> impl FnMut(usize) -> io::Result<()> {
        let mut left = threads;
        move |_| match left.checked_sub(1) {
            Some(less) => {
                left = less;
                Ok(())
            }
            None => Err(io::Error::from_raw_os_error(EAGAIN)),
        }
    }

    #[test]
    fn a_server_starts_with_the_workers_that_it_gets() {
        let mut crew = Crew::new(8);
        crew.start_all(system(2)).unwrap();
        assert!(crew.is_there());
        assert_eq!(crew.retry_ms(), None);
        // The others follow, from the first number that failed.
        let mut numbers = Vec::new();
        crew.start_missing(at(0), |number| {
            numbers.push(number);
            Ok(())
        });
        assert_eq!(numbers, [2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_server_that_gets_no_worker_says_what_was_lacking() {
        let error = Crew::new(8).start_all(system(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let said = error.to_string();
        assert!(said.starts_with("cannot start worker 1 of 8: "), "{said}");
        assert!(said.contains("ulimit -u"), "{said}");
    }

    #[test]
    fn the_system_is_asked_again_after_a_pause_and_not_before() {
        let (mut crew, mut asked) = (Crew::new(1), 0);
        let mut fail = |_| {
            asked += 1;
            Err(io::Error::from_raw_os_error(EAGAIN))
        };
        crew.start_missing(at(1_000), &mut fail);
        assert_eq!(crew.retry_ms(), Some(1_000 + PAUSE_MS));
        crew.start_missing(at(1_000 + PAUSE_MS - 1), &mut fail);
        crew.start_missing(at(1_000 + PAUSE_MS), &mut fail);
        assert_eq!(asked, 2);
        crew.start_missing(at(1_000 + 2 * PAUSE_MS), |_| Ok(()));
        assert_eq!(crew.retry_ms(), None);
    }

    #[test]
    fn work_is_given_up_when_there_was_no_worker_for_long() {
        let mut crew = Crew::new(2);
        assert!(!crew.gives_up(at(PATIENCE_MS)), "nothing has waited yet");
        crew.start_missing(at(1_000), system(0));
        assert!(!crew.gives_up(at(1_000 + PATIENCE_MS - 1)));
        assert!(crew.gives_up(at(1_000 + PATIENCE_MS)));
        assert!(!crew.gives_up(at(1_000 + PATIENCE_MS)), "work that comes then waits as long");
        // One worker is enough: it does all the work in the end.
        crew.start_missing(at(20_000), system(0));
        crew.start_missing(at(20_000 + PAUSE_MS), system(1));
        assert!(!crew.gives_up(at(90_000)));
    }
}
