//! One lookup of a host name by a thread. Knows the system's resolver.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::mailbox::Mailbox;

/// Identifies a lookup.
pub(super) type Ticket = (usize, u64);

#[derive(Clone)]
pub(super) struct Question {
    pub(super) ticket: Ticket,
    pub(super) name: Box<str>,
    pub(super) port: u16,
}

/// The answer to the lookup with this ticket.
pub(super) struct Answer {
    pub(super) ticket: Ticket,
    pub(super) addresses: io::Result<Vec<SocketAddr>>,
}

/// A name to be looked up by a thread.
pub(crate) struct Lookup {
    question: Question,
    answers: Mailbox<Answer>,
}

impl Lookup {
    pub(super) fn new(question: Question, answers: Mailbox<Answer>) -> Lookup {
        Lookup { question, answers }
    }

    /// Returns the name and the port to look up.
    pub(crate) fn question(&self) -> (&str, u16) {
        (&self.question.name, self.question.port)
    }

    /// Calls the system's resolver, and sends the answer to the loop.
    pub(super) fn run(self) {
        let addresses = self.question().to_socket_addrs().map(Iterator::collect);
        self.answer(addresses);
    }

    /// Sends an answer to the loop.
    pub(crate) fn answer(self, addresses: io::Result<Vec<SocketAddr>>) {
        // The mailbox accepts it even after the end of the server.
        drop(self.answers.send(Answer { ticket: self.question.ticket, addresses }));
    }
}
