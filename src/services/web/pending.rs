//! A reply that is kept and answered later, from anywhere in the process. Reaches its connection
//! only by a notifier.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, mem};

use super::failure::Failure;
use super::response::Response;
use crate::handler::notifier::Notifier;
use crate::id::Id;
use crate::panics;

/// A reply that was kept by [`Reply::keep`](super::Reply::keep). It can be moved to another thread,
/// into a list or into the state of the service, and is answered once. The connection is not read
/// until then. If it is dropped without an answer, the client receives status 500, and the log has
/// a record.
///
/// Each waiting client takes one connection, so limit their number and their waiting time.
///
/// ```
/// use socketserver::services::web::{Failure, Method, PendingReply, Response, Web};
/// use socketserver::testkit::WebClient;
/// use std::sync::mpsc;
///
/// let (sender, jobs) = mpsc::channel::<PendingReply>();
/// let web = Web::new().get("/job", move |_, reply| {
///     let (pending, answered) = reply.keep();
///     sender.send(pending)?;
///     answered
/// });
/// let mut client = WebClient::new(web);
///
/// let exchange = client.request(Method::GET, "/job").start();
/// assert!(client.answer(exchange).is_none());
/// jobs.recv()?.send(Response::new(200).text("done"));
/// assert_eq!(client.answer(exchange).unwrap().text(), "done");
///
/// let exchange = client.request(Method::GET, "/job").start();
/// jobs.recv()?.fail(Failure::new(503, "no worker is free"));
/// assert_eq!(client.answer(exchange).unwrap().status(), 503);
///
/// let exchange = client.request(Method::GET, "/job").start();
/// client.abandon(exchange);
/// assert!(jobs.recv()?.is_gone());
/// # Ok::<(), mpsc::RecvError>(())
/// ```
pub struct PendingReply {
    slot: Arc<Slot>,
}

struct Slot {
    state: Mutex<State>,
}

enum State {
    /// The route has not returned.
    New,
    /// The connection with this id waits for the answer.
    Awaited(Notifier, Id),
    Answered(Result<Response, Failure>),
    /// The answer was taken, or the connection has ended.
    Over,
}

/// The notification of the waiting connection: the answer is in the slot.
pub(super) struct Answered;

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingReply {
    /// Answers the request. Returns false if the client has disconnected; a later disconnect,
    /// before the answer has reached the client, is not detected. [`PendingReply`] has an example.
    pub fn send(self, response: Response) -> bool {
        self.answer(Ok(response))
    }

    /// Answers the request as a route that returns this failure. Returns false if the client has
    /// disconnected. [`PendingReply`] has an example.
    pub fn fail(self, failure: Failure) -> bool {
        self.answer(Err(failure))
    }

    /// Returns true if the client has disconnected.
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

/// The connection's end of a kept reply.
pub(super) struct Kept {
    slot: Arc<Slot>,
}

impl Kept {
    pub(super) fn new() -> (PendingReply, Kept) {
        let slot = Arc::new(Slot { state: Mutex::new(State::New) });
        (PendingReply { slot: Arc::clone(&slot) }, Kept { slot })
    }

    /// Requests a notification of the connection when the answer has arrived. Returns an answer
    /// that has arrived already.
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

    /// Takes the answer, if it has arrived.
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
        // Dropping an answer may run any code, so it happens outside of the lock.
        panics::drop_quietly(before);
    }
}
