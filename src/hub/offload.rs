//! Offloaded work: the pieces held by workers, and the next connection to start one. At most one
//! piece per connection runs at a time, and a bounded number in total.

use std::collections::VecDeque;

use super::connection::Cold;
use super::connections::Connections;
use super::transport::Transport;
use crate::close::Close;
use crate::exec::{Departure, Offloaded, Task};
use crate::handler::effect::Work;
use crate::handler::notification::{Notification, Ticket};
use crate::id::Id;
use crate::panics;

/// The most pieces of work held by workers. More wait with their connections, and end with them: a
/// peer that requests work, disconnects and reconnects must not pile it up. A piece that was
/// postponed does not count, because others would wait for it: its connection has just this one.
const AT_WORK_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Offloads {
    at_work: usize,
    /// Connections whose next piece of work waits for a worker.
    waiting: VecDeque<Id>,
}

impl Offloads {
    /// Adds a piece of work, which runs after the earlier ones of its connection.
    pub(super) fn add<T: Transport>(
        &mut self,
        id: Id,
        ticket: Ticket,
        work: Work,
        connections: &mut Connections<T>,
    ) {
        let Some(connection) = connections.get_mut(id).filter(|c| c.state().is_open()) else {
            panics::drop_quietly(work);
            return;
        };
        if connection.cold_mut().push_work(ticket, work) {
            self.waiting.push_back(id);
            self.start(connections);
        }
    }

    /// Passes waiting work to the workers, in the order of the requests, within the bound.
    fn start<T: Transport>(&mut self, connections: &mut Connections<T>) {
        let table = connections.table();
        if self.waiting.len() > 2 * table.len() + AT_WORK_MAX {
            self.waiting.retain(|id| table.get(*id).is_some());
        }
        while self.at_work < AT_WORK_MAX {
            let Some(id) = self.waiting.pop_front() else { return };
            let Some(connection) = connections.get_mut(id) else { continue };
            let has_left = connection.state().departure().is_some();
            if let Some((ticket, work)) = connection.cold_if_any().and_then(Cold::pop_work) {
                self.at_work += 1;
                let task = Task::Offloaded(Offloaded::new(id, ticket, work));
                let pending = &mut connections.turn_mut().pending;
                pending.push_task(task);
                if has_left {
                    pending.note_left(id, Departure::EndOfInput);
                }
            }
        }
    }

    /// Gives the room of pieces that were postponed to others.
    pub(super) fn note_postponed<T: Transport>(
        &mut self,
        count: usize,
        connections: &mut Connections<T>,
    ) {
        self.at_work -= count;
        self.start(connections);
    }

    /// Finishes a piece of work, and starts the next. Returns the notification for the handler.
    pub(super) fn finish<T: Transport>(
        &mut self,
        offloaded: Offloaded,
        connections: &mut Connections<T>,
    ) -> Option<(Id, Notification)> {
        self.at_work -= usize::from(!offloaded.is_postponed());
        let (id, ticket) = (offloaded.id, offloaded.ticket);
        let result = offloaded.result();
        if matches!(result, Err(Close::Panicked)) {
            connections.turn().meter.counters.panics.add(1);
        }
        let notification = match (connections.get_mut(id), result) {
            (None, result) => {
                panics::drop_quietly(result);
                None
            }
            (Some(connection), Err(why)) => {
                connection.end(why);
                connections.queue(id);
                None
            }
            (Some(connection), Ok(result)) => {
                if connection.cold_mut().finish_work() {
                    self.waiting.push_back(id);
                }
                Some((id, Notification::Finished(ticket, result)))
            }
        };
        self.start(connections);
        notification
    }
}
