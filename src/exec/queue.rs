//! Work on its way from a loop to the threads that wait for it. Must not know the kind of work.

use std::collections::VecDeque;

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// While there is late work, one piece in 64 is late: it waits long, but not for ever.
const IN_A_ROW: u8 = 63;

/// The treatment of a queued piece of work, once its purpose may be lost.
pub(super) enum Fate {
    Keep,
    /// Others go first.
    Late,
    Withdraw,
}

/// A first-in, first-out queue that threads can wait for.
pub(super) struct WorkQueue<T> {
    state: Mutex<State<T>>,
    /// Signalled when work is queued and when the queue is closed.
    changed: Condvar,
}

struct State<T> {
    work: VecDeque<T>,
    /// Work that waits for the rest.
    late: VecDeque<T>,
    /// The number of pieces taken since the last late one, at most [`IN_A_ROW`].
    in_a_row: u8,
    /// The number of threads that wait or are about to wake.
    idle: usize,
    is_closed: bool,
}

impl<T> State<T> {
    fn is_empty(&self) -> bool {
        self.work.is_empty() && self.late.is_empty()
    }

    fn pop(&mut self) -> Option<T> {
        if (self.in_a_row < IN_A_ROW || self.late.is_empty())
            && let Some(work) = self.work.pop_front()
        {
            self.in_a_row = (self.in_a_row + 1).min(IN_A_ROW);
            return Some(work);
        }
        self.in_a_row = 0;
        self.late.pop_front()
    }

    fn take_all(&mut self) -> VecDeque<T> {
        let mut work = std::mem::take(&mut self.work);
        work.append(&mut self.late);
        work
    }
}

impl<T> WorkQueue<T> {
    pub(super) fn new() -> WorkQueue<T> {
        let (work, late) = (VecDeque::new(), VecDeque::new());
        let state = State { work, late, in_a_row: 0, idle: 0, is_closed: false };
        WorkQueue { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The lock is never poisoned: no code under it can panic.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues work and wakes as many threads as it needs. Busy threads look at the queue again when
    /// they are done.
    pub(super) fn extend(&self, work: impl IntoIterator<Item = T>) {
        let mut state = self.lock();
        let before = state.work.len();
        state.work.extend(work);
        let sleeping = state.idle.min(state.work.len() - before);
        drop(state);
        for _ in 0..sleeping {
            self.changed.notify_one();
        }
    }

    /// Waits for the next piece of work. Returns `None` once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.pop() {
                return Some(work);
            }
            if state.is_closed {
                return None;
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Returns true if there is work that no thread has begun.
    pub(super) fn has_work(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Takes the next piece of work, if there is one.
    #[cfg(feature = "testkit")]
    pub(super) fn try_next(&self) -> Option<T> {
        self.lock().pop()
    }

    /// Sorts the work that no thread has begun and that is not late. Returns the pieces that are
    /// withdrawn.
    pub(super) fn sort(&self, fate: impl Fn(&T) -> Fate) -> Vec<T> {
        let mut withdrawn = Vec::new();
        let mut state = self.lock();
        for work in std::mem::take(&mut state.work) {
            match fate(&work) {
                Fate::Keep => state.work.push_back(work),
                Fate::Late => state.late.push_back(work),
                Fate::Withdraw => withdrawn.push(work),
            }
        }
        withdrawn
    }

    /// Takes back the work that no thread has begun.
    pub(super) fn take_back(&self) -> VecDeque<T> {
        self.lock().take_all()
    }

    /// Closes the queue, which ends the waiting threads, and returns the work that no thread has
    /// begun.
    pub(super) fn close(&self) -> VecDeque<T> {
        let mut state = self.lock();
        state.is_closed = true;
        let work = state.take_all();
        drop(state);
        self.changed.notify_all();
        work
    }
}
