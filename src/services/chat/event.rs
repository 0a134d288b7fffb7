//! The events of a room, and the lines that tell them. Must not know their readers.

use std::fmt::Display;

use super::name::Name;

/// A member, as others see it.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) nick: Name,
    /// Identifies the member under all its names, among all that this chat ever had.
    #[cfg_attr(not(feature = "chat-web"), allow(dead_code, reason = "lines do not show it"))]
    pub(super) number: u64,
}

/// Something that a person does in a room.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "chat-web"), allow(dead_code, reason = "a line has its own bytes"))]
pub(super) enum Event<'a> {
    /// The text is clean. The tag is the sender's own, to recognise the event.
    Said {
        text: &'a str,
        tag: Option<&'a str>,
    },
    Joined,
    Left,
    /// The person has its new name already.
    Renamed {
        was: &'a Name,
    },
}

/// A line from the server, which no member can fake: the lines of members begin with a name.
pub(super) fn notice(text: impl Display) -> String {
    format!("* {text}\n")
}

impl Event<'_> {
    /// Returns the line that tells the event.
    pub(super) fn line(&self, person: &Person) -> String {
        let nick = &person.nick;
        match self {
            Event::Said { text, .. } => format!("{nick}: {text}\n"),
            Event::Joined => notice(format_args!("{nick} joined")),
            Event::Left => notice(format_args!("{nick} left")),
            Event::Renamed { was } => notice(format_args!("{was} is now {nick}")),
        }
    }
}
