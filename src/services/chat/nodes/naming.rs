//! The change of a name that no other member of any node may have. Must not know how its member is
//! told.

use std::fmt::{self, Display};

use crate::handler::context::Context;
use crate::handler::notification::Ticket;
use crate::handler::presence::Answer;
use crate::services::chat::directory::Directory;
use crate::services::chat::directory::claims::{self, Contact};
use crate::services::chat::event::{Event, Person};
use crate::services::chat::name::Name;
use crate::services::chat::room::Room;

/// A claim that is not answered. The name is kept from other members of this process meanwhile.
pub(in crate::services::chat) struct Naming {
    ticket: Ticket,
    name: Name,
}

/// The reason for which a member keeps its name.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::services::chat) enum Refusal {
    /// Another member has this name or one that looks like it.
    Taken {
        name: String,
        other: String,
    },
    Guest,
    /// The engine cannot be reached.
    Away,
    /// The engine keeps no names.
    Never,
}

impl Naming {
    /// Asks for a name.
    pub(in crate::services::chat) fn begin(
        directory: &Directory,
        person: &Person,
        name: Name,
        cx: &mut Context<'_>,
    ) -> Result<Naming, Refusal> {
        if claims::is_for_guests(&name) {
            return Err(Refusal::Guest);
        }
        if let Err(other) = directory.reserve(person, &name) {
            return Err(Refusal::Taken { name: name.to_string(), other: other.to_string() });
        }
        let ticket = cx.ask_presence(claims::claim(&name));
        Ok(Naming { ticket, name })
    }

    pub(in crate::services::chat) fn is_asked_by(&self, ticket: Ticket) -> bool {
        self.ticket == ticket
    }

    /// Renames the member in these rooms, if the name is its own now.
    pub(in crate::services::chat) fn end(
        self,
        answer: Answer,
        directory: &Directory,
        person: &mut Person,
        rooms: &[&Room],
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let Naming { name, .. } = self;
        let refusal = match answer {
            Answer::Claimed => {
                let contact = Contact { notifier: cx.notifier(), id: cx.id() };
                let was = directory.take(person, &name, rooms, contact);
                if was.is_claimed {
                    cx.ask_presence(claims::release(&was.name));
                }
                announce(person, &was.name, rooms, cx);
                return Ok(());
            }
            Answer::Taken(other) => {
                Refusal::Taken { name: name.to_string(), other: other.into_string() }
            }
            Answer::Members { .. } | Answer::Away => Refusal::Away,
            Answer::Unsupported => Refusal::Never,
        };
        directory.give_up(person, &name);
        if refusal != Refusal::Never {
            // A member that had it may have given it back after it was kept for this one.
            cx.ask_presence(claims::release(&name));
        }
        Err(refusal)
    }

    /// Its member leaves.
    pub(in crate::services::chat) fn abandon(
        &self,
        directory: &Directory,
        person: &Person,
        cx: &mut Context<'_>,
    ) {
        directory.give_up(person, &self.name);
        cx.ask_presence(claims::release(&self.name));
    }
}

/// Makes a member a guest again, because another node has its name.
pub(in crate::services::chat) fn lose(
    directory: &Directory,
    person: &mut Person,
    rooms: &[&Room],
    cx: &mut Context<'_>,
) -> String {
    let was = directory.make_guest(person, rooms);
    announce(person, &was, rooms, cx);
    format!("{was} is a member of another node meanwhile: you are {} now", person.nick)
}

fn announce(person: &Person, was: &Name, rooms: &[&Room], cx: &mut Context<'_>) {
    for room in rooms {
        room.announce(person, Event::Renamed { was: was.as_str() }, cx);
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Taken { name, other } if is_same(name, other) => {
                write!(f, "{name} is taken: choose another name")
            }
            Refusal::Taken { name, other } => {
                write!(f, "{name} looks like {other}: choose another name")
            }
            Refusal::Guest => {
                f.write_str("names that begin with guest- are for guests: choose another name")
            }
            Refusal::Never => {
                f.write_str("names cannot be changed here: the engine of the nodes keeps no names")
            }
            Refusal::Away => {
                f.write_str("names cannot be changed now: the other nodes cannot be reached")
            }
        }
    }
}

/// Returns true for two spellings of one name.
fn is_same(name: &str, other: &str) -> bool {
    matches!((Name::new(name), Name::new(other)), (Ok(name), Ok(other)) if name == other)
}
