//! The directory: the names in use and the members of each room, shared by all members. They use it
//! to enter, to leave and to look names up, and never to send a line.

#[cfg(feature = "backplane")]
pub(super) mod claims;
mod looks;
#[cfg(feature = "backplane")]
mod nodes;
mod tables;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::tables::Tables;
use super::event::{Event, Form, Person, Reach};
use super::name::Name;
use super::room::Room;
use crate::handler::context::Context;
#[cfg(feature = "chat-web")]
use crate::history::{History, Position};
use crate::now::Now;

/// A handle to the shared state of a chat; clones share it. The lock is held to look up or change a
/// few names, and to record the change, so that the events of a room have its order. Nothing is
/// sent meanwhile, so no member waits for a peer.
#[derive(Clone)]
pub(super) struct Directory(Arc<Mutex<Tables>>);

/// The way in which a member leaves its rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    Told,
    /// While the server stops, all members leave and are told so: telling each of them of every
    /// other would take lines by the square of their number.
    Silent,
}

impl Farewell {
    /// The members of other nodes stay, and are told.
    pub(super) fn of(person: &Person, cx: &Context<'_>) -> Farewell {
        match person.reach {
            Reach::Here if cx.is_stopping() => Farewell::Silent,
            _ => Farewell::Told,
        }
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
    pub(super) fn enter(&self, form: Form, now: Now) -> (Person, Arc<Room>) {
        let mut tables = self.tables();
        let person = tables.newcomer(form);
        let lobby = tables.lobby.clone();
        let room = tables.admit(&lobby, &person);
        room.record(&person, Event::Joined, now);
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
        if let Some(other) = tables.nick_like(to, person) {
            return Err(other);
        }
        let rooms: Vec<&Room> = rooms.collect();
        let was = tables.change_nick(person, to, &rooms);
        for room in rooms {
            room.record(person, Event::Renamed { was: was.as_str() }, now);
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
            tables.dismiss(from, person, now);
            from.record(person, Event::Left, now);
        }
        let room = tables.admit(to, person);
        room.record(person, Event::Joined, now);
        Ok(room)
    }

    /// Removes a member from its rooms; its name is free again.
    pub(super) fn leave<'a>(
        &self,
        person: &Person,
        rooms: impl Iterator<Item = &'a Room>,
        farewell: Farewell,
        now: Now,
    ) {
        let mut tables = self.tables();
        for room in rooms {
            tables.dismiss(room, person, now);
            if farewell == Farewell::Told {
                room.record(person, Event::Left, now);
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

    /// Gives a new member an unused name, and no room. Returns the room that it should enter.
    pub(super) fn enter_outside(&self) -> (Person, Name) {
        let mut tables = self.tables();
        (tables.newcomer(Form::Events), tables.lobby.clone())
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
        let room = tables.admit(to, person);
        let history = room.log.history().unwrap_or_else(|| History::new(0, 0));
        room.record(person, Event::Joined, now);
        Ok((room, history))
    }

    /// Removes a member from one of its rooms.
    pub(super) fn part(&self, person: &Person, room: &Room, now: Now) {
        let mut tables = self.tables();
        tables.dismiss(room, person, now);
        room.record(person, Event::Left, now);
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
