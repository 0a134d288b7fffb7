//! A member with lines among those of other nodes: its questions, and their answers. Must not know
//! how lines are received and sent.

use super::naming::{self, Naming};
use super::publish;
use super::question::{Heard, Question};
use crate::handler::context::Context;
use crate::handler::notification::Notification;
use crate::handler::presence::{self, Answered};
use crate::services::chat::directory::claims::{self, Lost};
use crate::services::chat::event::notice;
use crate::services::chat::member::{Answer, Member, WHO_MAX, who};
use crate::services::chat::name::Name;

impl Member {
    pub(in crate::services::chat) fn hear(
        &mut self,
        notification: Notification,
        cx: &mut Context<'_>,
    ) -> Heard {
        match notification.downcast::<Answered>() {
            Ok(answered) => self.answered(answered, cx).map_or(Heard::Nothing, Heard::Answer),
            Err(other) => match other.downcast::<Lost>() {
                Ok(Lost(name)) if name == self.person.nick => {
                    let rooms = [&*self.room];
                    let text = naming::lose(&self.directory, &mut self.person, &rooms, cx);
                    Heard::Notice(notice(text))
                }
                _ => Heard::Nothing,
            },
        }
    }

    pub(in crate::services::chat) fn ask_name(
        &mut self,
        name: Name,
        cx: &mut Context<'_>,
    ) -> Answer {
        match Naming::begin(&self.directory, &self.person, name, cx) {
            Ok(naming) => {
                self.asked = Some(Question::Name(naming));
                Answer::Later
            }
            Err(refusal) => Answer::Text(notice(refusal)),
        }
    }

    pub(in crate::services::chat) fn ask_members(&mut self, cx: &mut Context<'_>) -> Answer {
        self.asked = Some(Question::Members(publish::ask_members(&self.room.name, WHO_MAX, cx)));
        Answer::Later
    }

    fn answered(&mut self, answered: Answered, cx: &mut Context<'_>) -> Option<String> {
        let Answered { ticket, answer } = answered;
        let asked = self.asked.take_if(|asked| match asked {
            Question::Name(naming) => naming.is_asked_by(ticket),
            Question::Members(asked) => *asked == ticket,
        });
        Some(match asked? {
            Question::Name(naming) => {
                let rooms = [&*self.room];
                match naming.end(answer, &self.directory, &mut self.person, &rooms, cx) {
                    Ok(()) => notice(format_args!("you are now {}", self.person.nick)),
                    Err(refusal) => notice(refusal),
                }
            }
            Question::Members(_) => notice(match answer {
                presence::Answer::Members { count, names } => {
                    let names = claims::names_of(&names);
                    let count = usize::try_from(count).unwrap_or(usize::MAX);
                    who(count.max(names.len()), &self.room.name, &names, "")
                }
                _ => {
                    let (count, names) = self.directory.who(&self.room, WHO_MAX);
                    let remark = " at this node (those of others are not known now)";
                    who(count, &self.room.name, &names, remark)
                }
            }),
        })
    }

    /// Lets other nodes have the names of a member that leaves.
    pub(in crate::services::chat) fn give_up_names(&self, cx: &mut Context<'_>) {
        if let Some(Question::Name(naming)) = &self.asked {
            naming.abandon(&self.directory, &self.person, cx);
        }
        if self.directory.forget_claim(&self.person.nick) {
            cx.ask_presence(claims::release(&self.person.nick));
        }
    }
}
