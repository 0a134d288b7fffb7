//! The periodic tasks of a server, and their schedule. Must not know connections or a clock.

use super::turn::{Meter, Turn};
use crate::handler::task::{PeriodicTask, TaskContext};
use crate::id::Id;
use crate::now::next_due_ms;
use crate::panics;

/// The periodic tasks. A task that panics does not run again.
#[derive(Default)]
pub(super) struct Tasks {
    tasks: Vec<Periodic>,
    /// The time of the next call.
    due_ms: Option<u64>,
}

struct Periodic {
    task: PeriodicTask,
    period_ms: u64,
    at_ms: u64,
}

impl Tasks {
    /// Runs a task every `period_ms`, for the first time a period after `now_ms`.
    pub(super) fn add(&mut self, period_ms: u64, task: PeriodicTask, now_ms: u64) {
        let period_ms = period_ms.max(1);
        self.tasks.push(Periodic { task, period_ms, at_ms: now_ms.saturating_add(period_ms) });
        self.due_ms = self.tasks.iter().map(|task| task.at_ms).min();
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    #[inline(always)]
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.due_ms.is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// Runs each due task once.
    #[cold]
    pub(super) fn run(&mut self, turn: &mut Turn) {
        let Turn { record, pending, meter: Meter { counters, stopwatch, .. }, .. } = turn;
        let now_ms = record.now.millis();
        self.tasks.retain_mut(|periodic| {
            if periodic.at_ms > now_ms {
                return true;
            }
            periodic.at_ms = next_due_ms(periodic.at_ms, periodic.period_ms, now_ms);
            counters.calls.add(1);
            record.now = stopwatch.renewed(record.now);
            let result = panics::catch(|| (periodic.task)(&mut TaskContext::new(record)));
            if let Some(slow) = stopwatch.lap(counters) {
                log::warn!("periodic task {slow}");
            }
            if let Err(said) = &result {
                counters.panics.add(1);
                log::error!("periodic task panicked and will not run again: {said}");
            }
            result.is_ok()
        });
        for effect in record.effects.drain(..) {
            pending.push_effect(Id::NOBODY, effect);
        }
        self.due_ms = self.tasks.iter().map(|task| task.at_ms).min();
    }
}
