//! Who is not read for now, because others cannot take what it sends: a publisher to a crowded
//! topic, and who forwards to a full connection. The back-pressure between connections.

use super::connection::{Connection, Link};
use super::siblings::Parcel;
use super::transport::Transport;
use super::{Hub, lookup, marks};
use crate::id::Id;

impl<T: Transport> Hub<T> {
    /// Reads a connection no more until all who hold it have [released](Hub::release) it.
    /// Meanwhile no deadline counts its silence against it.
    ///
    /// Whoever calls this keeps `id` in a list, once more for each call, and releases it as often.
    pub(super) fn hold(&mut self, id: Id) {
        let Some(connection) = lookup(&mut self.table, id) else { return };
        // One that has ended is not read anyway, and has a deadline for that.
        if connection.link == Link::Open {
            connection.leftovers().holds += 1;
            connection.marks.set(marks::HELD);
            connection.renew_watch(&self.desk);
            self.sweep.note(connection.deadline);
        }
    }

    /// Lets those be read again whom nobody else holds.
    pub(super) fn release(&mut self, held: Vec<Id>) {
        for id in held {
            if let Some(sibling) = self.siblings.home.abroad(id) {
                self.post(sibling, Id::NOBODY, Parcel::Release(id));
            } else if lookup(&mut self.table, id).is_some_and(Connection::let_go) {
                self.queue(id);
            }
        }
    }

    /// Lets those go on who forwarded to a connection that takes more now, or never will.
    pub(super) fn release_awaiting(&mut self, id: Id) {
        let Some(connection) = lookup(&mut self.table, id) else { return };
        if connection.link == Link::Open && connection.marks.has(marks::FULL) {
            return;
        }
        connection.marks.clear(marks::AWAITED);
        let awaiting = std::mem::take(&mut connection.leftovers().awaiting);
        self.release(awaiting);
    }
}

impl<T: Transport> Connection<T> {
    /// One of those who hold it does so no more. Tells whether it was the last one.
    fn let_go(&mut self) -> bool {
        if self.link != Link::Open {
            return false;
        }
        let leftovers = self.leftovers();
        leftovers.holds = leftovers.holds.saturating_sub(1);
        let is_free = leftovers.holds == 0;
        if is_free {
            self.marks.clear(marks::HELD);
            self.marks.set(marks::REOFFER);
        }
        is_free
    }
}
