//! A room: the topic of its lines, and the log of its events. Must not know its members.

use std::str;
#[cfg(feature = "backplane")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(feature = "backplane")]
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(feature = "chat-web")]
use super::browser::log::Log;
use super::clean::append_clean;
#[cfg(feature = "backplane")]
use super::event::Told;
use super::event::{Event, Person, Reach};
use super::name::Name;
#[cfg(feature = "backplane")]
use super::nodes::holders::Holders;
#[cfg(feature = "backplane")]
use super::nodes::publish;
use crate::handler::context::Context;
use crate::now::Now;
use crate::topic::Topic;

/// The beginning of the names of topics.
pub(super) const TOPICS: &str = "chat:";

/// A room, as its members see it.
pub(super) struct Room {
    pub(super) name: Name,
    /// The topic of the members that get lines. With a backplane it has all members, of all nodes.
    pub(super) topic: Topic,
    /// The number of members that get lines.
    listeners: AtomicUsize,
    /// The members get lines of this node only.
    #[cfg(feature = "backplane")]
    is_apart: AtomicBool,
    #[cfg(feature = "backplane")]
    holders: Mutex<Holders>,
    /// The events, for the members that get events.
    #[cfg(feature = "chat-web")]
    pub(super) log: Log,
}

impl Room {
    pub(super) fn new(name: Name) -> Room {
        let topic = Topic::new(&format!("{TOPICS}{}", name.key()));
        Room {
            name,
            topic,
            listeners: AtomicUsize::new(0),
            #[cfg(feature = "backplane")]
            is_apart: AtomicBool::new(false),
            #[cfg(feature = "backplane")]
            holders: Mutex::default(),
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

    pub(super) fn has_listeners(&self) -> bool {
        self.listeners.load(Ordering::Relaxed) > 0
    }

    /// Tells all other members a text, which is not blank, of a person.
    pub(super) fn say(
        &self,
        person: &Person,
        text: &[u8],
        tag: Option<&str>,
        cx: &mut Context<'_>,
    ) {
        match person.reach {
            Reach::Here => self.say_here(person, text, tag, cx),
            #[cfg(feature = "backplane")]
            Reach::Nodes => publish::say(&self.topic, person, text, tag, cx),
        }
    }

    fn say_here(&self, person: &Person, text: &[u8], tag: Option<&str>, cx: &mut Context<'_>) {
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
            self.record(person, Event::Said { text, tag }, cx.now());
        }
        line.push(b'\n');
        self.publish(line, cx);
    }

    /// Tells an event, which is recorded already, to the other members that get lines. With a
    /// backplane it is recorded when it returns, and told then.
    pub(super) fn announce(&self, person: &Person, event: Event<'_>, cx: &mut Context<'_>) {
        match person.reach {
            Reach::Here => self.publish(person.tells(event, cx.now()).line().into_bytes(), cx),
            #[cfg(feature = "backplane")]
            Reach::Nodes => publish::announce(&self.topic, &self.name, person, event, cx),
        }
    }

    /// Without members that get lines, nothing is sent to the loops.
    fn publish(&self, line: Vec<u8>, cx: &mut Context<'_>) {
        if self.has_listeners() {
            cx.publish(&self.topic, line);
        }
    }
}

#[cfg(feature = "backplane")]
impl Room {
    /// Returns an event of all nodes as the members of this one are told of it.
    pub(super) fn hear<'a>(&self, told: Told<'a>) -> Told<'a> {
        match told.event {
            Event::Said { .. } => told,
            _ => Told { namesake: self.holders().note(&told), ..told },
        }
    }

    /// Notes that events were missed.
    pub(super) fn miss(&self) {
        self.holders().forget();
    }

    /// The lock is taken by the loop with the exchange alone, and nothing under it can panic.
    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes whether the members get lines of this node only. Returns the earlier state.
    pub(super) fn set_apart(&self, is_apart: bool) -> bool {
        self.is_apart.swap(is_apart, Ordering::Relaxed)
    }
}

#[cfg(feature = "chat-web")]
impl Room {
    pub(super) fn is_recorded(&self) -> bool {
        self.log.is_on()
    }

    /// Records an event for the members that get events, if there are any. The events have the
    /// order of these calls.
    pub(super) fn record(&self, person: &Person, event: Event<'_>, now: Now) {
        if person.reach == Reach::Here {
            self.log.append(&self.name, &person.tells(event, now), now);
        }
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
    pub(super) fn record(&self, _: &Person, _: Event<'_>, _: Now) {}
}
