//! The directory for members that get events.

use std::sync::Arc;

use super::Directory;
use crate::history::{History, Position};
use crate::now::Now;
use crate::services::chat::event::{Event, Form, Person};
use crate::services::chat::name::Name;
use crate::services::chat::room::Room;

impl Directory {
    /// Sets the bounds of the history of each room.
    pub(in crate::services::chat) fn bound_histories(&self, messages: usize, bytes: usize) {
        self.tables().archive.set_bounds(messages, bytes);
    }

    /// Makes room for texts of this length in each history.
    pub(in crate::services::chat) fn fit_histories(&self, text: usize) {
        self.tables().archive.fit(text);
    }

    /// Gives a new member an unused name, and no room. Returns the room that it should enter.
    pub(in crate::services::chat) fn enter_outside(&self) -> (Person, Name) {
        let mut tables = self.tables();
        (tables.newcomer(Form::Events), tables.lobby.clone())
    }

    /// Adds a member to a room, one of several. Returns the history of the room as well.
    ///
    /// # Errors
    ///
    /// Returns the name of another room that looks alike.
    pub(in crate::services::chat) fn join_too(
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
    pub(in crate::services::chat) fn part(&self, person: &Person, room: &Room, now: Now) {
        let mut tables = self.tables();
        tables.dismiss(room, person, now);
        room.record(person, Event::Left, now);
        tables.forget_rooms(now);
    }

    /// Returns the members of a room as [`who`](Directory::who) does, if `position` is the last one
    /// of its history.
    pub(in crate::services::chat) fn who_at(
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
