//! The state shared by all connections during a turn: the limits, the time, the effects recorded by
//! the current handler, and pending actions. Must not know connections.

use std::collections::VecDeque;
use std::sync::Arc;

use super::budgets::Budgets;
use super::time::sweep::Tick;
use super::time::timeout::{Periods, Progress};
use crate::exec::{Departure, Executor, Task};
use crate::handler::effect::{Effect, Record};
use crate::handler::notification::Notification;
use crate::id::{Id, Shard};
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::metrics::stopwatch::Stopwatch;
use crate::now::Now;

/// The capacity that the shared output buffers keep after a huge reply.
pub(super) const OUT_KEPT: usize = 1024 * 1024;
/// The number of records kept for jobs, and the most output capacity of one: large buffers would
/// add up to megabytes.
const SPARE_RECORDS: usize = 64;
const SPARE_OUT: usize = 4 * 1024;

/// The state shared by all connections during a turn.
pub(super) struct Turn {
    pub(super) config: Config,
    pub(super) tick: Tick,
    /// The output and the effects of the current handler, until they are sent, queued and applied.
    /// Empty between connections.
    pub(super) record: Record,
    pub(super) pending: Pending,
    pub(super) meter: Meter,
    /// Records for jobs of workers.
    spare: Vec<Record>,
}

/// Settings that do not change while the server runs.
pub(super) struct Config {
    pub(super) limits: Limits,
    pub(super) budgets: Budgets,
    pub(super) periods: Periods,
    pub(super) executor: Executor,
    pub(super) shard: Shard,
    /// Lets ordinary connections take the ordinary path through a pass. It affects only the cost.
    pub(super) takes_ordinary_path: bool,
}

impl Turn {
    pub(super) fn new(
        limits: Limits,
        budgets: Budgets,
        executor: Executor,
        shard: Shard,
        counters: Counters,
        stopwatch: Stopwatch,
    ) -> Turn {
        let out = Vec::with_capacity(limits.output_high.min(OUT_KEPT));
        let takes_ordinary_path = executor == Executor::Inline;
        Turn {
            config: Config {
                periods: Periods::new(&limits),
                limits,
                budgets,
                executor,
                shard,
                takes_ordinary_path,
            },
            tick: Tick::at(Now::default()),
            record: Record {
                out,
                #[cfg(feature = "http")]
                watch: stopwatch.watch(),
                ..Record::default()
            },
            pending: Pending::default(),
            meter: Meter { progress: Progress::NONE, counters, stopwatch },
            spare: Vec::new(),
        }
    }

    /// Updates the wall clock if calls have blocked earlier in the turn.
    #[inline(always)]
    pub(super) fn renew(&mut self) {
        self.record.now = self.meter.stopwatch.renewed(self.record.now);
    }

    /// Returns an empty record for a job.
    pub(super) fn spare_record(&mut self) -> Record {
        let fresh = || Record {
            notifier: self.record.notifier.clone(),
            #[cfg(feature = "http")]
            watch: self.record.watch,
            ..Record::default()
        };
        let mut record = self.spare.pop().unwrap_or_else(fresh);
        (record.now, record.stopping) = (self.record.now, self.record.stopping);
        (record.room, record.is_held) = (self.record.room, self.record.is_held);
        record.locals.hold(Arc::clone(self.record.locals.current()));
        record
    }

    /// Keeps the allocations of a record for the next job.
    pub(super) fn put_away(&mut self, mut record: Record) {
        if self.spare.len() < SPARE_RECORDS && record.out.capacity() <= SPARE_OUT {
            record.out.clear();
            self.spare.push(record);
        }
    }

    /// Returns the counters and the stopwatch, for calls that belong to no connection.
    #[inline(always)]
    pub(super) fn instruments(&mut self) -> (&Counters, &mut Stopwatch) {
        (&self.meter.counters, &mut self.meter.stopwatch)
    }

    /// See [`Config::takes_ordinary_path`].
    pub(super) fn set_ordinary_path(&mut self, is_taken: bool) {
        self.config.takes_ordinary_path = is_taken && self.config.executor == Executor::Inline;
    }

    /// Takes the tasks for workers.
    pub(super) fn take_tasks(&mut self) -> Vec<Task> {
        let tasks = std::mem::take(&mut self.pending.tasks);
        self.meter.counters.jobs.add(tasks.len() as u64);
        tasks
    }

    /// Takes the connections whose peers have left while they may have tasks with the workers.
    pub(super) fn take_left(&mut self) -> Vec<(Id, Departure)> {
        std::mem::take(&mut self.pending.left)
    }

    /// Ends the turn: publishes the counters, and frees memory used by a huge reply.
    pub(super) fn finish(&mut self) {
        if self.record.out.capacity() > OUT_KEPT {
            self.record.out.shrink_to(self.config.limits.output_high);
        }
        self.meter.counters.turns.add(1);
        self.meter.counters.messages.add(std::mem::take(&mut self.record.messages));
    }
}

/// The actions whose memory is kept between turns, some 64 KiB: 15,000 timers that are due at once
/// need a MiB.
const ACTIONS_KEPT: usize = 1024;

/// Actions on other connections, pending until the handler has returned.
#[derive(Default)]
pub(super) struct Pending {
    actions: VecDeque<(Id, Action)>,
    /// Connections that write nothing in this turn, because their messages must reach other shards
    /// first.
    gated: Vec<Id>,
    /// Tasks for workers, after this turn.
    tasks: Vec<Task>,
    /// Connections whose peers have left, with tasks that no worker may have begun.
    left: Vec<(Id, Departure)>,
}

/// An action by or for a connection.
pub(super) enum Action {
    Effect(Effect),
    /// Release the connection from a list of throttled ones.
    Unthrottle,
    /// Return an undeliverable message to its sender.
    Return {
        to: Id,
        notification: Notification,
    },
    /// End the memberships of a closed connection.
    LeaveTopics,
}

impl Pending {
    #[inline(always)]
    pub(super) fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    pub(super) fn push(&mut self, id: Id, action: Action) {
        self.actions.push_back((id, action));
    }

    pub(super) fn push_effect(&mut self, from: Id, effect: Effect) {
        self.push(from, Action::Effect(effect));
    }

    pub(super) fn unthrottle(&mut self, ids: impl IntoIterator<Item = Id>) {
        self.actions.extend(ids.into_iter().map(|id| (id, Action::Unthrottle)));
    }

    pub(super) fn pop(&mut self) -> Option<(Id, Action)> {
        self.actions.pop_front()
    }

    /// Frees the memory of many actions, once they are done.
    pub(super) fn shrink(&mut self) {
        if self.actions.capacity() > ACTIONS_KEPT {
            self.actions.shrink_to(ACTIONS_KEPT);
        }
    }

    pub(super) fn gate(&mut self, id: Id) {
        self.gated.push(id);
    }

    #[inline(always)]
    pub(super) fn has_gated(&self) -> bool {
        !self.gated.is_empty()
    }

    pub(super) fn take_gated(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.gated)
    }

    pub(super) fn push_task(&mut self, task: Task) {
        self.tasks.push(task);
    }

    /// Notes that the peer has left while tasks of its connection may wait for workers.
    pub(super) fn note_left(&mut self, id: Id, departure: Departure) {
        self.left.push((id, departure));
    }

    #[inline(always)]
    pub(super) fn has_tasks(&self) -> bool {
        !self.tasks.is_empty() || !self.left.is_empty()
    }
}

/// Counts bytes, for the pass of one connection and in total.
pub(super) struct Meter {
    pub(super) progress: Progress,
    pub(super) counters: Counters,
    pub(super) stopwatch: Stopwatch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_huge_answer_is_given_back_and_that_of_others_kept() {
        let (budgets, stopwatch) = (Budgets::default(), Stopwatch::default());
        let counters = Counters::new();
        let limits = Limits::default();
        let mut turn =
            Turn::new(limits, budgets, Executor::Inline, Shard::ONLY, counters, stopwatch);
        for (len, is_kept) in [(OUT_KEPT, true), (3 * OUT_KEPT, false)] {
            turn.record.out = Vec::with_capacity(len);
            turn.finish();
            assert_eq!(turn.record.out.capacity() >= len, is_kept, "{len}");
        }
    }

    #[test]
    fn the_memory_of_many_actions_is_given_back_and_that_of_few_kept() {
        let mut pending = Pending::default();
        for (count, is_kept) in [(ACTIONS_KEPT, true), (4 * ACTIONS_KEPT, false)] {
            pending.actions.reserve_exact(count);
            (0..count).for_each(|_| pending.push(Id::new(0, 1), Action::LeaveTopics));
            while pending.pop().is_some() {}
            let before = pending.actions.capacity();
            pending.shrink();
            assert_eq!(pending.actions.capacity() == before, is_kept, "{count}");
        }
    }
}
