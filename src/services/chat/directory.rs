//! The directory: the names in use and the members of each room, shared by all members. They use it
//! to enter, to leave and to look names up, and never to send a line.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "chat-web")]
use super::browser::archive::Archive;
use super::event::{Event, Person};
use super::name::Name;
use super::room::{Form, Room};
use crate::handler::context::Context;
#[cfg(feature = "chat-web")]
use crate::history::{History, Position};
use crate::now::Now;

/// A handle to the shared state of a chat; clones share it. The lock is held to look up or change a
/// few names, and to record the change, so that the events of a room have its order. Nothing is
/// sent meanwhile, so no member waits for a peer.
#[derive(Clone)]
pub(super) struct Directory(Arc<Mutex<Tables>>);

struct Tables {
    /// The room of new members.
    lobby: Name,
    /// The number of members that have entered so far.
    guests: u64,
    nicks: Looks,
    /// A room exists while it has members or a log.
    rooms: HashMap<Name, Occupied>,
    /// Of the rooms with members, and always of the lobby.
    room_looks: Looks,
    #[cfg(feature = "chat-web")]
    archive: Archive,
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

/// The way in which a member leaves its rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    Told,
    /// While the server stops, all members leave and are told so: telling each of them of every
    /// other would take lines by the square of their number.
    Silent,
}

impl Farewell {
    pub(super) fn of(cx: &Context<'_>) -> Farewell {
        if cx.is_stopping() { Farewell::Silent } else { Farewell::Told }
    }
}

impl Directory {
    pub(super) fn new(lobby: Name) -> Directory {
        Directory(Arc::new(Mutex::new(Tables::new(lobby))))
    }

    /// Sets the room of new members, before there are any.
    pub(super) fn set_lobby(&self, lobby: Name) {
        let mut tables = self.tables();
        let was = std::mem::replace(&mut tables.lobby, lobby);
        tables.room_looks.remove(&was);
        let lobby = tables.lobby.clone();
        tables.room_looks.add(&lobby);
    }

    /// Gives a new member an unused name and a place in the lobby.
    pub(super) fn enter(&self, now: Now) -> (Person, Arc<Room>) {
        let mut tables = self.tables();
        let person = tables.newcomer();
        let lobby = tables.lobby.clone();
        let room = tables.admit(&lobby, Form::Lines, &person);
        room.record(&person, &Event::Joined, now);
        (person, room)
    }

    /// Renames a member of these rooms.
    ///
    /// # Errors
    ///
    /// Returns the name of another member, if it is the same or looks alike.
    pub(super) fn rename<'a>(
        &self,
        person: &mut Person,
        to: &Name,
        rooms: impl Iterator<Item = &'a Room>,
        now: Now,
    ) -> Result<(), Name> {
        let mut tables = self.tables();
        tables.nicks.remove(&person.nick);
        let other = tables.nicks.like(to).next().cloned();
        if let Some(other) = other {
            tables.nicks.add(&person.nick);
            return Err(other);
        }
        tables.nicks.add(to);
        let was = std::mem::replace(&mut person.nick, to.clone());
        for room in rooms {
            if let Some(Occupied { members, .. }) = tables.rooms.get_mut(&room.name) {
                members.remove(&was);
                members.insert(to.clone());
            }
            room.record(person, &Event::Renamed { was: &was }, now);
        }
        Ok(())
    }

    /// Adds a member to a room, and removes it from another one if one is given.
    ///
    /// # Errors
    ///
    /// Returns the name of another room that looks alike.
    pub(super) fn join(
        &self,
        person: &Person,
        form: Form,
        from: Option<&Room>,
        to: &Name,
        now: Now,
    ) -> Result<Arc<Room>, Name> {
        let mut tables = self.tables();
        tables.forget_rooms(now);
        if let Some(other) = tables.room_like(to) {
            return Err(other);
        }
        if let Some(from) = from {
            tables.dismiss(from, form, person, now);
            from.record(person, &Event::Left, now);
        }
        let room = tables.admit(to, form, person);
        room.record(person, &Event::Joined, now);
        Ok(room)
    }

    /// Removes a member from its rooms; its name is free again.
    pub(super) fn leave<'a>(
        &self,
        person: &Person,
        form: Form,
        rooms: impl Iterator<Item = &'a Room>,
        farewell: Farewell,
        now: Now,
    ) {
        let mut tables = self.tables();
        for room in rooms {
            tables.dismiss(room, form, person, now);
            if farewell == Farewell::Told {
                room.record(person, &Event::Left, now);
            }
        }
        tables.nicks.remove(&person.nick);
        tables.forget_rooms(now);
    }

    /// Returns the number of members in the room, and the first `max` of their names.
    pub(super) fn who(&self, room: &Room, max: usize) -> (usize, Vec<Name>) {
        self.tables().who(room, max)
    }

    /// Nothing between the changes of the tables can panic, so they are consistent even if the lock
    /// is poisoned.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For members that get events.
#[cfg(feature = "chat-web")]
impl Directory {
    /// Sets the bounds of the history of each room.
    pub(super) fn bound_histories(&self, messages: usize, bytes: usize) {
        self.tables().archive.set_bounds(messages, bytes);
    }

    /// Makes room for texts of this length in each history.
    pub(super) fn fit_histories(&self, text: usize) {
        self.tables().archive.fit(text);
    }

    /// Returns the number of this chat, and the room that new members should enter.
    pub(super) fn facts(&self) -> (u32, Name) {
        let tables = self.tables();
        (tables.archive.chat(), tables.lobby.clone())
    }

    /// Gives a new member an unused name, and no room.
    pub(super) fn enter_outside(&self) -> Person {
        self.tables().newcomer()
    }

    /// Adds a member to a room, one of several. Returns the history of the room as well.
    ///
    /// # Errors
    ///
    /// Returns the name of another room that looks alike.
    pub(super) fn join_too(
        &self,
        person: &Person,
        to: &Name,
        now: Now,
    ) -> Result<(Arc<Room>, History), Name> {
        let mut tables = self.tables();
        tables.forget_rooms(now);
        if let Some(other) = tables.room_like(to) {
            return Err(other);
        }
        let room = tables.admit(to, Form::Events, person);
        let history = tables.archive.open(&room);
        room.record(person, &Event::Joined, now);
        Ok((room, history))
    }

    /// Removes a member from one of its rooms.
    pub(super) fn part(&self, person: &Person, room: &Room, now: Now) {
        let mut tables = self.tables();
        tables.dismiss(room, Form::Events, person, now);
        room.record(person, &Event::Left, now);
        tables.forget_rooms(now);
    }

    /// Returns the members of a room as [`who`](Directory::who) does, if `position` is the last one
    /// of its history.
    pub(super) fn who_at(
        &self,
        room: &Room,
        history: &History,
        position: Position,
        max: usize,
    ) -> Option<(usize, Vec<Name>)> {
        let tables = self.tables();
        (history.end() == position).then(|| tables.who(room, max))
    }
}

impl Tables {
    fn new(lobby: Name) -> Tables {
        let mut room_looks = Looks::default();
        room_looks.add(&lobby);
        Tables {
            lobby,
            guests: 0,
            nicks: Looks::default(),
            rooms: HashMap::new(),
            room_looks,
            #[cfg(feature = "chat-web")]
            archive: Archive::new(),
        }
    }

    /// Gives a new member an unused name.
    fn newcomer(&mut self) -> Person {
        // Skips names that are in use. The counter never goes back, so names that a member has
        // taken in advance are tried once.
        loop {
            self.guests += 1;
            let nick = Name::of_fit(&format!("guest-{}", self.guests));
            if self.nicks.like(&nick).next().is_none() {
                self.nicks.add(&nick);
                return Person { nick, number: self.guests };
            }
        }
    }

    fn who(&self, room: &Room, max: usize) -> (usize, Vec<Name>) {
        match self.rooms.get(&room.name) {
            Some(Occupied { members, .. }) => {
                (members.len(), members.iter().take(max).cloned().collect())
            }
            None => (0, Vec::new()),
        }
    }

    /// Returns the name of a room that looks like another one of this name.
    fn room_like(&self, name: &Name) -> Option<Name> {
        self.room_looks.like(name).find(|room| *room != name).cloned()
    }

    /// Adds a member to a room, which is created if needed.
    fn admit(&mut self, room: &Name, form: Form, person: &Person) -> Arc<Room> {
        let occupied = self.rooms.entry(room.clone()).or_insert_with(|| Occupied {
            room: Arc::new(Room::new(room.clone())),
            members: BTreeSet::new(),
        });
        if occupied.members.is_empty() {
            self.room_looks.add(&occupied.room.name);
        }
        occupied.members.insert(person.nick.clone());
        match form {
            Form::Lines => occupied.room.add_listener(),
            #[cfg(feature = "chat-web")]
            Form::Events => {}
        }
        Arc::clone(&occupied.room)
    }

    #[cfg_attr(not(feature = "chat-web"), allow(unused_variables, reason = "a log has the time"))]
    fn dismiss(&mut self, room: &Room, form: Form, person: &Person, now: Now) {
        let Some(occupied) = self.rooms.get_mut(&room.name) else { return };
        match form {
            Form::Lines => room.remove_listener(),
            #[cfg(feature = "chat-web")]
            Form::Events => self.archive.close(&occupied.room, now),
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
    fn forget_rooms(&mut self, now: Now) {
        while let Some(room) = self.archive.forget_one(now) {
            let is_empty = |it: &Occupied| it.members.is_empty() && Arc::ptr_eq(&it.room, &room);
            if self.rooms.get(&room.name).is_some_and(is_empty) {
                self.rooms.remove(&room.name);
            }
        }
    }

    #[cfg(not(feature = "chat-web"))]
    #[allow(clippy::unused_self, reason = "there are no logs")]
    fn forget_rooms(&mut self, _: Now) {}
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
