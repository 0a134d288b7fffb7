//! Bodies of requests that are consumed as they arrive. Knows no connection but by a waker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, mem};

use super::failure::Failure;
use super::reply::{Answered, Reply};
use super::request::Request;
use super::source::Waker;

/// A consumer of the body of one request, made by a route of [`Web::upload`](super::Web::upload).
/// It gets the body in pieces as they arrive, so that a long body needs little memory. If the
/// client disconnects before the end, the consumer is dropped.
///
/// ```
/// use socketserver::services::web::{Answered, Failure, Flow, Intake, Method, Reply, Web};
/// use socketserver::testkit::WebClient;
///
/// /// Adds up the bytes of a body.
/// struct Sum(u64);
///
/// impl Intake for Sum {
///     fn piece(&mut self, bytes: &[u8]) -> Result<Flow, Failure> {
///         self.0 += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
///         Ok(Flow::Continue)
///     }
///
///     fn end(self, reply: Reply<'_>) -> Answered {
///         reply.text(self.0.to_string())
///     }
/// }
///
/// let web = Web::new()
///     .upload(Method::PUT, "/sum", |_, _| Ok(Sum(0)))
///     .body_limit("/sum", 10 * 1024 * 1024 * 1024);
/// let mut client = WebClient::new(web);
/// let answer = client.request(Method::PUT, "/sum").body(vec![1; 1_000_000]).send();
/// assert_eq!(answer.text(), "1000000");
/// ```
pub trait Intake: Send + 'static {
    /// Takes the next piece, which is not empty. It is called in the loop, so it must not block:
    /// [`Flow::Pause`] has the client wait.
    ///
    /// # Errors
    ///
    /// A [`Failure`] is the answer to the request: the rest of the body is not read, and the
    /// connection ends.
    fn piece(&mut self, bytes: &[u8]) -> Result<Flow, Failure>;

    /// Answers the request after its last piece.
    ///
    /// # Errors
    ///
    /// As for a route.
    fn end(self, reply: Reply<'_>) -> Answered;
}

/// The result of [`Intake::piece`]. [`Intake`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next piece may come.
    Continue,
    /// No piece may come until [`Resume::resume`] is called, once for each pause. The client is not
    /// read until then, and does not count as slow. After the last piece there is no pause.
    Pause,
}

/// Ends the pauses of one [`Intake`], from any thread. Clones belong to the same request.
///
/// ```
/// use socketserver::services::web::{Answered, Failure, Flow, Intake, Method, Reply, Resume, Web};
/// use std::fs::File;
/// use std::io::Write;
/// use std::sync::mpsc::{self, Sender};
/// use std::thread;
///
/// /// Has a thread write the body to a file, a piece at a time.
/// struct ToFile(Sender<Vec<u8>>);
///
/// impl ToFile {
///     fn new(mut file: File, resume: Resume) -> ToFile {
///         let (sender, pieces) = mpsc::channel::<Vec<u8>>();
///         thread::spawn(move || {
///             while let Ok(piece) = pieces.recv()
///                 && file.write_all(&piece).is_ok()
///             {
///                 resume.resume();
///             }
///             resume.resume();
///         });
///         ToFile(sender)
///     }
/// }
///
/// impl Intake for ToFile {
///     fn piece(&mut self, bytes: &[u8]) -> Result<Flow, Failure> {
///         self.0.send(bytes.to_vec())?; // an error if the thread has ended
///         Ok(Flow::Pause)
///     }
///
///     fn end(self, reply: Reply<'_>) -> Answered {
///         reply.status(201).empty()
///     }
/// }
///
/// let web = Web::new()
///     .upload(Method::PUT, "/file", |_, resume| Ok(ToFile::new(File::create("file")?, resume)));
/// ```
#[derive(Clone)]
pub struct Resume {
    gate: Arc<Gate>,
}

struct Gate {
    state: Mutex<State>,
    waker: Waker,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Paused,
    /// Resumed before the pause that it ends.
    Early,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resume {
    pub(super) fn new(waker: Waker) -> Resume {
        Resume { gate: Arc::new(Gate { state: Mutex::new(State::Open), waker }) }
    }

    /// Creates one for a request without a body, which has no pauses.
    pub(super) fn of_none() -> Resume {
        Resume::new(Waker::of_none())
    }

    /// Ends the pause. Has no effect after the end of the request. [`Resume`] has an example.
    pub fn resume(&self) {
        let mut state = self.gate.state();
        match mem::replace(&mut *state, State::Early) {
            State::Paused => {
                *state = State::Open;
                self.gate.waker.wake();
            }
            State::Open | State::Early => {}
        }
    }

    /// Begins a pause. Returns false if it was ended already.
    pub(super) fn pause(&self) -> bool {
        let mut state = self.gate.state();
        let is_paused = *state != State::Early;
        *state = if is_paused { State::Paused } else { State::Open };
        is_paused
    }

    pub(super) fn is_paused(&self) -> bool {
        *self.gate.state() == State::Paused
    }
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("is_paused", &self.is_paused()).finish()
    }
}

/// An [`Intake`] of any type.
pub(super) trait Consume: Send {
    fn piece(&mut self, bytes: &[u8]) -> Result<Flow, Failure>;
    fn end(self: Box<Self>, reply: Reply<'_>) -> Answered;
}

impl<I: Intake> Consume for I {
    fn piece(&mut self, bytes: &[u8]) -> Result<Flow, Failure> {
        Intake::piece(self, bytes)
    }

    fn end(self: Box<Self>, reply: Reply<'_>) -> Answered {
        Intake::end(*self, reply)
    }
}

/// A function that makes the consumer of a body.
pub(super) type Open<S> =
    Box<dyn Fn(&Request<'_, S>, Resume) -> Result<Box<dyn Consume>, Failure> + Send + Sync>;

/// A consumer with the handle that ends its pauses.
pub(super) struct Consumer {
    pub(super) intake: Box<dyn Consume>,
    pub(super) resume: Resume,
}
