//! What all connections work at, one after the other: the limits, the time, what the handler of the
//! moment leaves behind, and what goes from here to others. Knows no connection.

use std::collections::VecDeque;

use super::deadline::{Periods, Tick};
use crate::exec::{Executor, Task};
use crate::handler::context::{Effect, Record};
use crate::id::Home;
use crate::id::Id;
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::metrics::stopwatch::Stopwatch;
use crate::now::Now;

/// The shared buffers of output do not keep more than this of what one huge answer made them.
pub(super) const OUT_KEPT: usize = 1024 * 1024;
/// Records kept for the next jobs, and how much output one may have room for: those that a long
/// answer made large would add up to megabytes.
const SPARE_RECORDS: usize = 64;
const SPARE_OUT: usize = 4 * 1024;

/// What all connections work at, one after the other.
pub(crate) struct Desk {
    pub(super) limits: Limits,
    pub(super) periods: Periods,
    pub(super) tick: Tick,
    /// What the handler writes and wishes, until it is sent, kept and applied. Empty between
    /// connections.
    pub(super) record: Record,
    pub(super) executor: Executor,
    pub(super) home: Home,
    /// Connections whose output waits for what they have for siblings, from this turn.
    pub(super) deferred: Vec<Id>,
    /// What is for the workers after this turn.
    pub(super) tasks: Vec<Task>,
    /// Records that travelling handlers take along.
    spare: Vec<Record>,
    /// Effects on others, for the hub.
    pub(super) outward: VecDeque<(Id, Effect)>,
    pub(super) meter: Meter,
    pub(super) stopwatch: Stopwatch,
}

impl Desk {
    pub(super) fn new(
        limits: Limits,
        executor: Executor,
        home: Home,
        counters: Counters,
        stopwatch: Stopwatch,
    ) -> Desk {
        let out = Vec::with_capacity(limits.output_high.min(OUT_KEPT));
        Desk {
            periods: Periods::new(&limits),
            limits,
            tick: Tick::at(Now::default()),
            record: Record { out, ..Record::default() },
            executor,
            home,
            deferred: Vec::new(),
            tasks: Vec::new(),
            spare: Vec::new(),
            outward: VecDeque::new(),
            meter: Meter { progress: Progress::default(), counters },
            stopwatch,
        }
    }

    /// An empty record for a handler that travels.
    pub(super) fn spare_record(&mut self) -> Record {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps what such a record is made of for the next one.
    pub(super) fn put_away(&mut self, mut record: Record) {
        if self.spare.len() < SPARE_RECORDS && record.out.capacity() <= SPARE_OUT {
            record.out.clear();
            self.spare.push(record);
        }
    }

    /// Gives memory back that one huge answer has taken.
    pub(super) fn shed(&mut self) {
        if self.record.out.capacity() > OUT_KEPT {
            self.record.out.shrink_to(self.limits.output_high);
        }
    }
}

/// What is noted while bytes go through: for the pump of one connection, and for good.
pub(crate) struct Meter {
    pub(super) progress: Progress,
    pub(super) counters: Counters,
}

/// What happened while a connection was pumped: it decides which deadlines start anew.
#[derive(Default)]
pub(crate) struct Progress {
    pub(super) heard: bool,
    pub(super) used: bool,
    pub(super) sent: bool,
    /// Bytes of packets that the handler wrote and nobody has counted against the budget yet.
    pub(super) packed: usize,
}
