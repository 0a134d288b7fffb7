//! The logs of all rooms of a chat: their bounds, and how long they are kept. Must not know
//! members.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::log::KEPT;
use crate::history::History;
use crate::now::Now;
use crate::services::chat::event::{Form, Person, Reach};
use crate::services::chat::room::Room;

/// Opens and forgets the logs of rooms.
pub(in crate::services::chat) struct Archive {
    messages: usize,
    bytes: usize,
    /// The room that the longest event takes; 0 if there are no browsers.
    event: usize,
    /// The number of rooms with a log.
    logs: usize,
    /// The rooms without browsers whose log is kept, each with the time at which the last one left.
    unread: VecDeque<(Duration, Arc<Room>)>,
}

/// The bounds of a log.
const MESSAGES: usize = 1000;
const BYTES: usize = 256 * 1024;
/// The most rooms with such a log. Those of further rooms are brief: enough for members that are
/// connected.
const LOGS_MAX: usize = 256;
const BRIEF: (usize, usize) = (50, 16 * 1024);
/// The most bytes of a frame for each byte of its text: U+FFFD takes the place of one byte.
const GROWTH: usize = 3;
/// The bytes of a frame besides the text. Names have at most 128 bytes.
const FRAME: usize = 1024;
/// The most rooms without browsers whose log is kept.
const UNREAD_MAX: usize = 64;

impl Archive {
    pub(in crate::services::chat) fn new() -> Archive {
        Archive { messages: MESSAGES, bytes: BYTES, event: 0, logs: 0, unread: VecDeque::new() }
    }

    pub(in crate::services::chat) fn set_bounds(&mut self, messages: usize, bytes: usize) {
        (self.messages, self.bytes) = (messages.max(BRIEF.0), bytes.max(BRIEF.1));
    }

    /// Makes room for texts of this length in each history: an event that does not fit is lost.
    pub(in crate::services::chat) fn fit(&mut self, text: usize) {
        self.event = text.saturating_mul(GROWTH).saturating_add(FRAME);
    }

    /// Returns true if a room with this member has a log. With a backplane, all rooms have one:
    /// a browser that comes from another node has read the events before it.
    pub(in crate::services::chat) fn is_for(&self, person: &Person) -> bool {
        match person.reach {
            Reach::Here => person.form == Form::Events,
            #[cfg(feature = "backplane")]
            Reach::Nodes => self.event > 0,
        }
    }

    /// Opens the log of a room for one more member.
    pub(in crate::services::chat) fn open(&mut self, room: &Arc<Room>, reach: Reach) {
        let kept = self.unread.iter().position(|(_, other)| Arc::ptr_eq(other, room));
        match kept {
            Some(at) => drop(self.unread.remove(at)),
            None if room.log.is_on() => {}
            None => self.logs += 1,
        }
        let (messages, bytes) = match self.logs <= LOGS_MAX {
            true => (self.messages, self.bytes),
            false => BRIEF,
        };
        let bytes = bytes.max(self.event);
        room.log.open(|| {
            let history = History::new(messages, bytes);
            match reach {
                Reach::Here => {}
                #[cfg(feature = "backplane")]
                Reach::Nodes => history.follow_engine(),
            }
            history
        });
    }

    /// Notes that a member has left a room.
    pub(in crate::services::chat) fn close(&mut self, room: &Arc<Room>, now: Now) {
        if room.log.close(now) {
            self.unread.push_back((now.elapsed(), Arc::clone(room)));
        }
    }

    /// Forgets the log of one room whose time is over, or that is one too many. Returns the room.
    pub(in crate::services::chat) fn forget_one(&mut self, now: Now) -> Option<Arc<Room>> {
        let (since, _) = self.unread.front()?;
        if self.unread.len() <= UNREAD_MAX && now.elapsed() < since.saturating_add(KEPT) {
            return None;
        }
        let (_, room) = self.unread.pop_front()?;
        room.log.forget();
        self.logs -= 1;
        Some(room)
    }
}
