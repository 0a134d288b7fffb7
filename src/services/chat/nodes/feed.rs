//! The events of all nodes, for the members of this one. Must not know engines or connections.

use std::sync::Arc;

use super::record;
use crate::backplane::feed::{Feed, Mark, Recovery, SharedMessage};
use crate::handler::payload::Payload;
use crate::history::Position;
#[cfg(feature = "chat-web")]
use crate::protocol::ws::Frame;
#[cfg(feature = "chat-web")]
use crate::services::chat::browser::encode;
use crate::services::chat::directory::Directory;
use crate::services::chat::event::{Event, Form, notice};
use crate::services::chat::room::{Room, TOPICS};
use crate::topic::Topic;

/// Members with lines get the line of an event; the log of the room gets the event.
pub(in crate::services::chat) struct Events(pub(in crate::services::chat) Directory);

const MISSING: &str = "some messages may be missing";
const APART: &str = "the other nodes cannot be reached: the lines of their members will be missing";
const AGAIN: &str = "the other nodes are reached again";

impl Events {
    /// Returns the room of a topic, unless it is not known here.
    fn room(&self, topic: &Topic) -> Option<Arc<Room>> {
        self.0.room(topic.as_str().strip_prefix(TOPICS)?)
    }
}

impl Feed for Events {
    fn message(&mut self, message: &SharedMessage<'_>) -> Option<Payload> {
        let room = self.room(message.topic)?;
        let Some((told, _)) = record::decode(message.bytes) else {
            // Of a later version of this program.
            return self.mark(message.topic, Mark::Missing);
        };
        let told = room.hear(told);
        #[cfg(feature = "chat-web")]
        room.log.append_at(&room.name, message.position, &told);
        room.has_listeners().then(|| told.line().into())
    }

    fn mark(&mut self, topic: &Topic, why: Mark) -> Option<Payload> {
        let room = self.room(topic)?;
        room.miss();
        #[cfg(feature = "chat-web")]
        if let Some(history) = room.log.history() {
            history.mark();
        }
        let text = match why {
            Mark::Missing => MISSING,
            Mark::Apart => {
                room.set_apart(true);
                APART
            }
        };
        room.has_listeners().then(|| notice(text).into())
    }

    #[cfg(feature = "chat-web")]
    fn backlog(&self, topic: &Topic) -> u32 {
        let history = self.room(topic).and_then(|room| room.log.history());
        let messages = history.map_or(0, |history| history.max_messages());
        u32::try_from(messages).unwrap_or(u32::MAX)
    }

    #[cfg(feature = "chat-web")]
    fn earlier(&mut self, message: &SharedMessage<'_>) {
        if let Some(room) = self.room(message.topic)
            && let Some(at) = message.position
            && let Some((told, _)) = record::decode(message.bytes)
        {
            room.log.earlier(&room.name, at, &told);
        }
    }

    #[cfg_attr(not(feature = "chat-web"), allow(unused_variables, reason = "logs have positions"))]
    fn joined(&mut self, topic: &Topic, at: Position) -> Option<Payload> {
        let room = self.room(topic)?;
        room.miss();
        #[cfg(feature = "chat-web")]
        room.log.history()?.joined(at);
        None
    }

    #[cfg_attr(not(feature = "chat-web"), allow(unused_variables, reason = "logs have positions"))]
    fn recovered(&mut self, topic: &Topic, at: Position, _: Recovery) -> Option<Payload> {
        let room = self.room(topic)?;
        #[cfg(feature = "chat-web")]
        if let Some(history) = room.log.history() {
            history.recovered(at);
        }
        let was_apart = room.set_apart(false);
        (was_apart && room.has_listeners()).then(|| notice(AGAIN).into())
    }

    fn unshared(&mut self, message: &SharedMessage<'_>) -> Option<Payload> {
        let (told, form) = record::decode(message.bytes)?;
        let text = match told.event {
            Event::Said { .. } => {
                "the other nodes cannot be reached: that line may not have been sent"
            }
            Event::Joined => "the other nodes cannot be reached now: lines will not be sent",
            Event::Renamed { .. } => {
                "the other nodes cannot be reached: they may not have heard of the new name"
            }
            // It hears of the room no more.
            Event::Left => return None,
        };
        Some(match form {
            Form::Lines => notice(text).into(),
            #[cfg(feature = "chat-web")]
            Form::Messages => Payload::from(Frame::text(notice(text).trim_end())),
            #[cfg(feature = "chat-web")]
            Form::Events => {
                let tag = match told.event {
                    Event::Said { tag, .. } => tag,
                    _ => None,
                };
                let room = self.room(message.topic);
                let room = room.as_ref().map(|room| room.name.as_str());
                Payload::from(Frame::text(&encode::notice("unshared", text, room, tag)))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::now::Now;
    use crate::services::chat::event::{By, Person, Reach};
    use crate::services::chat::name::Name;

    fn directory() -> Directory {
        let directory = Directory::new(Name::of_fit("lobby"));
        directory.share();
        directory
    }

    #[cfg(feature = "chat-web")]
    #[test]
    fn no_more_is_asked_of_the_engine_than_the_history_of_a_room_holds() {
        let now = Now::default();
        let backlogs = |directory: Directory| {
            let (person, _) = directory.enter_outside();
            let rooms = (0..258).map(|number| {
                let room = Name::of_fit(&format!("room{number}"));
                directory.join_too(&person, &room, now).map(|(room, _)| room).ok().unwrap()
            });
            let rooms: Vec<Arc<Room>> = rooms.collect();
            let feed = Events(directory);
            [0, 255, 256, 257].map(|number: usize| feed.backlog(&rooms[number].topic))
        };
        // Without browsers there are no histories.
        assert_eq!(backlogs(directory()), [0; 4]);
        let long = directory();
        long.fit_histories(1_024);
        // Those after the first 256 are brief.
        assert_eq!(backlogs(long), [1_000, 1_000, 50, 50]);
        let short = directory();
        short.fit_histories(1_024);
        short.bound_histories(200, 64 * 1024);
        assert_eq!(backlogs(short), [200, 200, 50, 50]);
        assert_eq!(Events(directory()).backlog(&Topic::new("chat:unknown")), 0);
    }

    #[test]
    fn a_member_is_told_that_others_may_not_know_its_new_name() {
        let by = By { chat: 1, number: 2 };
        let nick = Name::of_fit("bob");
        let person = Person { nick, by, form: Form::Lines, reach: Reach::Nodes };
        let mut feed = Events(directory());
        let topic = Topic::new("chat:lobby");
        let mut told = |event| {
            let bytes = record::encode(&person, event, Now::default());
            let (position, author) = (None, None);
            let message = SharedMessage { topic: &topic, position, bytes: &bytes, author };
            feed.unshared(&message).map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
        };
        let expected =
            "* the other nodes cannot be reached: they may not have heard of the new name\n";
        assert_eq!(told(Event::Renamed { was: "ann" }).as_deref(), Some(expected));
        assert_eq!(told(Event::Left), None);
    }
}
