//! Host names looked up off the loop, a few at a time. Knows nothing of connections.

use std::collections::VecDeque;
use std::io;

use super::lookup::{Answer, Lookup, Question, Ticket};
use super::outbound::Outbound;
use crate::accept::PAUSE_MS;
use crate::exec::no_thread;
use crate::log_throttle::LogThrottle;
use crate::mailbox::{Doorbell, Mailbox};
use crate::now::Now;

/// Has names looked up in threads of their own, a few at a time: the system's resolver blocks, for
/// seconds when its servers do not answer, and cannot be interrupted.
pub(super) struct Resolver {
    answers: Mailbox<Answer>,
    running: usize,
    waiting: VecDeque<Question>,
    /// When the system is asked for a thread again, if it had none.
    retry_ms: u64,
    log_throttle: LogThrottle,
}

/// Lookups at once; the others wait for one of them to end.
const THREADS: usize = 4;

impl Resolver {
    pub(super) fn new(bell: &Doorbell) -> Resolver {
        Resolver {
            answers: Mailbox::new(bell),
            running: 0,
            waiting: VecDeque::new(),
            retry_ms: 0,
            log_throttle: LogThrottle::default(),
        }
    }

    /// Asks for the addresses of a host. The answer comes with its ticket.
    pub(super) fn ask<O: Outbound>(&mut self, question: Question, outbound: &O, now: Now) {
        self.waiting.push_back(question);
        self.start(outbound, now);
    }

    /// Drops a question whose answer is not wanted any more: names must not pile up behind a
    /// resolver that is slow. Returns true if it waited for a thread that the system did not have.
    pub(super) fn forget(&mut self, ticket: Ticket) -> bool {
        let lacks_thread = self.lacks_thread();
        // The first to give up has asked first, as a rule: the search ends where it begins.
        let at = self.waiting.iter().position(|question| question.ticket == ticket);
        at.and_then(|at| self.waiting.remove(at)).is_some() && lacks_thread
    }

    /// Drops all questions that no thread has.
    pub(super) fn forget_all(&mut self) {
        self.waiting.clear();
    }

    /// Questions wait, and not for one of the lookups to end.
    fn lacks_thread(&self) -> bool {
        !self.waiting.is_empty() && self.running < THREADS
    }

    /// Returns when to ask the system for a thread again.
    pub(super) fn retry_ms(&self) -> Option<u64> {
        self.lacks_thread().then_some(self.retry_ms)
    }

    fn start<O: Outbound>(&mut self, outbound: &O, now: Now) {
        if now.millis() < self.retry_ms {
            return;
        }
        while self.running < THREADS {
            let Some(question) = self.waiting.front() else { return };
            // A copy, for a thread that does not start keeps it.
            match outbound.start_lookup(Lookup::new(question.clone(), self.answers.clone())) {
                Ok(()) => {
                    self.running += 1;
                    self.waiting.pop_front();
                }
                Err(error) => return self.pause(&error, now),
            }
        }
    }

    fn pause(&mut self, error: &io::Error, now: Now) {
        if self.log_throttle.allows(now.millis()) {
            let error = no_thread("lookup", self.running + 1, THREADS, error);
            log::warn!("{error}; {} names wait", self.waiting.len());
        }
        self.retry_ms = now.millis() + PAUSE_MS;
    }

    /// Takes the answers that have come, and asks for what waits.
    pub(super) fn answers<O: Outbound>(&mut self, outbound: &O, now: Now) -> VecDeque<Answer> {
        let answers = match self.running {
            0 => VecDeque::new(),
            _ => self.answers.take_all(),
        };
        self.running -= answers.len();
        self.start(outbound, now);
        answers
    }
}
