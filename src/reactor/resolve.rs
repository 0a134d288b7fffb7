//! Host names looked up off the loop. Knows the system's resolver and the doorbell of the loop;
//! nothing of connections.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use super::system::System;
use crate::mailbox::{Doorbell, Mailbox};

/// Has names looked up in threads of their own, a few at a time: the system's resolver blocks, for
/// seconds when its servers do not answer, and cannot be interrupted.
pub(super) struct Resolver {
    answers: Mailbox<Answer>,
    running: usize,
    waiting: VecDeque<Question>,
}

/// What a question is known by.
pub(super) type Ticket = (usize, u64);

struct Question {
    ticket: Ticket,
    name: Box<str>,
    port: u16,
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

/// Lookups at once; the others wait for one of them to end.
const THREADS: usize = 4;

impl Resolver {
    pub(super) fn new(bell: &Doorbell) -> Resolver {
        Resolver { answers: Mailbox::new(bell), running: 0, waiting: VecDeque::new() }
    }

    /// Asks for the addresses of a host. The answer comes with its ticket.
    pub(super) fn ask<S: System>(&mut self, ticket: Ticket, name: Box<str>, port: u16, system: &S) {
        self.waiting.push_back(Question { ticket, name, port });
        self.start(system);
    }

    /// Nobody wants the answer any more: names that nobody waits for must not pile up behind a
    /// resolver that is slow.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        // Who gives up first has asked first, as a rule: the search ends where it begins.
        if let Some(at) = self.waiting.iter().position(|question| question.ticket == ticket) {
            self.waiting.remove(at);
        }
    }

    /// Whether no lookup is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.running == 0
    }

    fn start<S: System>(&mut self, system: &S) {
        while self.running < THREADS {
            let Some(question) = self.waiting.pop_front() else { return };
            let (ticket, answers) = (question.ticket, self.answers.clone());
            self.running += 1;
            if let Err(error) = system.start_lookup(Lookup { question, answers }) {
                drop(self.answers.send(Answer { ticket, addresses: Err(error) }));
            }
        }
    }

    /// Takes the answers that have come.
    pub(super) fn answers<S: System>(&mut self, system: &S) -> VecDeque<Answer> {
        if self.is_idle() {
            return VecDeque::new();
        }
        let answers = self.answers.take_all();
        self.running -= answers.len();
        self.start(system);
        answers
    }
}
