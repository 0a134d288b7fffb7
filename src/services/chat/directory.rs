//! Who is where: the names in use and the members of each room. What members share; they come
//! here when they enter, leave or ask, and never to say something.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::name::Name;
use crate::topic::Topic;

/// A handle to what all members of a chat share; clones share it.
#[derive(Clone)]
pub(super) struct Directory(Arc<Shared>);

struct Shared {
    /// Where newcomers go.
    lobby: Name,
    /// Held for a look or a change of a few names. Nothing is sent meanwhile, so nobody waits
    /// for a peer.
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    /// Newcomers so far.
    guests: u64,
    nicks: HashSet<Name>,
    /// A room exists while somebody is in it.
    rooms: HashMap<Name, Occupied>,
}

/// A room, and who is in it in the order of their names.
struct Occupied {
    room: Arc<Room>,
    members: BTreeSet<Name>,
}

/// A room as its members know it.
pub(super) struct Room {
    pub(super) name: Name,
    pub(super) topic: Topic,
}

impl Directory {
    pub(super) fn new(lobby: Name) -> Directory {
        Directory(Arc::new(Shared { lobby, tables: Mutex::default() }))
    }

    /// Gives a newcomer a name that nobody else has, and a place in the lobby.
    pub(super) fn enter(&self) -> (Name, Arc<Room>) {
        let mut tables = self.tables();
        // A name that somebody has chosen already is passed over, for good: whoever takes
        // many in advance makes one newcomer look at each of them, once.
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

    /// Calls a member of `room` by another name, if nobody else has it. Tells whether it does.
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

    /// Lets a member leave one room for another.
    pub(super) fn go(&self, nick: &Name, from: &Room, to: &Name) -> Arc<Room> {
        let mut tables = self.tables();
        tables.dismiss(from, nick);
        tables.admit(to, nick)
    }

    /// Forgets a member; the name is free.
    pub(super) fn leave(&self, nick: &Name, room: &Room) {
        let mut tables = self.tables();
        tables.dismiss(room, nick);
        tables.nicks.remove(nick);
    }

    /// How many are in the room, and the first `max` of their names.
    pub(super) fn who(&self, room: &Room, max: usize) -> (usize, Vec<Name>) {
        let tables = self.tables();
        match tables.rooms.get(&room.name) {
            Some(Occupied { members, .. }) => {
                (members.len(), members.iter().take(max).cloned().collect())
            }
            None => (0, Vec::new()),
        }
    }

    /// Nothing between the tables' changes can panic, so they are whole whoever panicked.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Puts a member into a room, which begins to exist if it must.
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
