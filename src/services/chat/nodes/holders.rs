//! The members of a room that got a name last, as far as this node has heard. Must not know rooms
//! or engines.
//!
//! A node that the engine does not hear of for a while loses its names, and does not know it: a
//! member of another node may take one. When the first node is back, its member leaves or is
//! renamed under a name that the others know as that of the second one.

use std::collections::HashMap;

use crate::services::chat::event::{By, Event, Namesake, Told};

/// Members with a name that they have chosen. The names of guests are never given twice.
#[derive(Default)]
pub(in crate::services::chat) struct Holders(HashMap<String, By>);

/// The most names of a room. More begin anew: then a notice may lack a word.
const NAMES_MAX: usize = 16_384;

impl Holders {
    /// Notes an event; each node has them in the same order. Tells if another member has the name
    /// that is given up.
    pub(in crate::services::chat) fn note(&mut self, told: &Told<'_>) -> Namesake {
        match told.event {
            Event::Said { .. } => Namesake::None,
            Event::Joined => {
                self.give(told.nick, told.by);
                Namesake::None
            }
            Event::Left => self.take(told.nick, told.by),
            Event::Renamed { was } => {
                let namesake = self.take(was, told.by);
                self.give(told.nick, told.by);
                namesake
            }
        }
    }

    /// Some events were missed.
    pub(in crate::services::chat) fn forget(&mut self) {
        self.0.clear();
    }

    fn give(&mut self, nick: &str, by: By) {
        if nick.starts_with("guest-") {
            return;
        }
        if self.0.len() >= NAMES_MAX {
            self.forget();
        }
        self.0.insert(nick.to_lowercase(), by);
    }

    fn take(&mut self, nick: &str, by: By) -> Namesake {
        let key = nick.to_lowercase();
        match self.0.get(&key) {
            Some(holder) if *holder != by => Namesake::Stays,
            _ => {
                self.0.remove(&key);
                Namesake::None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(number: u64, nick: &'static str, event: Event<'static>) -> Told<'static> {
        let by = By { chat: 1, number };
        Told { nick, by, event, unix_seconds: 0, namesake: Namesake::None }
    }

    #[test]
    fn the_last_member_that_got_a_name_has_it() {
        let mut holders = Holders::default();
        let mut line = |told: Told<'static>| {
            Told { namesake: holders.note(&told), ..told }.line().trim_end().to_owned()
        };
        let renamed = |was| Event::Renamed { was };
        assert_eq!(line(told(1, "bob", renamed("guest-1"))), "* guest-1 is now bob");
        assert_eq!(line(told(1, "Bob", renamed("bob"))), "* bob is now Bob");
        assert_eq!(line(told(2, "bob", renamed("guest-2"))), "* guest-2 is now bob");
        assert_eq!(line(told(1, "guest-3", renamed("Bob"))), "* another Bob is now guest-3");
        assert_eq!(line(told(1, "guest-3", Event::Left)), "* guest-3 left");
        assert_eq!(line(told(3, "bob", Event::Left)), "* another bob left");
        assert_eq!(line(told(2, "bob", Event::Left)), "* bob left");
        // Nothing is known of these.
        assert_eq!(line(told(4, "ann", Event::Left)), "* ann left");
        assert_eq!(line(told(5, "bob", Event::Joined)), "* bob joined");
        assert_eq!(line(told(6, "bob", renamed("bob"))), "* another bob is now bob");
    }

    #[test]
    fn names_are_bounded() {
        let mut holders = Holders::default();
        for number in 0..2 * NAMES_MAX as u64 {
            let nick = format!("n{number}");
            let by = By { chat: 1, number };
            let event = Event::Joined;
            let joined = Told { nick: &nick, by, event, unix_seconds: 0, namesake: Namesake::None };
            holders.note(&joined);
            assert!(holders.0.len() <= NAMES_MAX);
        }
    }
}
