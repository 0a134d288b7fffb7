//! Host names looked up off the loop. Knows the system's resolver and the doorbell of the loop;
//! nothing of connections.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::thread;

use crate::mailbox::{Doorbell, Mailbox};

/// Looks names up in threads of their own, a few at a time: the system's resolver blocks, for
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

/// Lookups at once; the others wait for one of them to end.
const THREADS: usize = 4;

impl Resolver {
    pub(super) fn new(bell: &Doorbell) -> Resolver {
        Resolver { answers: Mailbox::new(bell), running: 0, waiting: VecDeque::new() }
    }

    /// Asks for the addresses of a host. The answer comes with its ticket.
    pub(super) fn ask(&mut self, ticket: Ticket, name: Box<str>, port: u16) {
        self.waiting.push_back(Question { ticket, name, port });
        self.start();
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

    fn start(&mut self) {
        while self.running < THREADS {
            let Some(Question { ticket, name, port }) = self.waiting.pop_front() else { return };
            let answers = self.answers.clone();
            let lookup = move || {
                let addresses = (&*name, port).to_socket_addrs().map(Iterator::collect);
                // The mailbox takes it even if the server has ended.
                drop(answers.send(Answer { ticket, addresses }));
            };
            self.running += 1;
            if let Err(error) = thread::Builder::new().name("resolver".into()).spawn(lookup) {
                drop(self.answers.send(Answer { ticket, addresses: Err(error) }));
            }
        }
    }

    /// Takes the answers that have come.
    pub(super) fn answers(&mut self) -> VecDeque<Answer> {
        if self.is_idle() {
            return VecDeque::new();
        }
        let answers = self.answers.take_all();
        self.running -= answers.len();
        self.start();
        answers
    }
}
