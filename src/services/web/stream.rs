//! A body that is written from anywhere in the process while it is sent. Reaches its connection
//! only by a waker.

use std::error::Error;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, mem};

use super::source::{Extent, Source, Step, Waker};
use crate::close::Close;
use crate::panics;

/// The body of an answer that is written piece by piece, by any thread or handler: the first value
/// of [`Reply::stream`](super::Reply::stream).
///
/// The client receives each piece at once. An HTTP/1.1 client receives chunks; for an HTTP/1.0
/// client, the connection ends after the body. [`finish`](BodyWriter::finish) completes the body.
/// If the writer is dropped without it, the connection ends and the client can tell that the body
/// is incomplete: the last chunk is missing, or the connection is reset.
///
/// Up to [`LIMIT`](BodyWriter::LIMIT) bytes wait for a client that reads slowly, besides those in
/// the output of its connection. Then [`write`](BodyWriter::write) refuses pieces until there is
/// [room](BodyWriter::on_room).
///
/// ```
/// use socketserver::services::web::{BodyWriter, Method, Web, WriteError};
/// use socketserver::testkit::WebClient;
/// use std::sync::mpsc;
///
/// let (sender, writers) = mpsc::channel::<BodyWriter>();
/// let web = Web::new().get("/log", move |_, reply| {
///     let (writer, answered) = reply.stream("text/plain");
///     sender.send(writer)?;
///     answered
/// });
/// let mut client = WebClient::new(web);
///
/// let exchange = client.request(Method::GET, "/log").start();
/// let writer = writers.recv()?;
/// writer.write("first line\n")?;
/// assert!(client.answer(exchange).is_none());
/// writer.write("last line\n")?;
/// assert!(writer.finish());
/// assert_eq!(client.answer(exchange).unwrap().text(), "first line\nlast line\n");
///
/// let exchange = client.request(Method::GET, "/log").start();
/// let writer = writers.recv()?;
/// client.abandon(exchange);
/// assert_eq!(writer.write("more"), Err(WriteError::Gone));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The end of the client's input ends the answer, too, because a client that has gone looks the
/// same until the next piece is sent to it.
pub struct BodyWriter {
    pipe: Arc<Pipe>,
}

/// The reason why a piece was refused: see [`BodyWriter::write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The bytes that wait for the client have reached [`BodyWriter::LIMIT`]: write the piece again
    /// when there is room, or drop it.
    Full,
    /// The client has disconnected, or the answer has no body: drop the writer.
    Gone,
}

/// The queue between a writer and the connection.
struct Pipe {
    state: Mutex<State>,
    /// Rung when there is room again, or the client has gone.
    has_room: Condvar,
}

struct State {
    /// The pieces that the connection has not taken, joined.
    queue: Vec<u8>,
    writer: Writer,
    reader: Reader,
    is_stopping: bool,
    on_room: Option<Callback>,
}

type Callback = Box<dyn FnOnce() + Send>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    Open,
    Finished,
    Dropped,
}

enum Reader {
    /// The answer has not begun.
    New,
    /// The connection will look at the queue without being woken.
    Busy(Waker),
    /// The connection has seen an empty queue.
    Waiting(Waker),
    Gone,
}

impl State {
    fn is_gone(&self) -> bool {
        matches!(self.reader, Reader::Gone)
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= BodyWriter::LIMIT && !self.is_gone()
    }

    /// Wakes the connection, once for all changes until it looks.
    fn wake(&mut self) {
        match mem::replace(&mut self.reader, Reader::New) {
            Reader::Waiting(waker) => {
                waker.wake();
                self.reader = Reader::Busy(waker);
            }
            reader => self.reader = reader,
        }
    }
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the writer that there is room, or that the client has gone.
    fn announce_room(&self, mut state: MutexGuard<'_, State>) {
        let callback = state.on_room.take();
        drop(state);
        self.has_room.notify_all();
        if let Some(callback) = callback {
            call(callback);
        }
    }
}

/// Calls code of the user, outside of the lock.
fn call(callback: Callback) {
    if let Err(said) = panics::catch(callback) {
        log::error!("a callback of BodyWriter::on_room panicked: {said}");
    }
}

impl BodyWriter {
    /// The number of waiting bytes at which [`write`](BodyWriter::write) refuses pieces: 64 KiB. A
    /// piece that is written below it is accepted whole.
    pub const LIMIT: usize = 64 * 1024;

    /// Writes a piece of the body, whole or not at all. Does not block. [`BodyWriter`] has an
    /// example.
    ///
    /// # Errors
    ///
    /// [`WriteError::Full`] if [`LIMIT`](BodyWriter::LIMIT) bytes or more wait for the client, and
    /// [`WriteError::Gone`] if the client has disconnected.
    pub fn write(&self, piece: impl AsRef<[u8]>) -> Result<(), WriteError> {
        let piece = piece.as_ref();
        let mut state = self.pipe.state();
        if state.is_gone() {
            return Err(WriteError::Gone);
        }
        if state.is_full() {
            return Err(WriteError::Full);
        }
        if !piece.is_empty() {
            state.queue.extend_from_slice(piece);
            state.wake();
        }
        Ok(())
    }

    /// Blocks the thread until there is room for a piece, for at most `time`. It must not be a
    /// thread of the server, which would wait for itself.
    ///
    /// ```
    /// use socketserver::services::web::{Answered, BodyWriter, Reply, Request, WriteError};
    /// use std::time::Duration;
    ///
    /// fn count(_: &Request, reply: Reply) -> Answered {
    ///     let (writer, answered) = reply.stream("text/plain");
    ///     std::thread::spawn(move || -> Result<(), WriteError> {
    ///         for n in 1..=1_000_000 {
    ///             writer.wait(Duration::from_secs(60))?; // no faster than the client reads
    ///             writer.write(format!("{n}\n"))?;
    ///         }
    ///         writer.finish();
    ///         Ok(())
    ///     });
    ///     answered
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError::Full`] if there was no room in time, and [`WriteError::Gone`] if the client
    /// has disconnected.
    pub fn wait(&self, time: Duration) -> Result<(), WriteError> {
        let waiting =
            self.pipe.has_room.wait_timeout_while(self.pipe.state(), time, |state| state.is_full());
        let (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        if state.is_gone() {
            return Err(WriteError::Gone);
        }
        if state.is_full() { Err(WriteError::Full) } else { Ok(()) }
    }

    /// Calls `callback` once, as soon as there is room or the client has gone: at once, or later
    /// from the loop of the connection, where it must not block. A later call replaces a callback
    /// that was not called yet. The callback may
    /// [notify](crate::ServerHandle::notify) a handler.
    ///
    /// ```
    /// use socketserver::services::web::{BodyWriter, WriteError};
    /// use std::sync::mpsc::Sender;
    ///
    /// fn push(writer: &BodyWriter, line: &str, wake: &Sender<()>) {
    ///     if writer.write(line) == Err(WriteError::Full) {
    ///         let wake = wake.clone();
    ///         writer.on_room(move || drop(wake.send(())));
    ///     }
    /// }
    /// ```
    pub fn on_room(&self, callback: impl FnOnce() + Send + 'static) {
        let callback: Callback = Box::new(callback);
        let mut state = self.pipe.state();
        let other = match state.is_full() {
            true => state.on_room.replace(callback),
            false => {
                drop(state);
                return call(callback);
            }
        };
        drop(state);
        panics::drop_quietly(other);
    }

    /// Completes the body. Returns false if the client has disconnected; a later disconnect, before
    /// the end has reached the client, is not detected. [`BodyWriter`] has an example.
    pub fn finish(self) -> bool {
        self.end(Writer::Finished)
    }

    /// Returns true if the client has disconnected, or the answer has no body, as one to `HEAD`.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.pipe.state().is_gone()
    }

    /// Returns true if the server is stopping: finish the body soon. At the end of
    /// [`Limits::drain`](crate::Limits::drain) it is cut.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.pipe.state().is_stopping
    }

    fn end(&self, how: Writer) -> bool {
        let mut state = self.pipe.state();
        if state.writer == Writer::Open {
            state.writer = how;
            state.wake();
        }
        !state.is_gone()
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        self.end(Writer::Dropped);
        let callback = self.pipe.state().on_room.take();
        panics::drop_quietly(callback);
    }
}

/// The connection's end of a body.
pub(super) struct Outlet {
    pipe: Arc<Pipe>,
}

impl Outlet {
    pub(super) fn new() -> (BodyWriter, Outlet) {
        let state = State {
            queue: Vec::new(),
            writer: Writer::Open,
            reader: Reader::New,
            is_stopping: false,
            on_room: None,
        };
        let pipe = Arc::new(Pipe { state: Mutex::new(state), has_room: Condvar::new() });
        (BodyWriter { pipe: Arc::clone(&pipe) }, Outlet { pipe })
    }
}

impl Source for Outlet {
    fn extent(&self) -> Extent {
        Extent::Live
    }

    fn begin(&mut self, waker: Waker) {
        self.pipe.state().reader = Reader::Busy(waker);
    }

    fn next(&mut self, _: Duration) -> Step {
        let mut state = self.pipe.state();
        if !state.queue.is_empty() {
            let piece = mem::take(&mut state.queue);
            match piece.len() >= BodyWriter::LIMIT {
                true => self.pipe.announce_room(state),
                false => drop(state),
            }
            return Step::Piece(piece);
        }
        match state.writer {
            Writer::Finished => Step::End,
            Writer::Dropped => Step::Broken(Close::failed("the writer of a body was dropped")),
            Writer::Open => {
                state.reader = match mem::replace(&mut state.reader, Reader::New) {
                    Reader::Busy(waker) => Reader::Waiting(waker),
                    reader => reader,
                };
                Step::Wait(None)
            }
        }
    }

    fn stop(&mut self) {
        self.pipe.state().is_stopping = true;
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let mut state = self.pipe.state();
        state.reader = Reader::Gone;
        state.queue = Vec::new();
        self.pipe.announce_room(state);
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WriteError::Full => "too many bytes wait for the client: wait for room",
            WriteError::Gone => "the client has disconnected: stop writing",
        })
    }
}

impl Error for WriteError {}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWriter").field("is_gone", &self.is_gone()).finish_non_exhaustive()
    }
}
