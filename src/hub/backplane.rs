//! The topics of a server that span several nodes. Must not know an engine's protocol.

use super::Hub;
use super::transport::Transport;
use crate::handler::notification::{Notification, Ticket};
use crate::handler::presence::{Answer, Answered, Request};
use crate::id::Id;

impl<T: Transport> Hub<T> {
    /// Asks the engine about names, and notifies the handler of the answer.
    pub(super) fn ask_presence(&mut self, from: Id, ticket: Ticket, _: Request) {
        let answered = Answered { ticket, answer: Answer::Away };
        self.notify(Id::NOBODY, from, Notification::Message(Box::new(answered)));
    }
}
