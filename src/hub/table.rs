//! The table of connections: slots, and ids that are never reused for another connection. Must not
//! know the work of connections.

use slab::Slab;

use super::connection::Connection;
use crate::id::{Id, Shard};

pub(super) struct Table<T> {
    slots: Slab<Connection<T>>,
    /// The last generation used. 0 is never used: ids with it belong to the reactor.
    generation: u32,
    shard: Shard,
}

impl<T> Table<T> {
    pub(super) fn new(shard: Shard) -> Table<T> {
        Table { slots: Slab::new(), generation: shard.before_first(), shard }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns the id of the next connection.
    pub(super) fn next_id(&self) -> Id {
        Id::new(self.slots.vacant_key() as u32, self.shard.next_generation(self.generation))
    }

    /// Adds a connection created for the next id.
    pub(super) fn insert(&mut self, make: impl FnOnce(u32) -> Connection<T>) -> Id {
        let id = self.next_id();
        self.generation = id.generation();
        self.slots.insert(make(id.generation()));
        id
    }
}

impl<T: super::Transport> Table<T> {
    /// Returns the connection with this `id`, unless it has been removed.
    #[inline(always)]
    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Connection<T>> {
        match self.slots.get_mut(id.index()) {
            Some(connection) if connection.generation() == id.generation() => Some(connection),
            _ => None,
        }
    }

    pub(super) fn get(&self, id: Id) -> Option<&Connection<T>> {
        self.slots.get(id.index()).filter(|c| c.generation() == id.generation())
    }

    /// Returns the connection in a slot, with its id.
    pub(super) fn at(&mut self, slot: usize) -> Option<(Id, &mut Connection<T>)> {
        let connection = self.slots.get_mut(slot)?;
        Some((Id::new(slot as u32, connection.generation()), connection))
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<Connection<T>> {
        self.get(id)?;
        self.slots.try_remove(id.index())
    }

    /// Returns the number of slots, including free ones.
    #[inline(always)]
    pub(super) fn slots(&self) -> usize {
        self.slots.capacity()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &Connection<T>)> {
        self.slots.iter().map(|(slot, c)| (Id::new(slot as u32, c.generation()), c))
    }

    pub(super) fn ids(&self) -> Vec<Id> {
        self.iter().map(|(id, _)| id).collect()
    }
}
