//! Work on its way from a loop to the threads that wait for it. Must not know the kind of work.

use std::collections::VecDeque;

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A first-in, first-out queue that threads can wait for.
pub(super) struct WorkQueue<T> {
    state: Mutex<State<T>>,
    /// Signalled when work is queued and when the queue is closed.
    changed: Condvar,
}

struct State<T> {
    work: VecDeque<T>,
    /// The number of threads that wait or are about to wake.
    idle: usize,
    is_closed: bool,
}

impl<T> WorkQueue<T> {
    pub(super) fn new() -> WorkQueue<T> {
        let state = State { work: VecDeque::new(), idle: 0, is_closed: false };
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
            if let Some(work) = state.work.pop_front() {
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
        !self.lock().work.is_empty()
    }

    /// Takes the next piece of work, if there is one.
    #[cfg(feature = "testkit")]
    pub(super) fn try_next(&self) -> Option<T> {
        self.lock().work.pop_front()
    }

    /// Takes back the pieces of work that no thread has begun and that `is_void` selects.
    pub(super) fn withdraw(&self, is_void: impl Fn(&T) -> bool) -> VecDeque<T> {
        let mut state = self.lock();
        let work = std::mem::take(&mut state.work);
        let (void, kept) = work.into_iter().partition(is_void);
        state.work = kept;
        void
    }

    /// Takes back the work that no thread has begun.
    pub(super) fn take_back(&self) -> VecDeque<T> {
        std::mem::take(&mut self.lock().work)
    }

    /// Closes the queue, which ends the waiting threads, and returns the work that no thread has
    /// begun.
    pub(super) fn close(&self) -> VecDeque<T> {
        let mut state = self.lock();
        state.is_closed = true;
        let work = std::mem::take(&mut state.work);
        drop(state);
        self.changed.notify_all();
        work
    }
}
