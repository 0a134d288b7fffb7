//! A room: the topic of its lines, and the log of its events. Must not know its members.

use std::str;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(feature = "chat-web")]
use super::browser::log::Log;
use super::clean::append_clean;
use super::event::{Event, Person};
use super::name::Name;
use crate::handler::context::Context;
use crate::now::Now;
use crate::topic::Topic;

/// A room, as its members see it.
pub(super) struct Room {
    pub(super) name: Name,
    /// The topic of the members that get lines.
    pub(super) topic: Topic,
    /// The number of these members.
    listeners: AtomicUsize,
    /// The events, for the members that get events.
    #[cfg(feature = "chat-web")]
    pub(super) log: Log,
}

/// The form in which a member gets the events of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Lines,
    #[cfg(feature = "chat-web")]
    Events,
}

impl Room {
    pub(super) fn new(name: Name) -> Room {
        let topic = Topic::new(&format!("chat:{}", name.key()));
        Room {
            name,
            topic,
            listeners: AtomicUsize::new(0),
            #[cfg(feature = "chat-web")]
            log: Log::default(),
        }
    }

    /// Counts a member that gets lines.
    pub(super) fn add_listener(&self) {
        self.listeners.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_listener(&self) {
        self.listeners.fetch_sub(1, Ordering::Relaxed);
    }

    /// Tells all other members a text, which is not blank, of a person.
    pub(super) fn say(
        &self,
        person: &Person,
        text: &[u8],
        tag: Option<&str>,
        cx: &mut Context<'_>,
    ) {
        // The only allocation for a line, unless many characters have to be replaced.
        let nick = person.nick.as_str().as_bytes();
        let mut line = Vec::with_capacity(nick.len() + text.len() + 3);
        line.extend_from_slice(nick);
        line.extend_from_slice(b": ");
        let start = line.len();
        append_clean(&mut line, text);
        // Clean text is UTF-8.
        if self.is_recorded()
            && let Ok(text) = str::from_utf8(&line[start..])
        {
            self.record(person, &Event::Said { text, tag }, cx.now());
        }
        line.push(b'\n');
        self.publish(line, cx);
    }

    /// Tells an event, which is recorded already, to the other members that get lines.
    pub(super) fn announce(&self, person: &Person, event: &Event<'_>, cx: &mut Context<'_>) {
        self.publish(event.line(person).into_bytes(), cx);
    }

    /// Without members that get lines, nothing is sent to the loops.
    fn publish(&self, line: Vec<u8>, cx: &mut Context<'_>) {
        if self.listeners.load(Ordering::Relaxed) > 0 {
            cx.publish(&self.topic, line);
        }
    }
}

#[cfg(feature = "chat-web")]
impl Room {
    pub(super) fn is_recorded(&self) -> bool {
        self.log.is_on()
    }

    /// Records an event for the members that get events, if there are any. The events have the
    /// order of these calls.
    pub(super) fn record(&self, person: &Person, event: &Event<'_>, now: Now) {
        self.log.append(&self.name, person, event, now);
    }
}

/// All members get lines.
#[cfg(not(feature = "chat-web"))]
impl Room {
    #[allow(clippy::unused_self, reason = "the room decides, with a log")]
    pub(super) fn is_recorded(&self) -> bool {
        false
    }

    #[allow(clippy::unused_self, reason = "the room records, with a log")]
    pub(super) fn record(&self, _: &Person, _: &Event<'_>, _: Now) {}
}
