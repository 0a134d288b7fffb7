//! The names and rooms of this process as parts of those of all nodes. Must not know how other
//! nodes are asked.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Directory;
use super::claims::{Contact, Held, Lost, Was, claim, entry, name_of};
use super::tables::{Occupied, Tables};
use crate::handler::presence::Request;
use crate::services::chat::event::{Person, Reach};
use crate::services::chat::name::Name;
use crate::services::chat::room::Room;

/// The characters of the mark of a node in the names of its guests, none of which looks like
/// another one.
const MARK: &[u8] = b"23456789abcdefghjkmnpqrstuvwxyz";

impl Directory {
    /// Makes this process one of several nodes, before there are members.
    pub(in crate::services::chat) fn share(&self) {
        let mut tables = self.tables();
        tables.reach = Reach::Nodes;
        tables.guest = guest(tables.chat);
    }

    /// Returns the room of this name, if it has members here or a log.
    pub(in crate::services::chat) fn room(&self, key: &str) -> Option<Arc<Room>> {
        self.tables().rooms.get(key).map(|occupied| Arc::clone(&occupied.room))
    }

    /// Keeps a name from other members of this process until it is [taken](Directory::take) or
    /// [given up](Directory::give_up).
    ///
    /// # Errors
    ///
    /// Returns the name of another member, if it is the same or looks alike.
    pub(in crate::services::chat) fn reserve(
        &self,
        person: &Person,
        name: &Name,
    ) -> Result<(), Name> {
        let mut tables = self.tables();
        match tables.nick_like(name, person) {
            Some(other) => Err(other),
            None => {
                tables.nicks.add(name);
                Ok(())
            }
        }
    }

    pub(in crate::services::chat) fn give_up(&self, person: &Person, name: &Name) {
        let mut tables = self.tables();
        tables.nicks.remove(name);
        // It may look like the other one.
        tables.nicks.add(&person.nick);
    }

    /// Renames a member of these rooms to a reserved name that was claimed.
    pub(in crate::services::chat) fn take(
        &self,
        person: &mut Person,
        name: &Name,
        rooms: &[&Room],
        contact: Contact,
    ) -> Was {
        let mut tables = self.tables();
        let was = tables.change_nick(person, name, rooms);
        let is_claimed = tables.claims.0.remove(&was).is_some();
        tables.claims.0.insert(name.clone(), contact);
        Was { name: was, is_claimed }
    }

    /// Renames a member that has lost its name.
    pub(in crate::services::chat) fn make_guest(
        &self,
        person: &mut Person,
        rooms: &[&Room],
    ) -> Name {
        let mut tables = self.tables();
        let guest = tables.guest_name();
        let was = tables.change_nick(person, &guest, rooms);
        tables.claims.0.remove(&was);
        was
    }

    /// Returns true if the name was claimed, and forgets it.
    pub(in crate::services::chat) fn forget_claim(&self, name: &Name) -> bool {
        self.tables().claims.0.remove(name).is_some()
    }

    /// Another node has a name of this one.
    pub(in crate::services::chat) fn lose(&self, name: &str) {
        let mut tables = self.tables();
        let Ok(name) = Name::new(name) else { return };
        if name.as_str() == tables.guest_mark() {
            // Guests of the two nodes keep the names that they have.
            tables.guest = guest(tables.chat.rotate_left(11).wrapping_add(tables.guests as u32));
            return;
        }
        if let Some(Contact { notifier, id }) = tables.claims.0.get(&name) {
            notifier.notify(*id, Box::new(Lost(name)));
        }
    }

    /// Returns true if a name in use here, or kept, has this key.
    pub(in crate::services::chat) fn has_key(&self, key: &str) -> bool {
        self.tables().nicks.has(key)
    }

    /// Returns true if a member here has this entry in the engine's list of a room.
    pub(in crate::services::chat) fn has_entry(&self, room: &str, of: &str) -> bool {
        let Ok(name) = Name::new(name_of(of)) else { return false };
        let tables = self.tables();
        let member = tables.rooms.get(room).and_then(|occupied| occupied.members.get(&name));
        member.is_some_and(|member| *entry(member.as_str(), tables.chat) == *of)
    }

    /// Returns all names of this node, for an engine that has none of them.
    pub(in crate::services::chat) fn roster(&self) -> VecDeque<Held> {
        let tables = self.tables();
        let claims = tables.claims.0.keys().cloned().map(Held::Claim);
        let members = tables.rooms.values().flat_map(|it| it.members.iter().map(|m| (&it.room, m)));
        let members = members.map(|(room, name)| Held::Seat(room.name.clone(), name.clone()));
        [Held::Mark].into_iter().chain(claims).chain(members).collect()
    }

    /// Returns requests for the next names of the [roster](Directory::roster) that members have
    /// still, up to `max`.
    pub(in crate::services::chat) fn tell_held(
        &self,
        left: &mut VecDeque<Held>,
        max: usize,
    ) -> Vec<Request> {
        let tables = self.tables();
        let held = std::iter::from_fn(|| left.pop_front());
        held.filter_map(|held| tables.request(&held)).take(max).collect()
    }
}

impl Tables {
    /// Returns the beginning of the names of this node's guests, without its hyphen: no other node
    /// may have it.
    fn guest_mark(&self) -> &str {
        self.guest.trim_end_matches('-')
    }

    /// Returns the request for a name of the roster, if a member has it still.
    fn request(&self, held: &Held) -> Option<Request> {
        match held {
            Held::Mark => Some(claim(&Name::of_fit(self.guest_mark()))),
            Held::Claim(name) => self.claims.0.get_key_value(name).map(|(name, _)| claim(name)),
            Held::Seat(room, name) => {
                let Occupied { room, members } = self.rooms.get(room)?;
                let name = entry(members.get(name)?.as_str(), self.chat);
                Some(Request::Enter { room: room.name.key().into(), name })
            }
        }
    }
}

/// Returns the beginning of the names of guests, with a mark of this random number.
fn guest(random: u32) -> String {
    let base = MARK.len() as u32;
    let digit = |number: u32| char::from(MARK[(number % base) as usize]);
    format!("guest-{}{}-", digit(random), digit(random / base))
}
