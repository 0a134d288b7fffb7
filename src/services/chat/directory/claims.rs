//! The claims of names: their requests, and the members that have them. Must not know tables.

use std::collections::HashMap;

use crate::handler::notifier::Notifier;
use crate::handler::presence::Request;
use crate::id::Id;
use crate::services::chat::name::Name;

/// The members of this process with names that it has claimed.
#[derive(Default)]
pub(super) struct Claims(pub(super) HashMap<Name, Contact>);

/// Reaches a member from any thread.
pub(in crate::services::chat) struct Contact {
    pub(in crate::services::chat) notifier: Notifier,
    pub(in crate::services::chat) id: Id,
}

/// The notification of a member that has lost this name.
pub(in crate::services::chat) struct Lost(pub(in crate::services::chat) Name);

/// A name of the roster of this node.
pub(in crate::services::chat) enum Held {
    /// The mark of its guests.
    Mark,
    Claim(Name),
    /// A room and a member.
    Seat(Name, Name),
}

/// A name whose claim has ended for this node.
pub(in crate::services::chat) struct Was {
    pub(in crate::services::chat) name: Name,
    /// The engine must be told so.
    pub(in crate::services::chat) is_claimed: bool,
}

/// Returns the entry of a member in the engine's list of a room. It has the chat as well: while two
/// nodes have the same name, until one of them has heard so, each has its own entry.
pub(in crate::services::chat) fn entry(name: &str, chat: u32) -> Box<str> {
    format!("{name}\t{chat:08x}").into()
}

/// Returns the name of an entry.
pub(in crate::services::chat) fn name_of(entry: &str) -> &str {
    entry.split_once('\t').map_or(entry, |(name, _)| name)
}

/// Returns the names of entries, in order.
pub(in crate::services::chat) fn names_of(entries: &[Box<str>]) -> Vec<Box<str>> {
    let mut names: Vec<Box<str>> = entries.iter().map(|entry| name_of(entry).into()).collect();
    names.sort();
    names
}

/// Returns true if only a guest may have this name, or one that looks like it.
pub(in crate::services::chat) fn is_for_guests(name: &Name) -> bool {
    let guest = Name::of_fit("guest-");
    let [guest, _] = guest.looks();
    name.looks().iter().any(|look| look.starts_with(&**guest))
}

/// Returns the claim of a name.
pub(in crate::services::chat) fn claim(name: &Name) -> Request {
    Request::Claim { keys: keys(name), name: name.as_str().into() }
}

/// Returns the release of a name. Keys that other names at this node have as well are kept.
pub(in crate::services::chat) fn release(name: &Name) -> Request {
    Request::Release { keys: keys(name) }
}

fn keys(name: &Name) -> Vec<Box<str>> {
    let [key, shown] = name.looks();
    let mut keys = vec![Box::from(&**key)];
    if key != shown {
        keys.push(Box::from(&**shown));
    }
    keys
}
