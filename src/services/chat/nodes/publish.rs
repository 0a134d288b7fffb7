//! Sends events to all nodes, and asks the engine about members. Must not know rooms or engines.

use super::record;
use crate::handler::context::Context;
use crate::handler::notification::Ticket;
use crate::handler::presence::Request;
use crate::services::chat::clean::append_clean;
use crate::services::chat::directory::claims;
use crate::services::chat::event::{Event, Person};
use crate::services::chat::name::Name;
use crate::topic::Topic;

/// Sends a text of a person to all nodes.
pub(in crate::services::chat) fn say(
    topic: &Topic,
    person: &Person,
    text: &[u8],
    tag: Option<&str>,
    cx: &mut Context<'_>,
) {
    let mut record = record::encode(person, Event::Said { text: "", tag }, cx.now());
    record.reserve_exact(text.len());
    append_clean(&mut record, text);
    cx.publish(topic, record);
}

/// Sends an event to all nodes, and enters the person in the engine's list of the room.
pub(in crate::services::chat) fn announce(
    topic: &Topic,
    room: &Name,
    person: &Person,
    event: Event<'_>,
    cx: &mut Context<'_>,
) {
    cx.publish(topic, record::encode(person, event, cx.now()));
    let key = || Box::from(room.key());
    let entry = |name: &str| claims::entry(name, person.by.chat);
    let enter = Request::Enter { room: key(), name: entry(person.nick.as_str()) };
    let leave = |name: &str| Request::Leave { room: key(), name: entry(name) };
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
pub(in crate::services::chat) fn ask_members(
    room: &Name,
    max: usize,
    cx: &mut Context<'_>,
) -> Ticket {
    cx.ask_presence(Request::Members { room: room.key().into(), max })
}
