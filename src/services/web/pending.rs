//! A reply that is kept and answered later, from anywhere in the process. Knows no connection but
//! by its notifier.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, mem};

use super::failure::Failure;
use super::response::Response;
use crate::handler::notifier::Notifier;
use crate::id::Id;
use crate::panics;

/// A reply that [`Reply::keep`](super::Reply::keep) has kept. It can go to another thread, into a list,
/// or into the state of the service, and is answered once; the connection is not read until then.
/// If it is dropped without an answer, the client gets 500, and the log says so.
///
/// A client that waits for a long time costs a connection, so bound how many wait, and answer those
/// that have waited for long.
pub struct PendingReply {
    slot: Arc<Slot>,
}

struct Slot {
    state: Mutex<State>,
}

enum State {
    /// The route has not returned.
    New,
    /// The connection with this id waits.
    Awaited(Notifier, Id),
    Answered(Result<Response, Failure>),
    /// The answer was taken, or the connection has gone.
    Over,
}

/// What the connection that waits is notified with: the answer is in the slot.
pub(super) struct Answered;

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingReply {
    /// Answers. Returns false if the client has gone; that it goes while the answer is on its way
    /// cannot be known.
    pub fn send(self, response: Response) -> bool {
        self.answer(Ok(response))
    }

    /// Answers as a route that returns this failure does. Returns false if the client has gone.
    pub fn fail(self, failure: Failure) -> bool {
        self.answer(Err(failure))
    }

    /// Returns true if the client has gone, so that an answer would be in vain.
    pub fn is_gone(&self) -> bool {
        matches!(&*self.slot.state(), State::Over)
    }

    fn answer(&self, answer: Result<Response, Failure>) -> bool {
        let mut state = self.slot.state();
        match mem::replace(&mut *state, State::Over) {
            State::New => *state = State::Answered(answer),
            State::Awaited(notifier, id) => {
                *state = State::Answered(answer);
                drop(state);
                notifier.notify(id, Box::new(Answered));
            }
            before => {
                *state = before;
                return false;
            }
        }
        true
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        self.answer(Err(Failure::internal("a kept reply was dropped without an answer")));
    }
}

impl fmt::Debug for PendingReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingReply").field("is_gone", &self.is_gone()).finish()
    }
}

/// The end of a kept reply that the connection has.
pub(super) struct Kept {
    slot: Arc<Slot>,
}

impl Kept {
    pub(super) fn new() -> (PendingReply, Kept) {
        let slot = Arc::new(Slot { state: Mutex::new(State::New) });
        (PendingReply { slot: Arc::clone(&slot) }, Kept { slot })
    }

    /// Has the connection notified when the answer is there. Returns the answer if it is there already.
    pub(super) fn await_answer(
        &self,
        notifier: Notifier,
        id: Id,
    ) -> Option<Result<Response, Failure>> {
        let mut state = self.slot.state();
        match &*state {
            State::New => *state = State::Awaited(notifier, id),
            _ => {
                drop(state);
                return self.take();
            }
        }
        None
    }

    /// Takes the answer, if it is there.
    pub(super) fn take(&self) -> Option<Result<Response, Failure>> {
        let mut state = self.slot.state();
        match mem::replace(&mut *state, State::Over) {
            State::Answered(answer) => Some(answer),
            before => {
                *state = before;
                None
            }
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let before = mem::replace(&mut *self.slot.state(), State::Over);
        // An answer may be anything, and is not dropped under the lock.
        panics::drop_quietly(before);
    }
}
