//! The topics of a server that span several nodes: their publishers go through the exchange of the
//! first shard, and their members get messages from there. Must not know an engine's protocol.

mod desk;
mod home;

use std::sync::Arc;

pub(super) use self::desk::Desk;

use self::home::Home;
use super::shards::ShardMessage;
#[cfg(feature = "testkit")]
use crate::backplane::exchange::Exchange;
#[cfg(feature = "testkit")]
use crate::backplane::presence::Presence;
use crate::backplane::sharing::Sharing;
#[cfg(feature = "testkit")]
use crate::handler::notification::Ticket;
use crate::id::Id;
use crate::now::Now;
use crate::topic::Topic;

/// The shard with the exchange.
const HOME: usize = 0;

/// The part of a shard in the topics that span several nodes.
pub(crate) struct SharedTopics {
    /// The beginnings of their names.
    prefixes: Arc<[Box<str>]>,
    role: Role,
    /// The publishers that are throttled until the engine has accepted more.
    throttled: Vec<Id>,
    /// True if publishers were held at the end of the last turn.
    is_held: bool,
}

enum Role {
    Home(Box<Home>),
    /// The home is another shard.
    Branch,
}

impl SharedTopics {
    pub(super) fn new(sharing: Sharing, now: Now) -> SharedTopics {
        let (prefixes, role) = match sharing {
            Sharing::Home(backplane) => {
                let prefixes = backplane.prefixes();
                (prefixes, Role::Home(Box::new(Home::new(*backplane, now))))
            }
            Sharing::Branch(prefixes) => (prefixes, Role::Branch),
        };
        SharedTopics { prefixes, role, throttled: Vec::new(), is_held: false }
    }

    #[cold]
    pub(super) fn shares(&self, topic: &Topic) -> bool {
        self.prefixes.iter().any(|prefix| topic.as_str().starts_with(&**prefix))
    }

    fn home(&self) -> Option<&Home> {
        match &self.role {
            Role::Home(home) => Some(home),
            Role::Branch => None,
        }
    }

    fn home_mut(&mut self) -> Option<&mut Home> {
        match &mut self.role {
            Role::Home(home) => Some(home),
            Role::Branch => None,
        }
    }

    /// Returns true while publishers must wait for the engine.
    pub(super) fn holds(&self) -> bool {
        match &self.role {
            Role::Home(home) => home.holds_publishers(),
            Role::Branch => self.is_held,
        }
    }

    /// Returns the publishers that are throttled.
    #[cfg(debug_assertions)]
    pub(super) fn throttled(&self) -> Vec<Id> {
        self.throttled.clone()
    }

    /// Returns the time of the next work for the exchange, in milliseconds.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.home().and_then(Home::due_ms)
    }

    /// Returns true if messages for other nodes wait for the engine.
    pub(super) fn is_sending(&self) -> bool {
        self.home().is_some_and(Home::is_sending)
    }

    /// Returns the connection to the engine, which outlives those of clients.
    pub(super) fn link(&self) -> Option<Id> {
        self.home().and_then(Home::link)
    }

    /// Notes that a topic has gained its first member in a shard, or lost its last one.
    pub(super) fn note_change(&mut self, topic: &Topic) {
        if self.shares(topic)
            && let Some(home) = self.home_mut()
        {
            home.note_change(topic.clone());
        }
    }

    /// Notes a change of a topic in another shard.
    pub(super) fn note_message(&mut self, message: &ShardMessage) {
        if let ShardMessage::Interest { topic, .. } = message {
            self.note_change(topic);
        }
    }

    /// Notes that a shard has ended, with its members.
    pub(super) fn note_end(&mut self) {
        if let Some(home) = self.home_mut() {
            home.note_all_changed();
        }
    }
}

/// For simulations.
#[cfg(feature = "testkit")]
impl SharedTopics {
    /// Returns the requests about names, if this shard has the exchange.
    pub(crate) fn presence(&self) -> Option<&Presence<(Id, Ticket)>> {
        self.home().map(Home::presence)
    }

    /// Returns the exchange, if this shard has it.
    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        self.home().map(Home::exchange)
    }
}
