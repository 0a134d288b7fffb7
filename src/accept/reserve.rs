//! Places reserved for the connections that accepted connections will make. Pure: it counts, and
//! must not know sockets.

use std::collections::HashMap;

use crate::id::Id;

/// The reserved places of a loop.
///
/// A connection of a service with several [`places`](crate::Service::places) takes one, and
/// reserves the others while it lives. A connection that it makes takes a reserved place, and gives
/// it back at its end.
#[derive(Default)]
pub(crate) struct Reservations {
    /// The free places of each connection that has reserved some.
    free: HashMap<Id, usize>,
    /// The connections on reserved places, each with the one that has reserved its place.
    guests: HashMap<Id, Id>,
    /// The sum of `free`.
    len: usize,
}

impl Reservations {
    /// Returns the number of places that are reserved and free.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Reserves places for a connection.
    pub(crate) fn reserve(&mut self, host: Id, places: usize) {
        if places > 0 {
            self.len += places;
            *self.free.entry(host).or_default() += places;
        }
    }

    /// Takes a place for a connection that `id` makes. Returns the connection that has reserved it:
    /// this one, or the one on whose place this one is. `None` if no reserved place is free.
    pub(crate) fn take(&mut self, id: Id) -> Option<Id> {
        let host = self.guests.get(&id).copied().unwrap_or(id);
        let free = self.free.get_mut(&host).filter(|free| **free > 0)?;
        *free -= 1;
        self.len -= 1;
        Some(host)
    }

    /// Gives back a place that was taken. It is free for all if the connection has ended.
    pub(crate) fn give_back(&mut self, host: Id) {
        if let Some(free) = self.free.get_mut(&host) {
            *free += 1;
            self.len += 1;
        }
    }

    /// Returns true if `host` has reserved places and has not ended.
    pub(crate) fn knows(&self, host: Id) -> bool {
        self.free.contains_key(&host)
    }

    /// Notes that the connection made on a place of `host` is established.
    pub(crate) fn settle(&mut self, guest: Id, host: Id) {
        self.guests.insert(guest, host);
    }

    /// Notes the end of a connection.
    pub(crate) fn end(&mut self, id: Id) {
        self.len -= self.free.remove(&id).unwrap_or_default();
        if let Some(host) = self.guests.remove(&id) {
            self.give_back(host);
        }
    }

    /// Returns the number of connections that it knows, for a check.
    #[cfg(all(debug_assertions, feature = "testkit"))]
    pub(crate) fn connections(&self) -> usize {
        self.free.len().max(self.guests.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u32) -> Id {
        Id::new(index, 1)
    }

    #[test]
    fn a_place_is_taken_once_and_comes_back() {
        let mut reserved = Reservations::default();
        reserved.reserve(id(1), 1);
        assert_eq!((reserved.len(), reserved.take(id(2))), (1, None));
        assert_eq!(reserved.take(id(1)), Some(id(1)));
        assert_eq!((reserved.len(), reserved.take(id(1))), (0, None));
        // The attempt failed; the next one is established, and its handler connects elsewhere.
        reserved.give_back(id(1));
        assert_eq!(reserved.take(id(1)), Some(id(1)));
        reserved.settle(id(7), id(1));
        assert_eq!(reserved.take(id(7)), None);
        reserved.end(id(7));
        assert_eq!((reserved.len(), reserved.take(id(1))), (1, Some(id(1))));
    }

    #[test]
    fn a_guest_shares_the_places_of_its_host() {
        let mut reserved = Reservations::default();
        reserved.reserve(id(1), 2);
        assert_eq!(reserved.take(id(1)), Some(id(1)));
        reserved.settle(id(2), id(1));
        assert_eq!(reserved.take(id(2)), Some(id(1)));
        assert_eq!(reserved.len(), 0);
    }

    #[test]
    fn the_end_of_the_host_frees_its_places_for_all() {
        let mut reserved = Reservations::default();
        reserved.reserve(id(1), 3);
        assert_eq!(reserved.take(id(1)), Some(id(1)));
        reserved.settle(id(2), id(1));
        reserved.end(id(1));
        assert_eq!(reserved.len(), 0);
        reserved.end(id(2));
        reserved.give_back(id(1));
        assert_eq!(reserved.len(), 0);
    }
}
