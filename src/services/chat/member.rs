//! One member of the chat: handles a line, tells the room, and answers the member. Must not know
//! how lines are received and sent.

use std::fmt::Display;
use std::sync::Arc;

use super::clean::{append_clean, is_blank};
use super::command::{Command, HELP};
use super::directory::{Directory, Room};
use super::name::Name;
use super::name_rules::NameError;
use crate::close::Close;
use crate::handler::context::Context;

/// A person with a name and a room.
pub(super) struct Member {
    directory: Directory,
    nick: Name,
    room: Arc<Room>,
}

/// The most names that `/who` lists; the rest are only counted.
const WHO_MAX: usize = 50;

/// A line from the server, which no member can fake: the lines of members begin with a name.
pub(super) fn notice(text: impl Display) -> String {
    format!("* {text}\n")
}

impl Member {
    /// Adds a member to the lobby. Returns the welcome as well.
    pub(super) fn enter(directory: Directory, cx: &mut Context<'_>) -> (Member, String) {
        let (nick, room) = directory.enter();
        let member = Member { directory, nick, room };
        member.arrive(cx);
        let greeting = notice(format_args!(
            "welcome: you are {} in {}; /help lists the commands",
            member.nick, member.room.name
        ));
        (member, greeting)
    }

    /// Handles a line of the member. Returns the answer for this member alone, if there is one.
    pub(super) fn say(&mut self, line: &[u8], cx: &mut Context<'_>) -> Option<String> {
        if let Some(command) = line.strip_prefix(b"/") {
            return Some(self.obey(Command::parse(&String::from_utf8_lossy(command)), cx));
        }
        if is_blank(line) {
            return None;
        }
        // The only allocation for a line, unless many characters have to be replaced.
        let nick = self.nick.as_str().as_bytes();
        let mut said = Vec::with_capacity(nick.len() + line.len() + 3);
        said.extend_from_slice(nick);
        said.extend_from_slice(b": ");
        append_clean(&mut said, line);
        said.push(b'\n');
        cx.publish(&self.room.topic, said);
        None
    }

    /// Removes the member. While the server stops, all members leave and are told so: telling each
    /// of them of every other would take lines by the square of their number.
    pub(super) fn leave(&self, cx: &mut Context<'_>) {
        self.directory.leave(&self.nick, &self.room);
        if !cx.is_stopping() {
            self.tell_room(format_args!("{} left", self.nick), cx);
        }
    }

    fn obey(&mut self, command: Command<'_>, cx: &mut Context<'_>) -> String {
        match command {
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
            Command::Quit => {
                cx.close(Close::Done);
                notice("bye")
            }
            Command::Unknown => notice("there is no such command: /help lists the commands"),
        }
    }

    fn rename(&mut self, name: Name, cx: &mut Context<'_>) -> String {
        if name.is_spelled_like(&self.nick) {
            return notice(format_args!("you are {name} already"));
        }
        if let Err(other) = self.directory.rename(&self.room, &self.nick, &name) {
            return match other == name {
                true => notice(format_args!("{name} is taken: choose another name")),
                false => notice(format_args!("{name} looks like {other}: choose another name")),
            };
        }
        self.tell_room(format_args!("{} is now {name}", self.nick), cx);
        self.nick = name;
        notice(format_args!("you are now {}", self.nick))
    }

    fn go(&mut self, room: &Name, cx: &mut Context<'_>) -> String {
        if *room == self.room.name {
            return notice(format_args!("you are in {} already", self.room.name));
        }
        let next = match self.directory.go(&self.nick, &self.room, room) {
            Ok(next) => next,
            Err(other) => {
                return notice(format_args!(
                    "{room} looks like {other}: choose another name, or /join {other}"
                ));
            }
        };
        self.tell_room(format_args!("{} left", self.nick), cx);
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
        cx.join(&self.room.topic);
        self.tell_room(format_args!("{} joined", self.nick), cx);
    }

    /// Sends a notice to all other members of the room.
    fn tell_room(&self, text: impl Display, cx: &mut Context<'_>) {
        cx.publish(&self.room.topic, notice(text).into_bytes());
    }
}

fn refusal(why: NameError) -> String {
    notice(why)
}
