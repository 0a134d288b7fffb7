//! One lookup of a host name, on its way to a thread and back. Knows the system's resolver.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::mailbox::Mailbox;

/// What a question is known by.
pub(super) type Ticket = (usize, u64);

#[derive(Clone)]
pub(super) struct Question {
    pub(super) ticket: Ticket,
    pub(super) name: Box<str>,
    pub(super) port: u16,
}

/// What became of the question with the ticket.
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

    /// Asks the system's resolver, and hands the answer to the loop.
    pub(super) fn run(self) {
        let addresses = self.question().to_socket_addrs().map(Iterator::collect);
        self.answer(addresses);
    }

    /// Hands an answer to the loop.
    pub(crate) fn answer(self, addresses: io::Result<Vec<SocketAddr>>) {
        // The mailbox takes it even if the server has ended.
        drop(self.answers.send(Answer { ticket: self.question.ticket, addresses }));
    }
}
