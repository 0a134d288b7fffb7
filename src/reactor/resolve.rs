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
    /// The lookups whose threads have not ended.
    running: Vec<Running>,
    waiting: VecDeque<Question>,
    /// When to try again to start a thread, after the system did not provide one.
    retry_ms: Option<u64>,
    log_throttle: LogThrottle,
}

struct Running {
    ticket: Ticket,
    /// It holds one of the [`PLACES`] until then; 0 once it holds none.
    place_until_ms: u64,
}

/// The most lookups that hold a place at once; the others are queued.
const PLACES: usize = 4;

/// How long a lookup holds its place: an unanswered name must not hold up others for as long as the
/// system's resolver tries.
const PLACE_MS: u64 = 500;

/// The most threads, with those of lookups without a place.
const THREADS: usize = 64;

impl Resolver {
    pub(super) fn new(bell: &Doorbell) -> Resolver {
        Resolver {
            answers: Mailbox::new(bell),
            running: Vec::new(),
            waiting: VecDeque::new(),
            retry_ms: None,
            log_throttle: LogThrottle::default(),
        }
    }

    /// Looks up the addresses of a host. The answer carries the ticket of the question.
    pub(super) fn ask<O: Outbound>(&mut self, question: Question, outbound: &O, now: Now) {
        self.waiting.push_back(question);
        self.start(outbound, now);
    }

    /// Drops a question: names must not pile up while the resolver is slow. A running lookup gives
    /// its place to another. Returns true if the question waited for a thread that the system did
    /// not provide.
    pub(super) fn forget(&mut self, ticket: Ticket) -> bool {
        if let Some(running) = self.running.iter_mut().find(|it| it.ticket == ticket) {
            running.place_until_ms = 0;
            return false;
        }
        // Usually the oldest question is dropped first, so the search is short.
        let at = self.waiting.iter().position(|question| question.ticket == ticket);
        at.and_then(|at| self.waiting.remove(at)).is_some() && self.retry_ms.is_some()
    }

    /// Drops all queued questions.
    pub(super) fn forget_all(&mut self) {
        self.waiting.clear();
    }

    /// Returns the times at which the places of running lookups are free.
    fn places(&self) -> impl Iterator<Item = u64> {
        self.running.iter().map(|it| it.place_until_ms).filter(|until_ms| *until_ms > 0)
    }

    /// Returns the time of the next try to start a thread.
    pub(super) fn retry_ms(&self) -> Option<u64> {
        match (self.waiting.len(), self.running.len()) {
            (0, _) => None,
            (_, THREADS..) => None,
            _ if self.retry_ms.is_some() => self.retry_ms,
            _ if self.places().count() < PLACES => Some(0),
            _ => self.places().min(),
        }
    }

    fn start<O: Outbound>(&mut self, outbound: &O, now: Now) {
        if self.retry_ms.is_some_and(|retry_ms| now.millis() < retry_ms) {
            return;
        }
        for running in &mut self.running {
            if running.place_until_ms <= now.millis() {
                running.place_until_ms = 0;
            }
        }
        while self.running.len() < THREADS && self.places().count() < PLACES {
            let Some(question) = self.waiting.front() else { return };
            let (ticket, place_until_ms) = (question.ticket, now.millis() + PLACE_MS);
            // A copy, because a thread that does not start drops it.
            match outbound.start_lookup(Lookup::new(question.clone(), self.answers.clone())) {
                Ok(()) => {
                    self.retry_ms = None;
                    self.running.push(Running { ticket, place_until_ms });
                    self.waiting.pop_front();
                }
                Err(error) => return self.pause(&error, now),
            }
        }
    }

    fn pause(&mut self, error: &io::Error, now: Now) {
        if self.log_throttle.allows(now.millis()) {
            let error = no_thread("lookup", self.running.len() + 1, THREADS, error);
            log::warn!("{error}; {} names queued", self.waiting.len());
        }
        self.retry_ms = Some(now.millis() + PAUSE_MS);
    }

    /// Takes the answers that have arrived, and starts queued lookups.
    pub(super) fn answers<O: Outbound>(&mut self, outbound: &O, now: Now) -> VecDeque<Answer> {
        let answers = match self.running.is_empty() {
            true => VecDeque::new(),
            false => self.answers.take_all(),
        };
        for answer in &answers {
            self.running.retain(|it| it.ticket != answer.ticket);
        }
        self.start(outbound, now);
        answers
    }
}
