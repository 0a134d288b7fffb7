//! The workers of a loop: handlers and offloaded work move to them and back. Must not know
//! connections.

use std::io;

use super::core::Core;
use super::part::Part;
use super::system::System;
use crate::exec::{Departure, Pool, Sorted, Task};
use crate::id::Id;
use crate::panics;

pub(super) struct Workers {
    pool: Pool,
}

impl Workers {
    /// Creates `count` workers for offloaded work, which are started on demand.
    pub(super) fn on_demand<S: System>(count: usize, system: &S, timed: bool) -> Workers {
        let elapsed = if timed { system.elapsed() } else { None };
        Workers { pool: Pool::new(count, elapsed, system.handle().bell()) }
    }

    /// Creates and starts `count` workers, for handlers as well.
    ///
    /// # Errors
    ///
    /// The system's error, if it cannot start any of them.
    pub(super) fn start<S: System>(count: usize, system: &S, timed: bool) -> io::Result<Workers> {
        let mut workers = Workers::on_demand(count, system, timed);
        workers.pool.start(|number, worker| system.start_worker(number, worker))?;
        Ok(workers)
    }

    /// Lets the tasks of others go before those of peers that have left.
    fn sort<S: System>(&self, left: &[(Id, Departure)], core: &mut Core<S>) {
        let Sorted { withdrawn, postponed } = self.pool.sort(left);
        for task in withdrawn {
            core.hub.take_back(task);
        }
        core.hub.note_postponed(postponed);
    }

    /// Starts the missing workers. If the system cannot start a thread now, the tasks wait for a
    /// later try, without blocking the rest.
    fn start_missing<S: System>(&mut self, core: &mut Core<S>) {
        let start = |number, worker| core.system.start_worker(number, worker);
        for task in self.pool.start_missing(core.now, start) {
            core.hub.take_back(task);
        }
    }
}

impl<S: System> Part<S> for Workers {
    fn turn(&mut self, core: &mut Core<S>) {
        for task in self.pool.take_done() {
            core.hub.take_back(task);
        }
        if self.pool.retry_ms().is_some() {
            self.start_missing(core);
        }
    }

    fn take_from_hub(&mut self, core: &mut Core<S>) {
        if !core.hub.has_tasks() {
            return;
        }
        // The work that gets room by sorting may have to be sorted itself.
        while core.hub.has_tasks() {
            self.pool.submit(core.hub.take_tasks());
            let left = core.hub.take_left();
            if !left.is_empty() {
                self.sort(&left, core);
            }
        }
        self.start_missing(core);
    }

    fn due_ms(&mut self, _: &mut Core<S>) -> Option<u64> {
        self.pool.retry_ms()
    }

    /// The connections of all tasks are counted by the hub.
    fn is_over(&self, _: &Core<S>) -> bool {
        true
    }

    /// Returns the handlers of queued and finished tasks to the hub.
    fn abort(&mut self, core: &mut Core<S>) {
        let done = self.pool.take_done();
        for task in self.pool.take_back().into_iter().chain(done) {
            match task {
                Task::Job(job) => core.hub.recover(job),
                Task::Offloaded(offloaded) => panics::drop_quietly(offloaded),
            }
        }
    }
}
