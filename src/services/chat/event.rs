//! The events of a room, and the lines that tell them. Must not know their readers.

use std::fmt::{self, Display};

use super::name::Name;
use crate::now::Now;

/// A member of this process.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) nick: Name,
    pub(super) by: By,
    pub(super) form: Form,
    pub(super) reach: Reach,
}

/// Identifies a member under all its names, among all that any chat ever had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct By {
    /// A random number, which no other chat has.
    pub(super) chat: u32,
    pub(super) number: u64,
}

/// The form in which a member gets the events of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As lines: output of its connection.
    Lines,
    /// As lines: notifications of its handler.
    #[cfg(feature = "chat-web")]
    Messages,
    #[cfg(feature = "chat-web")]
    Events,
}

impl Form {
    pub(super) fn is_lines(self) -> bool {
        match self {
            Form::Lines => true,
            #[cfg(feature = "chat-web")]
            Form::Messages => true,
            #[cfg(feature = "chat-web")]
            Form::Events => false,
        }
    }
}

/// The members of a room that get the events of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those of this process.
    Here,
    /// Those of all nodes: events go through the engine.
    #[cfg(feature = "backplane")]
    Nodes,
}

/// Something that a person does in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        was: &'a str,
    },
}

/// An event, as the members of a room are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "chat-web"), allow(dead_code, reason = "lines do not show all of it"))]
pub(super) struct Told<'a> {
    pub(super) nick: &'a str,
    pub(super) by: By,
    pub(super) event: Event<'a>,
    pub(super) unix_seconds: u64,
    pub(super) namesake: Namesake,
}

/// Another member with the name that a person gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namesake {
    None,
    /// It got the name while the engine of the nodes did not hear of the person's, and keeps it.
    #[cfg(feature = "backplane")]
    Stays,
}

impl Display for Namesake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Namesake::None => f.write_str(""),
            #[cfg(feature = "backplane")]
            Namesake::Stays => f.write_str("another "),
        }
    }
}

/// A line from the server, which no member can fake: the lines of members begin with a name.
pub(super) fn notice(text: impl Display) -> String {
    format!("* {text}\n")
}

impl Person {
    pub(super) fn tells<'a>(&'a self, event: Event<'a>, now: Now) -> Told<'a> {
        let (nick, namesake) = (self.nick.as_str(), Namesake::None);
        Told { nick, by: self.by, event, unix_seconds: now.unix_seconds(), namesake }
    }
}

impl Told<'_> {
    /// Returns the line that tells the event.
    pub(super) fn line(&self) -> String {
        let Told { nick, namesake, .. } = self;
        match self.event {
            Event::Said { text, .. } => format!("{nick}: {text}\n"),
            Event::Joined => notice(format_args!("{nick} joined")),
            Event::Left => notice(format_args!("{namesake}{nick} left")),
            Event::Renamed { was } => notice(format_args!("{namesake}{was} is now {nick}")),
        }
    }
}

impl Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.chat, self.number)
    }
}
