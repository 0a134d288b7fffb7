//! The connections that may give way to new ones at a limit, those that wait longest for their
//! peers first. Must not know limits, nor the work of connections.
//!
//! The list is made only at a limit, by one look at the whole table, and serves many requests: a
//! request costs a look at a bounded number of slots on average.

use std::collections::{BinaryHeap, HashMap};

use super::connection::flags::Flags;
use super::connections::Connections;
use super::time::sweep::Tick;
use super::time::timeout::{Periods, TimeoutKind};
use super::transport::Transport;
use crate::id::Id;

/// The least number of connections in a list, and the number of slots looked at for each.
const LISTED: usize = 64;

/// The requests to give way.
pub(super) struct Crowd {
    /// The next ones to be asked, the last one first.
    next: Vec<Id>,
    /// The connections that were asked, each with its deadline then: the same one shows that its
    /// peer has sent nothing since. Those that have ended are removed with the next list.
    asked: HashMap<Id, Tick>,
    /// The connection that was asked last.
    last: Option<Id>,
    /// No connection can give way before, besides those in the list.
    look: Tick,
}

/// The order of a connection: those without a first byte give way before all others.
type Rank = (bool, Tick);

impl Crowd {
    pub(super) fn new() -> Crowd {
        Crowd { next: Vec::new(), asked: HashMap::new(), last: None, look: Tick::at_start() }
    }

    /// Asks the connection that waits longest for its peer, unless one was asked and has not
    /// answered yet. Returns false if there is none.
    pub(super) fn ask<T: Transport>(&mut self, connections: &mut Connections<T>) -> bool {
        if self.is_undecided(connections) {
            return true;
        }
        let now = connections.turn().tick;
        if self.next.is_empty() && self.look <= now {
            self.list(connections, now);
        }
        while let Some(id) = self.next.pop() {
            let Some((_, deadline)) = self.rank(id, connections, now) else { continue };
            self.asked.insert(id, deadline);
            self.last = Some(id);
            connections.ask_to_give_way(id);
            return true;
        }
        false
    }

    /// Returns the time at which [`ask`](Crowd::ask) may find a connection, in milliseconds. `None`
    /// while one has not answered: its end is an event.
    pub(super) fn due_ms<T: Transport>(&self, connections: &Connections<T>) -> Option<u64> {
        match self.is_undecided(connections) {
            true => None,
            false if self.next.is_empty() => Some(self.look.millis()),
            false => Some(0),
        }
    }

    /// Returns true if the connection that was asked last has neither ended nor declined.
    fn is_undecided<T: Transport>(&self, connections: &Connections<T>) -> bool {
        let last = self.last.and_then(|id| connections.table().get(id));
        last.is_some_and(|connection| {
            let state = connection.state();
            state.has(Flags::CROWDED) || !state.is_here() || !state.is_open()
        })
    }

    /// Returns the rank of a connection that may give way now, and its deadline.
    fn rank<T: Transport>(
        &self,
        id: Id,
        connections: &Connections<T>,
        now: Tick,
    ) -> Option<(Rank, Tick)> {
        let connection = connections.table().get(id)?;
        let deadline = connection.deadline();
        let at = connection.gives_way_at(&connections.turn().config.periods)?;
        let may_be_asked = at <= now && self.asked.get(&id) != Some(&deadline);
        may_be_asked.then_some(((connection.timeout() != TimeoutKind::FirstByte, at), deadline))
    }

    /// Lists the connections that may give way, or notes when the first one may.
    fn list<T: Transport>(&mut self, connections: &Connections<T>, now: Tick) {
        let table = connections.table();
        self.asked.retain(|id, _| table.get(*id).is_some());
        let len = LISTED + table.len() / LISTED;
        let mut first = BinaryHeap::new();
        let mut look = Periods::gives_way_later(now);
        for (id, connection) in table.iter() {
            match self.rank(id, connections, now) {
                Some((rank, _)) => {
                    first.push((rank, id));
                    if first.len() > len {
                        first.pop();
                    }
                }
                None => {
                    let at = connection.gives_way_at(&connections.turn().config.periods);
                    look = at.filter(|at| *at > now).map_or(look, |at| at.min(look));
                }
            }
        }
        self.next.extend(first.into_sorted_vec().into_iter().rev().map(|(_, id)| id));
        // The list is as long as its cost allows: after it the next one may follow at once.
        self.look = if self.next.is_empty() { look } else { now };
    }
}
