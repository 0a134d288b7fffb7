//! Rooms that span several nodes: events and names go through the engine of a backplane. Must not
//! know engines or connections.

mod feed;
pub(super) mod naming;
pub(super) mod questions;
mod record;
mod roster;

use self::feed::Events;
use self::roster::Roster;
use super::Chat;
use super::clean::append_clean;
use super::event::{Event, Person};
use super::room::{Room, TOPICS};
use crate::backplane::config::Backplane;
use crate::handler::context::Context;
use crate::handler::notification::Ticket;
use crate::handler::presence::Request;

/// Rooms that span several nodes.
impl Chat {
    /// Makes this chat one of several nodes, whose members share rooms and names through the engine
    /// of `backplane`. Returns the backplane with the topics of the chat, for the server. One
    /// backplane serves one chat.
    ///
    /// Lines and notices have one order at all nodes. A member is told if some may be missing
    /// (`* some messages may be missing`), and if the engine is away: then nothing is sent, and
    /// names cannot be changed. Guests are called `guest-XX-N`, where `XX` are two characters of
    /// the node. `docs/chat.md` of this crate has the details.
    ///
    /// ```
    /// use socketserver::Backplane;
    /// use socketserver::services::chat::Chat;
    ///
    /// fn share(backplane: Backplane) -> (Chat, Backplane) {
    ///     let chat = Chat::new();
    ///     let backplane = chat.share(backplane);
    ///     (chat, backplane)
    /// }
    /// ```
    #[must_use]
    pub fn share(&self, backplane: Backplane) -> Backplane {
        self.directory.share();
        let roster = Box::new(Roster::new(self.directory.clone()));
        Backplane { roster: Some(roster), ..backplane }
            .share(TOPICS, Events(self.directory.clone()))
    }
}

/// Sends a text of a person to all nodes.
pub(super) fn say(
    room: &Room,
    person: &Person,
    text: &[u8],
    tag: Option<&str>,
    cx: &mut Context<'_>,
) {
    let mut record = record::encode(person, Event::Said { text: "", tag }, cx.now());
    record.reserve_exact(text.len());
    append_clean(&mut record, text);
    cx.publish(&room.topic, record);
}

/// Sends an event to all nodes, and tells the engine who is in the room.
pub(super) fn announce(room: &Room, person: &Person, event: Event<'_>, cx: &mut Context<'_>) {
    cx.publish(&room.topic, record::encode(person, event, cx.now()));
    let key = || Box::from(room.name.key());
    let enter = Request::Enter { room: key(), name: person.nick.as_str().into() };
    let leave = |name: &str| Request::Leave { room: key(), name: name.into() };
    match event {
        Event::Said { .. } => {}
        Event::Joined => drop(cx.ask_presence(enter)),
        Event::Left => drop(cx.ask_presence(leave(person.nick.as_str()))),
        Event::Renamed { was } => {
            cx.ask_presence(leave(was));
            cx.ask_presence(enter);
        }
    }
}

/// Asks for the members of a room at all nodes.
pub(super) fn ask_members(room: &Room, max: usize, cx: &mut Context<'_>) -> Ticket {
    cx.ask_presence(Request::Members { room: room.name.key().into(), max })
}
