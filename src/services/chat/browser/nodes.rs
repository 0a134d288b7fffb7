//! A member with a browser among those of other nodes: its name, and the names in its rooms. Must
//! not know how requests are received.

use super::encode;
use super::member::{BrowserMember, NAMES_MAX, Seat};
use super::names::Names;
use crate::handler::context::Context;
use crate::handler::notification::{Notification, Ticket};
use crate::handler::presence::{Answer, Answered};
use crate::services::chat::directory::claims::{self, Lost};
use crate::services::chat::name::Name;
use crate::services::chat::nodes::naming::{self, Naming, Refusal};
use crate::services::chat::nodes::publish;
use crate::services::chat::room::Room;
use crate::services::ws::WsContext;

impl BrowserMember {
    /// Returns true while the member waits for a name, and its requests for the answer.
    pub(super) fn awaits_name(&self) -> bool {
        self.naming.is_some()
    }

    pub(super) fn ask_name(&mut self, name: Name, ws: &mut WsContext<'_, '_>) {
        match Naming::begin(&self.directory, &self.person, name, ws.cx()) {
            Ok(naming) => self.naming = Some(naming),
            Err(refusal) => refuse(&refusal, ws),
        }
    }

    /// Takes an answer of the other nodes.
    pub(super) fn hear(&mut self, notification: Notification, ws: &mut WsContext<'_, '_>) {
        match notification.downcast::<Answered>() {
            Ok(Answered { ticket, answer }) => {
                match self.naming.take_if(|naming| naming.is_asked_by(ticket)) {
                    Some(naming) => self.named(naming, answer, ws),
                    None => self.take_names(ticket, answer, ws),
                }
            }
            Err(other) => {
                if let Ok(Lost(name)) = other.downcast::<Lost>()
                    && name == self.person.nick
                {
                    let rooms: Vec<&Room> = self.seats.iter().map(|seat| &*seat.room).collect();
                    let text = naming::lose(&self.directory, &mut self.person, &rooms, ws.cx());
                    ws.send_text(&encode::notice("nick-lost", text, None, None));
                    ws.send_text(&encode::nick(&self.person.nick));
                }
            }
        }
    }

    fn named(&mut self, naming: Naming, answer: Answer, ws: &mut WsContext<'_, '_>) {
        let rooms: Vec<&Room> = self.seats.iter().map(|seat| &*seat.room).collect();
        match naming.end(answer, &self.directory, &mut self.person, &rooms, ws.cx()) {
            Ok(()) => ws.send_text(&encode::nick(&self.person.nick)),
            Err(refusal) => refuse(&refusal, ws),
        }
    }

    fn take_names(&mut self, ticket: Ticket, answer: Answer, ws: &mut WsContext<'_, '_>) {
        let is_asked = |seat: &&mut Seat| matches!(seat.names, Names::Asked(it) if it == ticket);
        let Some(seat) = self.seats.iter_mut().find(is_asked) else { return };
        if let Answer::Members { count, names } = answer {
            let names = claims::names_of(&names);
            seat.names = Names::Known { count: count.max(names.len() as u64), names };
            return;
        }
        seat.names = Names::Unasked;
        let (count, names) = self.directory.who(&seat.room, NAMES_MAX);
        ws.send_text(&encode::names(&seat.room.name, seat.position(), count, &names));
        let text = "these are the members at this node: those of others are not known now";
        ws.send_text(&encode::notice("apart", text, Some(seat.room.name.as_str()), None));
    }

    /// Lets other nodes have the names of a member that leaves.
    pub(super) fn give_up_names(&self, cx: &mut Context<'_>) {
        if let Some(naming) = &self.naming {
            naming.abandon(&self.directory, &self.person, cx);
        }
        if self.directory.forget_claim(&self.person.nick) {
            cx.ask_presence(claims::release(&self.person.nick));
        }
    }
}

impl Seat {
    /// Asks for the names that the member wants, and sends those that are known.
    pub(super) fn send_names_of_nodes(&mut self, ws: &mut WsContext<'_, '_>) {
        if self.wants_names && matches!(self.names, Names::Unasked) {
            self.wants_names = false;
            self.names = Names::Asked(publish::ask_members(&self.room.name, NAMES_MAX, ws.cx()));
        }
        if self.history.is_pending() {
            return;
        }
        if let Names::Known { count, names } = &self.names {
            ws.send_text(&encode::names(&self.room.name, self.position(), count, names));
            self.names = Names::Unasked;
        }
    }
}

fn refuse(refusal: &Refusal, ws: &mut WsContext<'_, '_>) {
    let code = match refusal {
        Refusal::Taken { .. } => "nick-taken",
        Refusal::Guest => "bad-name",
        Refusal::Away => "nick-later",
        Refusal::Never => "nick-never",
    };
    ws.send_text(&encode::notice(code, refusal, None, None));
}
