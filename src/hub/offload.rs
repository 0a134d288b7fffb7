//! Which offloaded work workers have, and whose turn is next: one piece a connection at a time,
//! and a bounded number in all. Knows ids; the work itself stays with the connections.

use std::collections::VecDeque;

use crate::id::Id;

/// Pieces of work that workers have at once. More wait with their connections, and end with them:
/// a peer that asks for work, hangs up and comes back must not pile it up.
const AT_WORK_MAX: usize = 1024;

/// The connections that wait for a worker to take their next piece of work.
#[derive(Default)]
pub(super) struct Offloads {
    at_work: usize,
    waiting: VecDeque<Id>,
}

impl Offloads {
    /// The connection has a piece of work for a worker.
    pub(super) fn push(&mut self, id: Id) {
        self.waiting.push_back(id);
    }

    /// Returns the next connection that may give a worker its work, and counts that it does.
    pub(super) fn pop(&mut self) -> Option<Id> {
        if self.at_work >= AT_WORK_MAX {
            return None;
        }
        let id = self.waiting.pop_front()?;
        self.at_work += 1;
        Some(id)
    }

    /// A piece of work is done, or the connection had none.
    pub(super) fn finish(&mut self) {
        self.at_work = self.at_work.saturating_sub(1);
    }

    /// Forgets connections that have gone, once there may be many of them.
    pub(super) fn forget(&mut self, connections: usize, is_here: impl Fn(Id) -> bool) {
        if self.waiting.len() > 2 * connections + AT_WORK_MAX {
            self.waiting.retain(|id| is_here(*id));
        }
    }
}
