//! The directory: the names in use and the members of each room, shared by all members. They use it
//! to enter, to leave and to look names up, and never to send a line.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::name::Name;
use crate::topic::Topic;

/// A handle to the shared state of a chat; clones share it. The lock is held to look up or change a
/// few names. Nothing is sent meanwhile, so no member waits for a peer.
#[derive(Clone)]
pub(super) struct Directory(Arc<Mutex<Tables>>);

struct Tables {
    /// The room of new members.
    lobby: Name,
    /// The number of members that have entered so far.
    guests: u64,
    nicks: Looks,
    /// A room exists while it has members.
    rooms: HashMap<Name, Occupied>,
    /// Of these rooms, and always of the lobby.
    room_looks: Looks,
}

/// The skeletons of the names in use. Names with the same key have a skeleton in common, so this
/// finds them as well.
#[derive(Default)]
struct Looks(HashMap<Arc<str>, Name>);

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
        Directory(Arc::new(Mutex::new(Tables::new(lobby))))
    }

    /// Gives a new member an unused name and a place in the lobby.
    pub(super) fn enter(&self) -> (Name, Arc<Room>) {
        let mut tables = self.tables();
        // Skips names that are in use. The counter never goes back, so names that a member has
        // taken in advance are tried once.
        let nick = loop {
            tables.guests += 1;
            let nick = Name::of_fit(&format!("guest-{}", tables.guests));
            if tables.nicks.like(&nick).next().is_none() {
                break nick;
            }
        };
        tables.nicks.add(&nick);
        let lobby = tables.lobby.clone();
        let room = tables.admit(&lobby, &nick);
        (nick, room)
    }

    /// Renames a member of `room`.
    ///
    /// # Errors
    ///
    /// Returns the name of another member, if it is the same or looks alike.
    pub(super) fn rename(&self, room: &Room, from: &Name, to: &Name) -> Result<(), Name> {
        let mut tables = self.tables();
        tables.nicks.remove(from);
        let other = tables.nicks.like(to).next().cloned();
        if let Some(other) = other {
            tables.nicks.add(from);
            return Err(other);
        }
        tables.nicks.add(to);
        tables.dismiss(room, from);
        tables.admit(&room.name, to);
        Ok(())
    }

    /// Moves a member from one room to another.
    ///
    /// # Errors
    ///
    /// Returns the name of another room that looks alike.
    pub(super) fn go(&self, nick: &Name, from: &Room, to: &Name) -> Result<Arc<Room>, Name> {
        let mut tables = self.tables();
        if let Some(other) = tables.room_looks.like(to).find(|room| *room != to) {
            return Err(other.clone());
        }
        tables.dismiss(from, nick);
        Ok(tables.admit(to, nick))
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn new(lobby: Name) -> Tables {
        let mut room_looks = Looks::default();
        room_looks.add(&lobby);
        let (nicks, rooms) = (Looks::default(), HashMap::new());
        Tables { lobby, guests: 0, nicks, rooms, room_looks }
    }

    /// Adds a member to a room, which is created if needed.
    fn admit(&mut self, room: &Name, nick: &Name) -> Arc<Room> {
        let occupied = self.rooms.entry(room.clone()).or_insert_with(|| Occupied {
            room: Arc::new(Room::new(room.clone())),
            members: BTreeSet::new(),
        });
        if occupied.members.is_empty() {
            self.room_looks.add(room);
        }
        occupied.members.insert(nick.clone());
        Arc::clone(&occupied.room)
    }

    fn dismiss(&mut self, room: &Room, nick: &Name) {
        let Some(occupied) = self.rooms.get_mut(&room.name) else { return };
        occupied.members.remove(nick);
        if !occupied.members.is_empty() {
            return;
        }
        self.rooms.remove(&room.name);
        self.room_looks.remove(&room.name);
        if room.name == self.lobby {
            // Its members may have spelled it in another case.
            self.room_looks.add(&self.lobby);
        }
    }
}

impl Looks {
    /// Returns the names in use that are the same, or look alike.
    fn like(&self, name: &Name) -> impl Iterator<Item = &Name> {
        name.looks().iter().filter_map(|look| self.0.get(look))
    }

    fn add(&mut self, name: &Name) {
        for look in name.looks() {
            self.0.insert(Arc::clone(look), name.clone());
        }
    }

    fn remove(&mut self, name: &Name) {
        for look in name.looks() {
            self.0.remove(look);
        }
    }
}

impl Room {
    fn new(name: Name) -> Room {
        let topic = Topic::new(&format!("chat:{}", name.key()));
        Room { name, topic }
    }
}
