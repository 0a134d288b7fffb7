//! The timers handlers asked for: at most one a connection, exact to the millisecond.

use std::collections::{BTreeSet, HashMap};

use crate::id::Id;

/// A sorted set of (time, connection), and where in it a connection stands. Connections without
/// a timer cost nothing; moving or dropping one leaves nothing behind.
#[derive(Default)]
pub(in crate::hub) struct Timers {
    by_time: BTreeSet<(u64, Id)>,
    by_id: HashMap<Id, u64>,
}

impl Timers {
    pub(in crate::hub) fn set(&mut self, id: Id, at_ms: u64) {
        if let Some(old) = self.by_id.insert(id, at_ms) {
            self.by_time.remove(&(old, id));
        }
        self.by_time.insert((at_ms, id));
    }

    pub(in crate::hub) fn cancel(&mut self, id: Id) {
        if let Some(at_ms) = self.by_id.remove(&id) {
            self.by_time.remove(&(at_ms, id));
        }
    }

    #[inline(always)]
    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    pub(in crate::hub) fn next_ms(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes one timer that is due.
    pub(in crate::hub) fn pop(&mut self, now_ms: u64) -> Option<Id> {
        let &(at_ms, id) = self.by_time.first()?;
        if at_ms > now_ms {
            return None;
        }
        self.by_time.pop_first();
        self.by_id.remove(&id);
        Some(id)
    }

    #[cfg(debug_assertions)]
    pub(in crate::hub) fn len(&self) -> usize {
        debug_assert_eq!(self.by_time.len(), self.by_id.len());
        self.by_time.len()
    }
}
