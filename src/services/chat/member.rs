//! One member of the chat with lines: handles a line, tells the room, and answers the member. Must
//! not know how lines are received and sent.

use std::fmt::Display;
use std::sync::Arc;

use super::clean::is_blank;
use super::command::{Command, HELP};
use super::directory::{Directory, Farewell};
use super::event::{Event, Form, Person, Reach, notice};
use super::name::Name;
use super::name_rules::NameError;
#[cfg(feature = "backplane")]
use super::nodes::question::Question;
use super::room::Room;
use crate::handler::context::Context;

/// A person in a room.
pub(super) struct Member {
    pub(super) directory: Directory,
    pub(super) person: Person,
    pub(super) room: Arc<Room>,
    /// The question to the other nodes that is not answered.
    #[cfg(feature = "backplane")]
    pub(super) asked: Option<Question>,
}

/// The answer to a line, for its member alone.
pub(super) enum Answer {
    Nothing,
    Text(String),
    /// The last one: the member leaves.
    Bye(String),
    /// The other nodes are asked. The next line is read after their answer.
    #[cfg(feature = "backplane")]
    Later,
}

/// The most names that `/who` lists; the rest are only counted.
pub(super) const WHO_MAX: usize = 50;

impl Member {
    /// Adds a member to the lobby. Returns the welcome as well.
    pub(super) fn enter(
        directory: Directory,
        form: Form,
        cx: &mut Context<'_>,
    ) -> (Member, String) {
        let (person, room) = directory.enter(form, cx.now());
        let member = Member {
            directory,
            person,
            room,
            #[cfg(feature = "backplane")]
            asked: None,
        };
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
        #[cfg(feature = "backplane")]
        self.give_up_names(cx);
        let farewell = Farewell::of(&self.person, cx);
        let rooms = [&*self.room].into_iter();
        self.directory.leave(&self.person, rooms, farewell, cx.now());
        if farewell == Farewell::Told {
            self.room.announce(&self.person, Event::Left, cx);
        }
    }

    fn obey(&mut self, command: Command<'_>, cx: &mut Context<'_>) -> Answer {
        Answer::Text(match command {
            Command::Nick(name) => match Name::new(name) {
                Ok(name) => return self.rename(name, cx),
                Err(why) => refusal(why),
            },
            Command::Join(room) => match Name::new(room) {
                Ok(room) => self.go(&room, cx),
                Err(why) => refusal(why),
            },
            Command::Who => return self.who(cx),
            Command::Help => HELP.iter().map(notice).collect(),
            Command::Quit => return Answer::Bye(notice("bye")),
            Command::Unknown => notice("there is no such command: /help lists the commands"),
        })
    }

    fn rename(&mut self, name: Name, cx: &mut Context<'_>) -> Answer {
        if name.is_spelled_like(&self.person.nick) {
            return Answer::Text(notice(format_args!("you are {name} already")));
        }
        match self.person.reach {
            Reach::Here => Answer::Text(self.rename_here(&name, cx)),
            #[cfg(feature = "backplane")]
            Reach::Nodes => self.ask_name(name, cx),
        }
    }

    fn rename_here(&mut self, name: &Name, cx: &mut Context<'_>) -> String {
        let was = self.person.nick.clone();
        let rooms = [&*self.room].into_iter();
        if let Err(other) = self.directory.rename(&mut self.person, name, rooms, cx.now()) {
            return notice(name_taken(name, &other));
        }
        self.room.announce(&self.person, Event::Renamed { was: was.as_str() }, cx);
        notice(format_args!("you are now {name}"))
    }

    fn go(&mut self, room: &Name, cx: &mut Context<'_>) -> String {
        if *room == self.room.name {
            return notice(format_args!("you are in {} already", self.room.name));
        }
        let from = Some(&*self.room);
        let next = match self.directory.join(&self.person, from, room, cx.now()) {
            Ok(next) => next,
            Err(other) => {
                return notice(format_args!(
                    "{room} looks like {other}: choose another name, or /join {other}"
                ));
            }
        };
        self.room.announce(&self.person, Event::Left, cx);
        cx.leave(&self.room.topic);
        self.room = next;
        self.arrive(cx);
        notice(format_args!("you are now in {}", self.room.name))
    }

    #[cfg_attr(not(feature = "backplane"), allow(unused_variables, reason = "asks other nodes"))]
    fn who(&mut self, cx: &mut Context<'_>) -> Answer {
        match self.person.reach {
            Reach::Here => Answer::Text(self.who_here()),
            #[cfg(feature = "backplane")]
            Reach::Nodes => self.ask_members(cx),
        }
    }

    fn who_here(&self) -> String {
        let (count, names) = self.directory.who(&self.room, WHO_MAX);
        notice(who(count, &self.room.name, &names, ""))
    }

    fn arrive(&self, cx: &mut Context<'_>) {
        match self.person.form {
            Form::Lines => cx.join(&self.room.topic),
            #[cfg(feature = "chat-web")]
            Form::Messages | Form::Events => cx.subscribe(&self.room.topic),
        }
        self.room.announce(&self.person, Event::Joined, cx);
    }
}

/// Returns the text of `/who`. After the number comes a `remark`.
pub(super) fn who(count: usize, room: &Name, names: &[impl Display], remark: &str) -> String {
    let told: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut text = format!("{count} in {room}{remark}: {}", told.join(", "));
    if count > names.len() {
        text += &format!(" and {} more", count - names.len());
    }
    text
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
