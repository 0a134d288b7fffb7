//! What must hold after every turn. Checked in debug builds; a breach is a bug of the hub, and
//! no input of a peer may cause one.

use std::collections::HashMap;

use super::connection::{Connection, Link};
use super::topics::Memberships;
use super::transport::Transport;
use super::{Hub, marks};
use crate::id::Id;

impl<T: Transport> Hub<T> {
    pub(super) fn check_invariants(&self) {
        assert!(self.ended.is_empty(), "closed connections leave with the turn");
        assert!(self.desk.record.out.is_empty(), "output belongs to a connection");
        assert!(
            self.desk.record.effects.is_empty() && self.desk.outward.is_empty(),
            "wishes are applied"
        );
        let mut queued = 0;
        let mut timed = 0;
        for (key, connection) in &self.table {
            let id = Id::new(key as u32, connection.generation);
            let has = |mark| connection.marks.has(mark);
            queued += usize::from(has(marks::QUEUED));
            timed += usize::from(has(marks::TIMED));
            assert_eq!(
                has(marks::JOINED),
                self.topics.memberships(id) != Memberships::None,
                "{id}: is a member and does not know it, or the other way round"
            );
            if has(marks::AWAY) && connection.link == Link::Closed {
                // It only waits for its handler, to tell it so.
                continue;
            }
            self.check_connection(id, connection);
            assert!(
                self.sweep.covers(connection.deadline, key, self.desk.tick),
                "{id}: its deadline is forgotten"
            );
        }
        self.topics.check();
        self.check_holds();
        assert_eq!(
            queued,
            self.ready.iter().chain(&self.unfinished).filter(|id| self.is_here(**id)).count(),
            "each queued connection is in one of the queues once"
        );
        assert_eq!(timed, self.timers.len(), "each timer has its connection");
    }

    fn check_connection(&self, id: Id, connection: &Connection<T>) {
        let has = |mark| connection.marks.has(mark);
        assert!(connection.link != Link::Closed, "{id}: closed and still in the table");
        assert!(
            has(marks::AWAY) || connection.handler.is_some() == (connection.link < Link::Lingering),
            "{id}: a handler lives exactly as long as its connection is not over"
        );
        let leftovers = connection.leftovers.as_deref();
        assert!(
            leftovers.is_none_or(|leftovers| leftovers.output.counts_right()),
            "{id}: the length of its output is wrong"
        );
        // No lost wake-up: what could go on without a new event is queued for it.
        assert!(
            has(marks::QUEUED) || !connection.wants_turn(&self.desk.limits),
            "{id}: could go on, but nobody will call it"
        );
        // The same, said in other words than those that decide it.
        let is_here = connection.link == Link::Open && !has(marks::AWAY);
        assert!(
            has(marks::QUEUED)
                || !is_here
                || !connection.marks.has_any(marks::NOTED.with(marks::WOKEN)),
            "{id}: was told something, and nobody calls it"
        );
        let limits = &self.desk.limits;
        assert!(
            has(marks::QUEUED)
                || !is_here
                || !has(marks::FULL)
                || connection.output_len() > limits.output_low,
            "{id}: its output has drained, and nobody reads it again"
        );
        assert!(
            !is_here
                || has(marks::FULL)
                || connection.output_len() < limits.output_high
                // Packets count more once they wait.
                || connection.transport.keeps_boundaries(),
            "{id}: has too much output, and is read on"
        );
        assert!(
            !has(marks::FULL) || has(marks::QUEUED) || connection.output_len() > 0 || !is_here,
            "{id}: is full of nothing"
        );
        assert!(
            !has(marks::BLOCKED)
                || connection.output_len() > 0
                || connection.link == Link::Lingering,
            "{id}: blocked with nothing to send"
        );
        assert!(
            has(marks::QUEUED)
                || has(marks::BLOCKED)
                || has(marks::DEFERRED)
                || connection.output_len() == 0
                || connection.link == Link::Lingering,
            "{id}: has something to send, and nobody will"
        );
        assert!(
            !connection.transport.keeps_boundaries()
                || !connection.has_input()
                || has(marks::PAUSED)
                || has(marks::REOFFER),
            "{id}: the next packet would be joined to what is left of one"
        );
    }

    /// Nobody is forgotten: what could be read or written, by what its transport says, is. Holds
    /// whenever all events have been noted and nothing is due.
    pub(crate) fn check_rest(
        &self,
        is_readable: impl Fn(&T) -> bool,
        is_writable: impl Fn(&T) -> bool,
    ) {
        for (key, connection) in &self.table {
            let id = Id::new(key as u32, connection.generation);
            let has = |mark| connection.marks.has(mark);
            assert!(!has(marks::AWAY), "{id}: its handler does not come back");
            let is_read = match connection.link {
                Link::Open => !connection.marks.has_any(marks::HALTED.with(marks::FULL)),
                Link::Closing | Link::Closed => false,
                Link::Lingering => true,
            };
            assert!(
                !is_read || !is_readable(&connection.transport),
                "{id}: has input, and nobody looks at it"
            );
            assert!(
                connection.link == Link::Lingering
                    || connection.output_len() == 0
                    || !is_writable(&connection.transport),
                "{id}: has output and room for it, and nobody writes it"
            );
        }
    }

    /// Who is held will be let go as often as it is held, and nobody else is.
    fn check_holds(&self) {
        let awaiting = self.table.iter().filter_map(|(_, c)| c.leftovers.as_deref());
        let awaiting = awaiting.flat_map(|leftovers| leftovers.awaiting.iter().copied());
        let mut held: HashMap<Id, usize> = HashMap::new();
        for id in self.topics.held().chain(self.siblings.held()).chain(awaiting) {
            *held.entry(id).or_default() += 1;
        }
        for (key, connection) in self.table.iter().filter(|(_, c)| c.link == Link::Open) {
            let id = Id::new(key as u32, connection.generation);
            let holds = connection.leftovers.as_ref().map_or(0, |leftovers| leftovers.holds);
            assert_eq!(holds, held.get(&id).copied().unwrap_or(0), "{id}: is held so often");
            assert_eq!(holds > 0, connection.marks.has(marks::HELD), "{id}: does not know it");
        }
    }

    fn is_here(&self, id: Id) -> bool {
        let at = self.table.get(id.index());
        at.is_some_and(|connection| connection.generation == id.generation())
    }
}
