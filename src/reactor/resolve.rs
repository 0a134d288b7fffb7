//! Looks up host names outside of the loop, a few at a time. Must not know connections.

use std::collections::VecDeque;
use std::io;

use super::lookup::{Answer, Lookup, Question, Ticket};
use super::outbound::Outbound;
use crate::accept::PAUSE_MS;
use crate::exec::no_thread;
use crate::log_throttle::LogThrottle;
use crate::mailbox::{Doorbell, Mailbox};
use crate::now::Now;

/// Looks up names in separate threads, a few at a time: the system's resolver blocks, for seconds
/// when its servers do not answer, and cannot be interrupted.
pub(super) struct Resolver {
    answers: Mailbox<Answer>,
    running: usize,
    waiting: VecDeque<Question>,
    /// When to try again to start a thread.
    retry_ms: u64,
    log_throttle: LogThrottle,
}

/// The most lookups at once; the others are queued.
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

    /// Looks up the addresses of a host. The answer carries the ticket of the question.
    pub(super) fn ask<O: Outbound>(&mut self, question: Question, outbound: &O, now: Now) {
        self.waiting.push_back(question);
        self.start(outbound, now);
    }

    /// Drops a question: names must not pile up while the resolver is slow. Returns true if it
    /// waited for a thread that the system did not provide.
    pub(super) fn forget(&mut self, ticket: Ticket) -> bool {
        let lacks_thread = self.lacks_thread();
        // Usually the oldest question is dropped first, so the search is short.
        let at = self.waiting.iter().position(|question| question.ticket == ticket);
        at.and_then(|at| self.waiting.remove(at)).is_some() && lacks_thread
    }

    /// Drops all queued questions.
    pub(super) fn forget_all(&mut self) {
        self.waiting.clear();
    }

    /// Returns true if questions wait for a thread, and not for a running lookup to end.
    fn lacks_thread(&self) -> bool {
        !self.waiting.is_empty() && self.running < THREADS
    }

    /// Returns the time of the next try to start a thread.
    pub(super) fn retry_ms(&self) -> Option<u64> {
        self.lacks_thread().then_some(self.retry_ms)
    }

    fn start<O: Outbound>(&mut self, outbound: &O, now: Now) {
        if now.millis() < self.retry_ms {
            return;
        }
        while self.running < THREADS {
            let Some(question) = self.waiting.front() else { return };
            // A copy, because a thread that does not start drops it.
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
            log::warn!("{error}; {} names queued", self.waiting.len());
        }
        self.retry_ms = now.millis() + PAUSE_MS;
    }

    /// Takes the answers that have arrived, and starts queued lookups.
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
