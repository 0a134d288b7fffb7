//! The directory: the names in use and the members of each room, shared by all members. They use it
//! to enter, to leave and to look names up, and never to send a line.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::name::Name;
use crate::topic::Topic;

/// A handle to the shared state of a chat; clones share it.
#[derive(Clone)]
pub(super) struct Directory(Arc<Shared>);

struct Shared {
    /// The room of new members.
    lobby: Name,
    /// Held to look up or change a few names. Nothing is sent meanwhile, so no member waits for a
    /// peer.
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    /// The number of members that have entered so far.
    guests: u64,
    nicks: HashSet<Name>,
    /// A room exists while it has members.
    rooms: HashMap<Name, Occupied>,
}

/// A room and its members, ordered by name.
struct Occupied {
    room: Arc<Room>,
    members: BTreeSet<Name>,
}

/// A room, as its members see it.
pub(super) struct Room {
    pub(super) name: Name,
    pub(super) topic: Topic,
}

impl Directory {
    pub(super) fn new(lobby: Name) -> Directory {
        Directory(Arc::new(Shared { lobby, tables: Mutex::default() }))
    }

    /// Gives a new member an unused name and a place in the lobby.
    pub(super) fn enter(&self) -> (Name, Arc<Room>) {
        let mut tables = self.tables();
        // Skips names that are in use. The counter never goes back, so names that a member has
        // taken in advance are tried once.
        let nick = loop {
            tables.guests += 1;
            let nick = Name::of_fit(&format!("guest-{}", tables.guests));
            if tables.nicks.insert(nick.clone()) {
                break nick;
            }
        };
        let room = tables.admit(&self.0.lobby, &nick);
        (nick, room)
    }

    /// Renames a member of `room`. Returns false if another member has the name.
    pub(super) fn rename(&self, room: &Room, from: &Name, to: &Name) -> bool {
        let mut tables = self.tables();
        if from != to && tables.nicks.contains(to) {
            return false;
        }
        tables.dismiss(room, from);
        tables.nicks.remove(from);
        tables.nicks.insert(to.clone());
        tables.admit(&room.name, to);
        true
    }

    /// Moves a member from one room to another.
    pub(super) fn go(&self, nick: &Name, from: &Room, to: &Name) -> Arc<Room> {
        let mut tables = self.tables();
        tables.dismiss(from, nick);
        tables.admit(to, nick)
    }

    /// Removes a member; the name is free again.
    pub(super) fn leave(&self, nick: &Name, room: &Room) {
        let mut tables = self.tables();
        tables.dismiss(room, nick);
        tables.nicks.remove(nick);
    }

    /// Returns the number of members in the room, and the first `max` of their names.
    pub(super) fn who(&self, room: &Room, max: usize) -> (usize, Vec<Name>) {
        let tables = self.tables();
        match tables.rooms.get(&room.name) {
            Some(Occupied { members, .. }) => {
                (members.len(), members.iter().take(max).cloned().collect())
            }
            None => (0, Vec::new()),
        }
    }

    /// Nothing between the changes of the tables can panic, so they are consistent even if the lock
    /// is poisoned.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Adds a member to a room, which is created if needed.
    fn admit(&mut self, room: &Name, nick: &Name) -> Arc<Room> {
        let occupied = self.rooms.entry(room.clone()).or_insert_with(|| Occupied {
            room: Arc::new(Room::new(room.clone())),
            members: BTreeSet::new(),
        });
        occupied.members.insert(nick.clone());
        Arc::clone(&occupied.room)
    }

    fn dismiss(&mut self, room: &Room, nick: &Name) {
        if let Some(occupied) = self.rooms.get_mut(&room.name) {
            occupied.members.remove(nick);
            if occupied.members.is_empty() {
                self.rooms.remove(&room.name);
            }
        }
    }
}

impl Room {
    fn new(name: Name) -> Room {
        let topic = Topic::new(&format!("chat:{}", name.key()));
        Room { name, topic }
    }
}
