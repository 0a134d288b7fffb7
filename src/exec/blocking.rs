//! The worker pool of blocking handlers. A whole connection waits for a worker, and one worker
//! serves it from its first call to its last. Knows sockets of the standard library; knows no
//! poller and starts no threads: the system trait does.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::crew::Crew;
use super::queue::{Rank, WorkQueue};
use crate::close::Close;
use crate::handler::blocking::BlockingHandler;
use crate::handler::stream::Stream;
use crate::handler::stream::{StdSocket, reason};
use crate::limits::Limits;
use crate::mailbox::{Doorbell, Mailbox};
use crate::metrics::counters::Counters;
use crate::net::incoming::Incoming;
use crate::now::Now;
use crate::panics;

/// A fixed set of workers. Dropping the pool closes the connections that they serve; a worker whose
/// handler does not return is detached. The pool keeps a value of type `K` for each connection
/// until it ends.
pub(crate) struct BlockingPool<B: BlockingSocket, K> {
    shared: Arc<Shared<B, K>>,
    /// The connections whose end has not been taken yet, by number, so that they can be
    /// interrupted. Their workers own them, or the queue does.
    open: HashMap<u64, Open<B>>,
    /// Connections submitted so far.
    count: u64,
    crew: Crew,
}

/// A connection that can be interrupted.
struct Open<B> {
    socket: Weak<B>,
    /// Its handler may have more to send.
    is_busy: Arc<AtomicBool>,
}

/// One worker of a pool.
pub(crate) struct BlockingWorker<B, K> {
    shared: Arc<Shared<B, K>>,
}

/// A socket that another thread may interrupt.
pub(crate) trait BlockingSocket {
    /// Ends reads of the socket, or all use of it, whichever thread holds it.
    fn shutdown(&self, how: Shutdown);

    /// Ends all use of the socket by a reset, where the system can do that to a socket that another
    /// thread holds.
    fn cut(&self);

    /// Makes its close a reset, where the family of the socket has one.
    fn reset_on_close(&self);
}

struct Shared<B, K> {
    waiting: WorkQueue<Request<B, K>>,
    ended: Mailbox<Ended<B, K>>,
    is_stopping: AtomicBool,
    idle: Option<Duration>,
    write_stall: Option<Duration>,
}

/// An accepted connection and the handler that is to serve it.
pub(crate) struct Request<B, K> {
    number: u64,
    socket: Arc<B>,
    is_busy: Arc<AtomicBool>,
    incoming: Incoming,
    handler: Box<dyn BlockingHandler>,
    kept: K,
}

/// A connection that was served.
struct Ended<B, K> {
    number: u64,
    /// The socket, its origin and the kept value, if the connection lingers.
    leaving: Option<(Arc<B>, Incoming, K)>,
}

/// A connection that only waits for its peer, which sent more than was read, or may send before it
/// has the answer: a reset would follow the close, and can destroy the answer.
pub(crate) struct Leaving<B, K> {
    pub(crate) socket: B,
    pub(crate) incoming: Incoming,
    pub(crate) kept: K,
}

impl<B: BlockingSocket, K> BlockingPool<B, K> {
    /// Creates a pool of `workers`, none of which has started. They ring `bell` when connections
    /// have ended.
    pub(crate) fn new(workers: usize, limits: &Limits, bell: &Doorbell) -> BlockingPool<B, K> {
        let shared = Arc::new(Shared {
            waiting: WorkQueue::new(),
            ended: Mailbox::new(bell),
            is_stopping: AtomicBool::new(false),
            idle: limits.idle,
            write_stall: limits.write_stall,
        });
        BlockingPool { shared, open: HashMap::new(), count: 0, crew: Crew::new(workers) }
    }

    /// Starts the workers: calls `start` with the number of each.
    ///
    /// # Errors
    ///
    /// Returns the system's error if it cannot start a single thread.
    pub(crate) fn start(
        &mut self,
        start: impl Fn(usize, BlockingWorker<B, K>) -> io::Result<()>,
    ) -> io::Result<()> {
        let BlockingPool { shared, crew, .. } = self;
        crew.start_all(|number| start(number, BlockingWorker { shared: Arc::clone(shared) }))
    }

    /// Starts the missing workers, if the system has threads for them now. Until then the started
    /// ones serve all connections.
    pub(crate) fn start_missing(
        &mut self,
        now: Now,
        start: impl Fn(usize, BlockingWorker<B, K>) -> io::Result<()>,
    ) {
        let BlockingPool { shared, crew, .. } = self;
        crew.start_missing(now, |number| {
            start(number, BlockingWorker { shared: Arc::clone(shared) })
        });
    }

    /// Queues a connection until a worker is free.
    pub(crate) fn submit(
        &mut self,
        socket: B,
        incoming: Incoming,
        handler: Box<dyn BlockingHandler>,
        kept: K,
    ) {
        if self.shared.is_stopping.load(Ordering::Relaxed) {
            socket.shutdown(Shutdown::Read);
        }
        self.count += 1;
        let (number, socket) = (self.count, Arc::new(socket));
        let is_busy = Arc::new(AtomicBool::new(false));
        let open = Open { socket: Arc::downgrade(&socket), is_busy: Arc::clone(&is_busy) };
        self.open.insert(number, open);
        self.shared.waiting.extend([Request { number, socket, is_busy, incoming, handler, kept }]);
    }

    /// Returns the number of connections that wait, are served, or have ended since
    /// [`take_ended`](Self::take_ended).
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Returns true if connections have ended since the last call, and the ones among them that
    /// linger.
    pub(crate) fn take_ended(&mut self) -> (bool, Vec<Leaving<B, K>>) {
        let before = self.open.len();
        let mut lingering = Vec::new();
        for Ended { number, leaving } in self.shared.ended.take_all() {
            // Missing after an abort, which does not wait for the workers.
            if self.open.remove(&number).is_none() {
                continue;
            }
            if let Some((socket, incoming, kept)) = leaving {
                // The worker held the only other lasting reference.
                let socket = Arc::into_inner(socket);
                lingering.extend(socket.map(|socket| Leaving { socket, incoming, kept }));
            }
        }
        (self.open.len() < before, lingering)
    }

    /// Makes reads end after the input that has arrived. Connections in the queue are still served.
    pub(crate) fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        for socket in self.open.values().filter_map(|open| open.socket.upgrade()) {
            socket.shutdown(Shutdown::Read);
        }
    }

    /// Closes every connection now. A handler may still run; its stream fails. If it does not wait
    /// for input, the half of an answer must not look like the whole. Returns the number of
    /// connections that no worker had begun to serve.
    pub(crate) fn abort(&mut self) -> usize {
        let waiting = self.shared.waiting.take_back();
        for Open { socket, is_busy } in std::mem::take(&mut self.open).into_values() {
            match socket.upgrade() {
                Some(socket) if is_busy.load(Ordering::Relaxed) => socket.cut(),
                Some(socket) => socket.shutdown(Shutdown::Both),
                None => {}
            }
        }
        let count = waiting.len();
        for request in waiting {
            log::debug!("{}: {}", request.incoming.peer(), Close::Stopping);
            panics::drop_quietly(request);
        }
        count
    }
}

impl<B: BlockingSocket, K> Drop for BlockingPool<B, K> {
    fn drop(&mut self) {
        self.abort();
        self.shared.waiting.close();
        self.shared.ended.close();
    }
}

impl<B, K> Clone for BlockingWorker<B, K> {
    fn clone(&self) -> BlockingWorker<B, K> {
        BlockingWorker { shared: Arc::clone(&self.shared) }
    }
}

impl<B, K> BlockingWorker<B, K> {
    /// Returns true if a connection waits for a worker.
    #[cfg(feature = "testkit")]
    pub(crate) fn has_work(&self) -> bool {
        self.shared.waiting.has_work()
    }

    /// Takes the next connection, if one waits.
    #[cfg(feature = "testkit")]
    pub(crate) fn begin(&self) -> Option<Request<B, K>> {
        self.shared.waiting.try_next()
    }

    /// Tells the loop that a connection has ended, and closes it unless it `lingers`.
    pub(crate) fn end(&self, request: Request<B, K>, lingers: bool) {
        let Request { number, socket, is_busy: _, incoming, handler, kept } = request;
        panics::drop_quietly(handler);
        if lingers {
            self.notify(Ended { number, leaving: Some((socket, incoming, kept)) });
            return;
        }
        // Drop it first: the peer may reconnect as soon as it sees the end.
        drop(kept);
        self.notify(Ended { number, leaving: None });
        drop(socket);
    }

    fn notify(&self, ended: Ended<B, K>) {
        // A dropped pool receives no ends: then the connection closes here.
        drop(self.shared.ended.send(ended));
    }
}

impl<K> BlockingWorker<StdSocket, K> {
    /// Serves connections until the pool is dropped.
    pub(crate) fn work(self, counters: &Counters) {
        while let Some(request) = self.shared.waiting.next(&mut Rank::Last) {
            self.serve(request, counters);
        }
    }

    fn serve(&self, mut request: Request<StdSocket, K>, counters: &Counters) {
        let (idle, write_stall) = (self.shared.idle, self.shared.write_stall);
        let incoming = request.incoming.clone();
        let parts = (&request.socket, &request.is_busy);
        let (why, lingers) = match Stream::new(parts, incoming, idle, write_stall) {
            Ok(mut stream) => {
                let why = match converse(&mut *request.handler, &mut stream, counters) {
                    Close::Eof if self.shared.is_stopping.load(Ordering::Relaxed) => {
                        Close::Stopping
                    }
                    why => why,
                };
                let is_lost = stream.has_lost_output();
                if is_lost {
                    // The peer must not take it for all of the output.
                    request.socket.reset_on_close();
                }
                let lingers = !is_lost && stream.must_linger();
                let (bytes_in, bytes_out) = stream.bytes();
                counters.bytes_in.add(bytes_in);
                counters.bytes_out.add(bytes_out);
                (why, lingers)
            }
            // The peer has already disconnected.
            Err(error) => (reason(&error), false),
        };
        counters.close(&why);
        let level = if why.is_expected() { log::Level::Debug } else { log::Level::Warn };
        log::log!(level, "{}: {why}", request.incoming.peer());
        self.end(request, lingers);
    }
}

/// The outcome of a handler's call that did not succeed.
enum Failure {
    Error(io::Error),
    Panicked,
}

/// Makes all calls of one connection's handler.
fn converse(handler: &mut dyn BlockingHandler, stream: &mut Stream, counters: &Counters) -> Close {
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
