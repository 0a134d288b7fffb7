//! Host names looked up off the loop, a few at a time. Knows nothing of connections.

use std::collections::VecDeque;

use super::lookup::{Answer, Lookup, Question, Ticket};
use super::system::System;
use crate::mailbox::{Doorbell, Mailbox};

/// Has names looked up in threads of their own, a few at a time: the system's resolver blocks, for
/// seconds when its servers do not answer, and cannot be interrupted.
pub(super) struct Resolver {
    answers: Mailbox<Answer>,
    running: usize,
    waiting: VecDeque<Question>,
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
            if let Err(error) = system.start_lookup(Lookup::new(question, answers)) {
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
