//! A history of a shared topic. Knows no engine and no connection.

use super::feed::{Feed, Mark, Recovery, SharedMessage};
use crate::handler::payload::Payload;
use crate::history::{History, Position};
use crate::topic::Topic;

/// Keeps the messages of one topic in a history. It has no text for publishers: no bytes suit each
/// protocol, and the server is the usual one.
pub(crate) struct Keep {
    topic: Topic,
    history: History,
}

impl Keep {
    pub(crate) fn new(topic: Topic, history: &History) -> Keep {
        history.follow_engine();
        Keep { topic, history: history.clone() }
    }

    /// Returns the history, if this is its topic and not another one that begins like it.
    fn of(&self, topic: &Topic) -> Option<&History> {
        (self.topic == *topic).then_some(&self.history)
    }
}

impl Feed for Keep {
    fn message(&mut self, message: &SharedMessage<'_>) -> Option<Payload> {
        if let Some(history) = self.of(message.topic) {
            match message.position {
                Some(at) => history.append_at(at, message.bytes),
                None => drop(history.append(message.bytes)),
            }
        }
        Some(message.bytes.into())
    }

    fn mark(&mut self, topic: &Topic, _: Mark) -> Option<Payload> {
        self.of(topic)?.mark();
        None
    }

    fn backlog(&self, topic: &Topic) -> u32 {
        let messages = self.of(topic).map_or(0, History::max_messages);
        u32::try_from(messages).unwrap_or(u32::MAX)
    }

    fn earlier(&mut self, message: &SharedMessage<'_>) {
        if let (Some(history), Some(at)) = (self.of(message.topic), message.position) {
            history.earlier(at, message.bytes);
        }
    }

    fn joined(&mut self, topic: &Topic, at: Position) -> Option<Payload> {
        self.of(topic)?.joined(at);
        None
    }

    fn recovered(&mut self, topic: &Topic, at: Position, _: Recovery) -> Option<Payload> {
        self.of(topic)?.recovered(at);
        None
    }
}
