//! The tables of the directory: names and rooms of this process. Must not know locks or other
//! nodes.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

#[cfg(feature = "backplane")]
use super::claims::Claims;
use super::looks::Looks;
use crate::now::Now;
#[cfg(feature = "chat-web")]
use crate::services::chat::browser::archive::Archive;
use crate::services::chat::event::{By, Form, Person, Reach};
use crate::services::chat::name::Name;
use crate::services::chat::room::Room;

pub(super) struct Tables {
    /// A random number, which no other chat has.
    pub(super) chat: u32,
    /// The reach of new members.
    pub(super) reach: Reach,
    /// The room of new members.
    pub(super) lobby: Name,
    /// The beginning of the names of guests.
    pub(super) guest: String,
    /// The number of members that have entered so far.
    pub(super) guests: u64,
    pub(super) nicks: Looks,
    /// A room exists while it has members or a log.
    pub(super) rooms: HashMap<Name, Occupied>,
    /// Of the rooms with members, and always of the lobby.
    pub(super) room_looks: Looks,
    #[cfg(feature = "chat-web")]
    pub(super) archive: Archive,
    #[cfg(feature = "backplane")]
    pub(super) claims: Claims,
}

/// A room and its members, ordered by name.
pub(super) struct Occupied {
    pub(super) room: Arc<Room>,
    pub(super) members: BTreeSet<Name>,
}

impl Tables {
    pub(super) fn new(lobby: Name) -> Tables {
        let mut room_looks = Looks::default();
        room_looks.add(&lobby);
        Tables {
            // The keys of a `RandomState` are from the system.
            chat: RandomState::new().build_hasher().finish() as u32,
            reach: Reach::Here,
            lobby,
            guest: "guest-".to_owned(),
            guests: 0,
            nicks: Looks::default(),
            rooms: HashMap::new(),
            room_looks,
            #[cfg(feature = "chat-web")]
            archive: Archive::new(),
            #[cfg(feature = "backplane")]
            claims: Claims::default(),
        }
    }

    /// Gives a new member an unused name.
    pub(super) fn newcomer(&mut self, form: Form) -> Person {
        let nick = self.guest_name();
        let by = By { chat: self.chat, number: self.guests };
        Person { nick, by, form, reach: self.reach }
    }

    /// Returns an unused name, which is in use now.
    pub(super) fn guest_name(&mut self) -> Name {
        // Skips names that are in use. The counter never goes back, so names that a member has
        // taken in advance are tried once.
        loop {
            self.guests += 1;
            let nick = Name::of_fit(&format!("{}{}", self.guest, self.guests));
            if self.nicks.like(&nick).next().is_none() {
                self.nicks.add(&nick);
                return nick;
            }
        }
    }

    /// Returns the name of another member that is the same as `name`, or looks alike.
    pub(super) fn nick_like(&self, name: &Name, person: &Person) -> Option<Name> {
        self.nicks.like(name).find(|other| **other != person.nick).cloned()
    }

    /// Renames a member of these rooms. Returns the name that it had.
    pub(super) fn change_nick(&mut self, person: &mut Person, to: &Name, rooms: &[&Room]) -> Name {
        self.nicks.remove(&person.nick);
        self.nicks.add(to);
        let was = std::mem::replace(&mut person.nick, to.clone());
        for room in rooms {
            if let Some(Occupied { members, .. }) = self.rooms.get_mut(&room.name) {
                members.remove(&was);
                members.insert(to.clone());
            }
        }
        was
    }

    pub(super) fn who(&self, room: &Room, max: usize) -> (usize, Vec<Name>) {
        match self.rooms.get(&room.name) {
            Some(Occupied { members, .. }) => {
                (members.len(), members.iter().take(max).cloned().collect())
            }
            None => (0, Vec::new()),
        }
    }

    /// Returns the name of a room that looks like another one of this name.
    pub(super) fn room_like(&self, name: &Name) -> Option<Name> {
        self.room_looks.like(name).find(|room| *room != name).cloned()
    }

    /// Adds a member to a room, which is created if needed.
    pub(super) fn admit(&mut self, room: &Name, person: &Person) -> Arc<Room> {
        let occupied = self.rooms.entry(room.clone()).or_insert_with(|| Occupied {
            room: Arc::new(Room::new(room.clone())),
            members: BTreeSet::new(),
        });
        if occupied.members.is_empty() {
            self.room_looks.add(&occupied.room.name);
        }
        occupied.members.insert(person.nick.clone());
        if person.form.is_lines() {
            occupied.room.add_listener();
        }
        #[cfg(feature = "chat-web")]
        if self.archive.is_for(person) {
            self.archive.open(&occupied.room, person.reach);
        }
        Arc::clone(&occupied.room)
    }

    #[cfg_attr(not(feature = "chat-web"), allow(unused_variables, reason = "a log has the time"))]
    pub(super) fn dismiss(&mut self, room: &Room, person: &Person, now: Now) {
        let Some(occupied) = self.rooms.get_mut(&room.name) else { return };
        if person.form.is_lines() {
            room.remove_listener();
        }
        #[cfg(feature = "chat-web")]
        if self.archive.is_for(person) {
            self.archive.close(&occupied.room, now);
        }
        occupied.members.remove(&person.nick);
        if !occupied.members.is_empty() {
            return;
        }
        self.room_looks.remove(&room.name);
        if room.name == self.lobby {
            // Its members may have spelled it in another case.
            self.room_looks.add(&self.lobby);
        }
        if !room.is_recorded() {
            self.rooms.remove(&room.name);
        }
    }

    /// Forgets logs whose time is over, with their rooms if they have no members.
    #[cfg(feature = "chat-web")]
    pub(super) fn forget_rooms(&mut self, now: Now) {
        while let Some(room) = self.archive.forget_one(now) {
            let is_empty = |it: &Occupied| it.members.is_empty() && Arc::ptr_eq(&it.room, &room);
            if self.rooms.get(&room.name).is_some_and(is_empty) {
                self.rooms.remove(&room.name);
            }
        }
    }

    #[cfg(not(feature = "chat-web"))]
    #[allow(clippy::unused_self, reason = "there are no logs")]
    pub(super) fn forget_rooms(&mut self, _: Now) {}
}
