//! The pool of blocking handlers: whole connections wait for a worker, and one worker serves one
//! of them from its first call to its last. Knows sockets of the standard library; no poller.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use slab::Slab;

use crate::close::Close;
use crate::handler::blocking::RequestHandler;
use crate::handler::stream::Stream;
use crate::handler::stream::{StdSocket, reason};
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::net::peer::Peer;
use crate::panics;

/// A fixed number of workers. When it is dropped, what they serve is cut off, and a worker whose
/// handler does not return is left behind. With each connection something is kept until it ends.
pub(crate) struct RequestPool<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    state: Mutex<State<K>>,
    /// There is something to serve, or nothing ever will be.
    news: Condvar,
    idle: Option<Duration>,
    write_stall: Option<Duration>,
    /// Says that a connection has ended.
    wake: Box<dyn Fn() + Send + Sync>,
}

struct State<K> {
    /// Everybody who waits or is being served, to be interrupted.
    open: Slab<Arc<StdSocket>>,
    waiting: VecDeque<Request<K>>,
    /// Those who have been served and sent more than was read.
    leaving: Vec<Leaving<K>>,
    /// Some have ended since that was last asked: no second wake-up.
    has_ended: bool,
    is_stopping: bool,
    is_closed: bool,
}

/// An accepted connection and who is to serve it.
struct Request<K> {
    key: usize,
    socket: Arc<StdSocket>,
    peer: Peer,
    handler: Box<dyn RequestHandler>,
    kept: K,
}

/// A connection that is over but for the peer: closing it with unread input would reset it, and
/// the reset can destroy the answer.
pub(crate) struct Leaving<K> {
    pub(crate) socket: StdSocket,
    pub(crate) peer: Peer,
    pub(crate) kept: K,
}

impl<K> RequestPool<K> {
    /// Starts a thread for each of `counters`, which counts there. `wake` is called by them when
    /// connections have ended.
    ///
    /// # Errors
    ///
    /// The system's, if it has no thread for a worker.
    pub(crate) fn start(
        counters: Vec<Counters>,
        limits: &Limits,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<RequestPool<K>>
    where
        K: Send + 'static,
    {
        let state = State {
            open: Slab::new(),
            waiting: VecDeque::new(),
            leaving: Vec::new(),
            has_ended: false,
            is_stopping: false,
            is_closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            news: Condvar::new(),
            idle: limits.idle,
            write_stall: limits.write_stall,
            wake: Box::new(wake),
        });
        let pool = RequestPool { shared };
        for (number, counters) in counters.into_iter().enumerate() {
            let shared = Arc::clone(&pool.shared);
            let name = format!("requests-{number}");
            thread::Builder::new().name(name).spawn(move || shared.work(&counters))?;
        }
        Ok(pool)
    }

    /// Has a connection served as soon as a worker is free.
    pub(crate) fn submit(
        &self,
        socket: StdSocket,
        peer: Peer,
        handler: Box<dyn RequestHandler>,
        kept: K,
    ) {
        let socket = Arc::new(socket);
        let mut state = self.shared.lock();
        if state.is_stopping {
            socket.shutdown(Shutdown::Read);
        }
        let key = state.open.insert(Arc::clone(&socket));
        state.waiting.push_back(Request { key, socket, peer, handler, kept });
        drop(state);
        self.shared.news.notify_one();
    }

    /// How many wait, are being served, or are to linger.
    pub(crate) fn len(&self) -> usize {
        let state = self.shared.lock();
        state.open.len() + state.leaving.len()
    }

    /// Whether connections have ended since the last time, and those of them that linger.
    pub(crate) fn take_ended(&self) -> (bool, Vec<Leaving<K>>) {
        let mut state = self.shared.lock();
        (std::mem::take(&mut state.has_ended), std::mem::take(&mut state.leaving))
    }

    /// From now on reads end when all is read that has come. Everybody who waits is still served.
    pub(crate) fn stop(&self) {
        let mut state = self.shared.lock();
        state.is_stopping = true;
        for (_, socket) in &state.open {
            socket.shutdown(Shutdown::Read);
        }
    }

    /// Ends every connection now. A handler may still run; its stream fails. Returns how many had
    /// not been served yet.
    pub(crate) fn abort(&self) -> usize {
        let mut state = self.shared.lock();
        let waiting = std::mem::take(&mut state.waiting);
        state.leaving.clear();
        for socket in state.open.drain() {
            socket.shutdown(Shutdown::Both);
        }
        drop(state);
        let count = waiting.len();
        for request in waiting {
            log::debug!("{}: {}", request.peer, Close::Stopping);
            panics::drop_quietly(request);
        }
        count
    }
}

impl<K> Drop for RequestPool<K> {
    fn drop(&mut self) {
        self.abort();
        self.shared.lock().is_closed = true;
        self.shared.news.notify_all();
    }
}

impl<K> Shared<K> {
    /// Nothing that is done under the lock can panic.
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, counters: &Counters) {
        while let Some(request) = self.next() {
            self.serve(request, counters);
        }
    }

    fn next(&self) -> Option<Request<K>> {
        let mut state = self.lock();
        loop {
            if let Some(request) = state.waiting.pop_front() {
                return Some(request);
            }
            if state.is_closed {
                return None;
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn serve(&self, request: Request<K>, counters: &Counters) {
        let Request { key, socket, peer, mut handler, kept } = request;
        let (why, lingers) = match Stream::new(&socket, peer.clone(), self.idle, self.write_stall) {
            Ok(mut stream) => {
                let why = match converse(&mut *handler, &mut stream, counters) {
                    Close::Eof if self.lock().is_stopping => Close::Stopping,
                    why => why,
                };
                let lingers = stream.has_unread();
                let (bytes_in, bytes_out) = stream.bytes();
                counters.bytes_in.add(bytes_in);
                counters.bytes_out.add(bytes_out);
                (why, lingers)
            }
            // The peer has gone already.
            Err(error) => (reason(&error), false),
        };
        counters.close(&why);
        let level = if why.is_expected() { log::Level::Debug } else { log::Level::Warn };
        log::log!(level, "{peer}: {why}");
        panics::drop_quietly(handler);
        self.end(key, socket, lingers.then_some(peer), kept);
    }

    /// Takes a connection out of the table, which closes it or lets it linger.
    fn end(&self, key: usize, socket: Arc<StdSocket>, lingering: Option<Peer>, kept: K) {
        let mut state = self.lock();
        // The table has been emptied, or another one has the key already, if the server aborted.
        if state.open.get(key).is_some_and(|mine| Arc::ptr_eq(mine, &socket)) {
            state.open.remove(key);
            // Nobody else has it now.
            match (Arc::into_inner(socket), lingering) {
                (Some(socket), Some(peer)) => {
                    state.leaving.push(Leaving { socket, peer, kept });
                }
                (socket, _) => {
                    // In this order: the peer may come again as soon as it sees the end.
                    drop(kept);
                    drop(socket);
                }
            }
        }
        let is_first = !std::mem::replace(&mut state.has_ended, true);
        drop(state);
        if is_first {
            (self.wake)();
        }
    }
}

/// What a handler's call came to if not well.
enum Failure {
    Error(io::Error),
    Panicked,
}

/// Everything that a handler is called for.
fn converse(handler: &mut dyn RequestHandler, stream: &mut Stream, counters: &Counters) -> Close {
    let mut result = call(stream, counters, |stream| handler.setup(stream));
    if result.is_ok() {
        result = call(stream, counters, |stream| handler.handle(stream));
        let finished = call(stream, counters, |stream| handler.finish(stream));
        result = result.and(finished);
    }
    let sent = io::Write::flush(stream).map_err(Failure::Error);
    match result.and(sent) {
        Ok(()) if stream.has_ended() => Close::Eof,
        Ok(()) => Close::Done,
        Err(Failure::Panicked) => Close::Panicked,
        Err(Failure::Error(error)) => {
            let told = call(stream, counters, |_| {
                handler.handle_error(&error);
                Ok(())
            });
            told.map_or(Close::Panicked, |()| reason(&error))
        }
    }
}

fn call(
    stream: &mut Stream,
    counters: &Counters,
    make: impl FnOnce(&mut Stream) -> io::Result<()>,
) -> Result<(), Failure> {
    counters.calls.add(1);
    match panics::catch(|| make(stream)) {
        Ok(result) => result.map_err(Failure::Error),
        Err(said) => {
            counters.panics.add(1);
            log::error!("{}: handler panicked: {said}", stream.peer());
            Err(Failure::Panicked)
        }
    }
}
