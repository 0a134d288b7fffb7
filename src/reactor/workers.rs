//! The workers of a loop: handlers travel to them and back, and so does work that was offloaded.
//! Knows no connection.

use std::io;

use super::core::Core;
use super::part::Part;
use super::system::System;
use crate::accept::PAUSE_MS;
use crate::exec::{Pool, Task};
use crate::limits::QUIET_MS;
use crate::now::Now;
use crate::panics;

pub(super) struct Workers {
    /// From the beginning in [`Mode::Threads`](crate::Mode::Threads), else from the first work
    /// that was offloaded.
    pool: Option<Pool>,
    /// Tasks that wait because the system has no thread for a worker.
    waiting: Vec<Task>,
    /// When to ask it again.
    retry_ms: u64,
    /// That it has none is not logged again before this time.
    quiet_until_ms: u64,
}

impl Workers {
    /// Without workers, until they are needed.
    pub(super) fn new() -> Workers {
        Workers { pool: None, waiting: Vec::new(), retry_ms: 0, quiet_until_ms: 0 }
    }

    /// With `count` workers.
    ///
    /// # Errors
    ///
    /// The system's, if it has no threads for all of them.
    pub(super) fn start<S: System>(count: usize, system: &S, timed: bool) -> io::Result<Workers> {
        let pool = pool(system, timed);
        for number in 0..count {
            system.start_worker(number, pool.worker())?;
        }
        Ok(Workers { pool: Some(pool), ..Workers::new() })
    }

    /// Gives the tasks to the workers, which are started if there are none. A system without a
    /// thread may have one later: until then the tasks wait, and all else goes on.
    fn submit<S: System>(&mut self, core: &Core<S>) {
        if self.waiting.is_empty() {
            return;
        }
        if self.pool.is_none() {
            match start_some(core) {
                Ok(pool) => self.pool = Some(pool),
                Err(error) => self.pause(&error, core.now),
            }
        }
        if let Some(pool) = &self.pool {
            pool.submit(std::mem::take(&mut self.waiting));
        }
    }

    fn pause(&mut self, error: &io::Error, now: Now) {
        if self.quiet_until_ms <= now.millis() {
            log::warn!("offloaded work waits: no thread for a worker: {error}");
            self.quiet_until_ms = now.millis() + QUIET_MS;
        }
        self.retry_ms = now.millis() + PAUSE_MS;
    }
}

fn pool<S: System>(system: &S, timed: bool) -> Pool {
    let elapsed = if timed { system.elapsed() } else { None };
    Pool::new(elapsed, system.remote().bell())
}

/// A pool for offloaded work, with as many workers as the system has threads for.
fn start_some<S: System>(core: &Core<S>) -> io::Result<Pool> {
    let pool = pool(&core.system, core.limits.slow_call.is_some());
    for number in 0..core.limits.offload_workers {
        match core.system.start_worker(number, pool.worker()) {
            Ok(()) => {}
            Err(error) if number == 0 => return Err(error),
            Err(error) => {
                log::warn!("only {number} workers for offloaded work: {error}");
                break;
            }
        }
    }
    Ok(pool)
}

impl<S: System> Part<S> for Workers {
    fn turn(&mut self, core: &mut Core<S>) {
        for task in self.pool.iter().flat_map(Pool::take_done) {
            core.hub.take_back(task);
        }
        if self.retry_ms <= core.now.millis() {
            self.submit(core);
        }
    }

    fn take_from_hub(&mut self, core: &mut Core<S>) {
        if core.hub.has_tasks() {
            self.waiting.append(&mut core.hub.take_tasks());
            if self.retry_ms <= core.now.millis() {
                self.submit(core);
            }
        }
    }

    fn due_ms(&mut self, _: &mut Core<S>) -> Option<u64> {
        (!self.waiting.is_empty()).then_some(self.retry_ms)
    }

    /// The connections of all tasks are in the hub.
    fn is_over(&self, _: &Core<S>) -> bool {
        true
    }

    /// Handlers whose task no worker has begun, or that are done, are back in the hub.
    fn abort(&mut self, core: &mut Core<S>) {
        let waiting = std::mem::take(&mut self.waiting);
        let tasks = self.pool.iter().flat_map(|pool| {
            let done = pool.take_done();
            pool.take_back().into_iter().chain(done)
        });
        for task in waiting.into_iter().chain(tasks) {
            match task {
                Task::Job(job) => core.hub.recover(job),
                Task::Errand(errand) => panics::drop_quietly(errand),
            }
        }
    }
}
