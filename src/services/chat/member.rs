//! One member of the chat with lines: handles a line, tells the room, and answers the member. Must
//! not know how lines are received and sent.

use std::sync::Arc;

use super::clean::is_blank;
use super::command::{Command, HELP};
use super::directory::{Directory, Farewell};
use super::event::{Event, Person, notice};
use super::name::Name;
use super::name_rules::NameError;
use super::room::{Form, Room};
use crate::handler::context::Context;

/// A person in a room.
pub(super) struct Member {
    directory: Directory,
    person: Person,
    room: Arc<Room>,
    delivery: Delivery,
}

/// The way in which the lines of the room reach a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// As output of its connection.
    Output,
    /// As notifications of its handler.
    #[cfg(feature = "chat-web")]
    Handler,
}

/// The answer to a line, for its member alone.
pub(super) enum Answer {
    Nothing,
    Text(String),
    /// The last one: the member leaves.
    Bye(String),
}

/// The most names that `/who` lists; the rest are only counted.
const WHO_MAX: usize = 50;

impl Member {
    /// Adds a member to the lobby. Returns the welcome as well.
    pub(super) fn enter(
        directory: Directory,
        delivery: Delivery,
        cx: &mut Context<'_>,
    ) -> (Member, String) {
        let (person, room) = directory.enter(cx.now());
        let member = Member { directory, person, room, delivery };
        member.arrive(cx);
        let greeting = notice(format_args!(
            "welcome: you are {} in {}; /help lists the commands",
            member.person.nick, member.room.name
        ));
        (member, greeting)
    }

    /// Handles a line of the member.
    pub(super) fn say(&mut self, line: &[u8], cx: &mut Context<'_>) -> Answer {
        if let Some(command) = line.strip_prefix(b"/") {
            return self.obey(Command::parse(&String::from_utf8_lossy(command)), cx);
        }
        if !is_blank(line) {
            self.room.say(&self.person, line, None, cx);
        }
        Answer::Nothing
    }

    /// Removes the member.
    pub(super) fn leave(&self, cx: &mut Context<'_>) {
        let farewell = Farewell::of(cx);
        let rooms = [&*self.room].into_iter();
        self.directory.leave(&self.person, Form::Lines, rooms, farewell, cx.now());
        if farewell == Farewell::Told {
            self.room.announce(&self.person, &Event::Left, cx);
        }
    }

    fn obey(&mut self, command: Command<'_>, cx: &mut Context<'_>) -> Answer {
        Answer::Text(match command {
            Command::Nick(name) => match Name::new(name) {
                Ok(name) => self.rename(name, cx),
                Err(why) => refusal(why),
            },
            Command::Join(room) => match Name::new(room) {
                Ok(room) => self.go(&room, cx),
                Err(why) => refusal(why),
            },
            Command::Who => self.who(),
            Command::Help => HELP.iter().map(notice).collect(),
            Command::Quit => return Answer::Bye(notice("bye")),
            Command::Unknown => notice("there is no such command: /help lists the commands"),
        })
    }

    fn rename(&mut self, name: Name, cx: &mut Context<'_>) -> String {
        let was = self.person.nick.clone();
        if name.is_spelled_like(&was) {
            return notice(format_args!("you are {name} already"));
        }
        let rooms = [&*self.room].into_iter();
        if let Err(other) = self.directory.rename(&mut self.person, &name, rooms, cx.now()) {
            return notice(name_taken(&name, &other));
        }
        self.room.announce(&self.person, &Event::Renamed { was: &was }, cx);
        notice(format_args!("you are now {name}"))
    }

    fn go(&mut self, room: &Name, cx: &mut Context<'_>) -> String {
        if *room == self.room.name {
            return notice(format_args!("you are in {} already", self.room.name));
        }
        let from = Some(&*self.room);
        let next = match self.directory.join(&self.person, Form::Lines, from, room, cx.now()) {
            Ok(next) => next,
            Err(other) => {
                return notice(format_args!(
                    "{room} looks like {other}: choose another name, or /join {other}"
                ));
            }
        };
        self.room.announce(&self.person, &Event::Left, cx);
        cx.leave(&self.room.topic);
        self.room = next;
        self.arrive(cx);
        notice(format_args!("you are now in {}", self.room.name))
    }

    fn who(&self) -> String {
        let (count, names) = self.directory.who(&self.room, WHO_MAX);
        let told: Vec<&str> = names.iter().map(Name::as_str).collect();
        let mut text = format!("{count} in {}: {}", self.room.name, told.join(", "));
        if count > names.len() {
            text += &format!(" and {} more", count - names.len());
        }
        notice(text)
    }

    fn arrive(&self, cx: &mut Context<'_>) {
        match self.delivery {
            Delivery::Output => cx.join(&self.room.topic),
            #[cfg(feature = "chat-web")]
            Delivery::Handler => cx.subscribe(&self.room.topic),
        }
        self.room.announce(&self.person, &Event::Joined, cx);
    }
}

/// Returns the reason for which a member may not have this name.
pub(super) fn name_taken(name: &Name, other: &Name) -> String {
    match other == name {
        true => format!("{name} is taken: choose another name"),
        false => format!("{name} looks like {other}: choose another name"),
    }
}

fn refusal(why: NameError) -> String {
    notice(why)
}
