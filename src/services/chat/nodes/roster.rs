//! The names of this node, for an engine that has lost them. Must not know engines.

use std::collections::VecDeque;

use crate::handler::presence::{self, Request};
use crate::services::chat::directory::Directory;
use crate::services::chat::directory::claims::Held;

/// Tells the names in pieces. They are noted at once, because those that go in between would shift
/// the others; the requests are made when they are told.
pub(in crate::services::chat) struct Roster {
    directory: Directory,
    left: VecDeque<Held>,
}

/// The names that are told at once.
const PIECE: usize = 500;

impl Roster {
    pub(in crate::services::chat) fn new(directory: Directory) -> Roster {
        Roster { directory, left: VecDeque::new() }
    }
}

impl presence::Roster for Roster {
    fn note_names(&mut self) {
        self.left = self.directory.roster();
    }

    fn next_names(&mut self) -> Vec<Request> {
        self.directory.tell_held(&mut self.left, PIECE)
    }

    fn has_key(&self, key: &str) -> bool {
        self.directory.has_key(key)
    }

    fn has_member(&self, room: &str, name: &str) -> bool {
        self.directory.has_entry(room, name)
    }

    fn lost(&mut self, claim: &Request) {
        if let Request::Claim { name, .. } = claim {
            self.directory.lose(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::presence::Roster as _;
    use crate::now::Now;
    use crate::services::chat::directory::Farewell;
    use crate::services::chat::event::Form;
    use crate::services::chat::name::Name;

    #[test]
    fn a_name_is_kept_while_a_member_has_it_or_waits_for_it() {
        let directory = Directory::new(Name::of_fit("lobby"));
        directory.share();
        let roster = Roster::new(directory.clone());
        let (one, room) = directory.enter(Form::Lines, Now::default());
        let entry = |name: &str| crate::services::chat::directory::claims::entry(name, one.by.chat);
        assert!(roster.has_member("lobby", &entry(one.nick.as_str())));
        assert!(!roster.has_member("lobby", &entry(&one.nick.as_str().to_uppercase())));
        assert!(!roster.has_member("tea", &entry(one.nick.as_str())));
        assert!(!roster.has_key("bob"));
        let bob = Name::of_fit("bob");
        assert!(directory.reserve(&one, &bob).is_ok());
        assert!(roster.has_key("bob"));
        directory.give_up(&one, &bob);
        assert!(!roster.has_key("bob"));
        directory.leave(&one, [&*room].into_iter(), Farewell::Told, Now::default());
        assert!(!roster.has_member("lobby", &entry(one.nick.as_str())));
    }

    #[test]
    fn names_are_told_in_pieces_without_those_that_have_gone() {
        let directory = Directory::new(Name::of_fit("lobby"));
        directory.share();
        let mut roster = Roster::new(directory.clone());
        let enter = |_| directory.enter(Form::Lines, Now::default());
        let members: Vec<_> = (0..2 * PIECE).map(enter).collect();
        roster.note_names();
        let first = roster.next_names();
        assert_eq!(first.len(), PIECE);
        for (person, room) in &members {
            directory.leave(person, [&**room].into_iter(), Farewell::Told, Now::default());
        }
        directory.enter(Form::Lines, Now::default());
        // The later one tells the engine itself.
        assert!(roster.next_names().is_empty());
        // The mark of the node is a claim.
        roster.note_names();
        assert_eq!(roster.next_names().len(), 2);
    }
}
