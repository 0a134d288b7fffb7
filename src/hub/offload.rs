//! Work that handlers hand over to workers: one piece a connection at a time, and so many in all.
//! A part of [`Hub`]; runs between two connections, never within one.

use std::collections::VecDeque;

use super::connection::Link;
use super::transport::Transport;
use super::{Hub, lookup, marks};
use crate::close::Close;
use crate::exec::{Errand, Task};
use crate::handler::context::Work;
use crate::id::Id;
use crate::panics;

/// Errands that workers have at once. More wait with their connections, and end with them: who
/// asks for work, hangs up and comes back must not pile it up.
const ERRANDS: usize = 1024;

/// What is with the workers, and who waits for its turn.
#[derive(Default)]
pub(super) struct Errands {
    away: usize,
    waiting: VecDeque<Id>,
}

impl<T: Transport> Hub<T> {
    /// Has a piece of work done, once those before it are.
    pub(super) fn offload(&mut self, id: Id, work: Work) {
        let Some(connection) = lookup(&mut self.table, id).filter(|c| c.link == Link::Open) else {
            panics::drop_quietly(work);
            return;
        };
        if !connection.marks.has(marks::OFFLOADED) {
            connection.marks.set(marks::OFFLOADED);
            self.errands.waiting.push_back(id);
        }
        connection.leftovers().work.push_back(work);
        self.send_errands();
    }

    /// Gives workers what waits, in the order of asking, as far as the bound allows.
    fn send_errands(&mut self) {
        // Those who have gone are not waited for any more.
        if self.errands.waiting.len() > 2 * self.table.len() + ERRANDS {
            let table = &mut self.table;
            self.errands.waiting.retain(|id| lookup(table, *id).is_some());
        }
        while self.errands.away < ERRANDS {
            let Some(id) = self.errands.waiting.pop_front() else { return };
            let leftovers = lookup(&mut self.table, id).and_then(|c| c.leftovers.as_mut());
            if let Some(work) = leftovers.and_then(|leftovers| leftovers.work.pop_front()) {
                self.errands.away += 1;
                self.desk.tasks.push(Task::Errand(Errand::new(id, work)));
            }
        }
    }

    /// A piece of work is done: its handler is told, and the next one begins.
    pub(super) fn finish_work(&mut self, errand: Errand) {
        self.errands.away -= 1;
        let id = errand.id;
        let result = errand.result();
        if result.is_none() {
            self.desk.meter.counters.panics.add(1);
        }
        match (lookup(&mut self.table, id), result) {
            (None, result) => panics::drop_quietly(result),
            (Some(connection), None) => {
                connection.end(Close::Panicked);
                self.queue(id);
            }
            (Some(connection), Some(note)) => {
                let has_more = connection.leftovers.as_ref().is_some_and(|l| !l.work.is_empty());
                if has_more {
                    self.errands.waiting.push_back(id);
                } else {
                    connection.marks.clear(marks::OFFLOADED);
                }
                self.tell(Id::NOBODY, id, note);
            }
        }
        self.send_errands();
    }
}
