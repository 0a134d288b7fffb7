//! The handle of a running server, for other threads.

use std::any::Any;
#[cfg(feature = "backplane")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{error, fmt};

use crate::handler::effect::{Effect, Stopping};
use crate::handler::notifier::Notifier;
use crate::handler::payload::Payload;
use crate::id::Id;
use crate::mailbox::{Doorbell, Mailbox, Refused, Taken};
use crate::metrics::Metrics;
#[cfg(feature = "backplane")]
use crate::metrics::backplane::BackplaneStatus;
use crate::metrics::counters::{Counters, CountersReader};
use crate::panics;
use crate::topic::Topic;

/// A handle of a server, for other threads. It is cheap to clone, and harmless once the server has
/// ended.
///
/// ```
/// use socketserver::{Close, Context, Handler, Server};
///
/// # struct Echo;
/// # impl Handler for Echo {
/// #     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
/// #         cx.write(input);
/// #         Ok(input.len())
/// #     }
/// # }
/// let server = Server::bind("127.0.0.1:0")?;
/// let handle = server.handle();
/// let thread = std::thread::spawn(|| server.serve(|_| Echo));
/// handle.stop();
/// thread.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerHandle {
    shared: Arc<Shared>,
}

struct Shared {
    stop_request: AtomicU8,
    /// A stop is for a restart. All loops of a server share it.
    is_restart: Arc<AtomicBool>,
    bell: Doorbell,
    commands: Mailbox<Command>,
    readers: Readers,
    #[cfg(feature = "backplane")]
    backplane: OnceLock<Arc<BackplaneStatus>>,
}

/// The counters of each thread of a server. All its reactors share the list.
type Readers = Arc<Mutex<Vec<CountersReader>>>;

/// A command of another thread, the same as a handler's effect.
type Command = Effect;

fn weight(command: &Command) -> usize {
    let bytes = match command {
        Effect::Send(_, bytes) => bytes.len(),
        Effect::Publish(_, payload) => payload.as_bytes().len(),
        _ => 0,
    };
    bytes + COMMAND_COST
}

/// The most bytes of queued commands.
const QUEUE_MAX: usize = 16 * 1024 * 1024;
/// The cost of a command in addition to its bytes.
const COMMAND_COST: usize = 64;

/// An error of a command that was not queued.
///
/// ```
/// use socketserver::{HandleError, Server, Topic};
/// # use socketserver::services::web::Web;
///
/// let server = Server::bind("127.0.0.1:0")?;
/// let handle = server.handle();
/// handle.stop();
/// # let service = Web::new();
/// server.serve(service)?;
/// assert_eq!(handle.publish(&Topic::new("news"), *b"rain"), Err(HandleError::Gone));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandleError {
    /// 16 MiB of commands are queued: the server is slower than its callers.
    Full,
    /// The server has ended.
    Gone,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandleError::Full => "the server's command queue is full",
            HandleError::Gone => "the server has ended",
        })
    }
}

impl error::Error for HandleError {}

/// A stop requested from outside. A request may be raised, and never withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopRequest {
    None,
    /// Stop gracefully, after [`Limits::drain_delay`](crate::Limits::drain_delay).
    Stop,
    /// Stop gracefully.
    Drain,
    /// Stop at once.
    Abort,
}

impl StopRequest {
    /// Returns the request encoded by a byte.
    pub(super) fn from_byte(byte: u8) -> StopRequest {
        match byte {
            0 => StopRequest::None,
            1 => StopRequest::Stop,
            2 => StopRequest::Drain,
            _ => StopRequest::Abort,
        }
    }
}

impl ServerHandle {
    /// Creates the handle of the loop with this doorbell.
    pub(crate) fn new(bell: Doorbell) -> ServerHandle {
        ServerHandle::make(bell, Readers::default(), Arc::default())
    }

    /// Creates the handle of a server that cannot run.
    pub(crate) fn closed() -> ServerHandle {
        let handle = ServerHandle::new(Doorbell::new(|| {}));
        handle.close();
        handle
    }

    /// Creates the handle of another reactor of the same server.
    pub(crate) fn sibling(&self, bell: Doorbell) -> ServerHandle {
        let Shared { readers, is_restart, .. } = &*self.shared;
        ServerHandle::make(bell, Arc::clone(readers), Arc::clone(is_restart))
    }

    fn make(bell: Doorbell, readers: Readers, is_restart: Arc<AtomicBool>) -> ServerHandle {
        let stop_request = AtomicU8::new(StopRequest::None as u8);
        let commands = Mailbox::bounded(&bell, QUEUE_MAX, weight);
        let shared = Shared {
            stop_request,
            is_restart,
            bell,
            commands,
            readers,
            #[cfg(feature = "backplane")]
            backplane: OnceLock::new(),
        };
        ServerHandle { shared: Arc::new(shared) }
    }

    /// Returns the doorbell of the loop.
    #[inline(always)]
    pub(crate) fn bell(&self) -> &Doorbell {
        &self.shared.bell
    }

    /// Creates counters for another thread of the server.
    pub(crate) fn counters(&self) -> Counters {
        let counters = Counters::new();
        self.readers().push(counters.reader());
        counters
    }

    fn readers(&self) -> MutexGuard<'_, Vec<CountersReader>> {
        self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the server's counters so far, summed over its threads; after its end, the final
    /// ones. The call does not slow down the loop, however often it is made.
    ///
    /// ```
    /// use socketserver::{Close, Context, Handler, Server};
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    ///
    /// # struct Echo;
    /// # impl Handler for Echo {
    /// #    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    /// #         cx.write(input);
    /// #         Ok(input.len())
    /// #     }
    /// # }
    /// let server = Server::bind("127.0.0.1:0")?;
    /// let address = server.addresses()[0].to_string();
    /// let handle = server.handle();
    /// let thread = std::thread::spawn(|| server.serve(|_| Echo));
    ///
    /// let mut client = TcpStream::connect(address)?;
    /// client.write_all(b"hello")?;
    /// client.read_exact(&mut [0; 5])?;
    /// assert_eq!(handle.metrics().bytes_in, 5);
    ///
    /// handle.stop();
    /// thread.join().unwrap()?;
    /// let metrics = handle.metrics();
    /// assert_eq!((metrics.accepted, metrics.open()), (1, 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut sum = Metrics::default();
        for reader in self.readers().iter() {
            reader.add_to(&mut sum);
        }
        #[cfg(feature = "backplane")]
        if let Some(status) = self.shared.backplane.get() {
            sum.backplane = Some(status.read());
            sum.unready = status.unready();
        }
        if self.is_stopping() {
            sum.unready = Some("stopping".to_owned());
        }
        sum
    }

    /// Returns the state of the backplane that the metrics show: this one, or an earlier one.
    #[cfg(feature = "backplane")]
    pub(crate) fn show_backplane(&self, status: &Arc<BackplaneStatus>) -> Arc<BackplaneStatus> {
        Arc::clone(self.shared.backplane.get_or_init(|| Arc::clone(status)))
    }

    /// Sends `bytes` to a connection, after everything sent before, as
    /// [`Context::send`](crate::Context::send) does in a handler. Returns at once.
    ///
    /// # Errors
    ///
    /// Returns an error if the command was not queued. A connection that is already closed is not
    /// an error.
    pub fn send(&self, to: Id, bytes: impl Into<Box<[u8]>>) -> Result<(), HandleError> {
        self.command(Effect::Send(to, bytes.into()))
    }

    /// Sends `bytes` to every member of `topic`, as
    /// [`Context::publish`](crate::Context::publish) does in a handler. Returns at once.
    ///
    /// # Errors
    ///
    /// Returns an error if the command was not queued. A topic without members is not an error.
    ///
    /// ```
    /// use socketserver::{Close, Context, Handler, Server, Topic};
    /// use std::io::Read;
    /// use std::net::TcpStream;
    ///
    /// /// Reads the news.
    /// struct Reader;
    ///
    /// impl Handler for Reader {
    ///     fn on_open(&mut self, cx: &mut Context<'_>) {
    ///         cx.join(&Topic::new("news"));
    ///         cx.write(b"!");
    ///     }
    ///
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         Ok(input.len())
    ///     }
    /// }
    ///
    /// let server = Server::bind("127.0.0.1:0")?;
    /// let address = server.addresses()[0].to_string();
    /// let handle = server.handle();
    /// let thread = std::thread::spawn(|| server.serve(|_| Reader));
    ///
    /// let mut client = TcpStream::connect(address)?;
    /// let mut bytes = [0; 4];
    /// client.read_exact(&mut bytes[..1])?; // it has joined
    /// handle.publish(&Topic::new("news"), *b"rain")?;
    /// client.read_exact(&mut bytes)?;
    /// assert_eq!(&bytes, b"rain");
    ///
    /// handle.stop();
    /// thread.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, topic: &Topic, bytes: impl Into<Payload>) -> Result<(), HandleError> {
        self.command(Effect::Publish(topic.clone(), bytes.into()))
    }

    /// Notifies the handler of a connection, as [`Context::notify`](crate::Context::notify) does in
    /// a handler. Returns at once.
    ///
    /// # Errors
    ///
    /// Returns an error if the command was not queued. A connection that is already closed is not
    /// an error.
    pub fn notify(&self, to: Id, note: impl Any + Send) -> Result<(), HandleError> {
        self.command(Effect::Notify(to, Box::new(note)))
    }

    fn command(&self, command: Command) -> Result<(), HandleError> {
        self.shared.commands.send(command).map_err(|refused| match refused {
            Refused::Full(_) => HandleError::Full,
            Refused::Closed(_) => HandleError::Gone,
        })
    }

    /// Returns a notifier for the handlers of the loop, for any thread. Its notifications do not
    /// count against the limit of the command queue.
    pub(crate) fn notifier(&self) -> Notifier {
        let handle = self.clone();
        Notifier::new(move |to, note| {
            let sent = handle.shared.commands.send_beyond(Effect::Notify(to, note));
            // The server has ended.
            panics::drop_quietly(sent.map_err(Refused::into_message));
        })
    }

    /// Takes at most `max` of the oldest commands, and stops before the first that must `wait`.
    pub(super) fn take(&self, max: usize, wait: impl Fn(&Command) -> bool) -> Taken<Command> {
        self.shared.commands.take(max, wait)
    }

    /// Returns true if the oldest command must `wait`, and therefore all after it.
    pub(super) fn must_wait(&self, wait: impl Fn(&Command) -> bool) -> bool {
        self.shared.commands.must_wait(wait)
    }

    /// Closes the command queue: the server has ended.
    pub(crate) fn close(&self) {
        for command in self.shared.commands.close() {
            panics::drop_quietly(command);
        }
    }

    /// Stops the server gracefully: after [`Limits::drain_delay`](crate::Limits::drain_delay) it
    /// closes its listeners, answers the requests it has received, and ends every connection once
    /// its handler is done; after
    /// [`Limits::drain`](crate::Limits::drain) it cuts the rest. Returns at once.
    pub fn stop(&self) {
        self.ask(StopRequest::Stop);
    }

    /// Stops the server as [`stop`](ServerHandle::stop) does, and tells its handlers that another
    /// server takes its place: [`Context::is_restarting`](crate::Context::is_restarting) is true
    /// from then on. Has no effect on a server that is closing its connections already.
    ///
    /// ```
    /// use socketserver::{Close, Context, Handler, Server};
    /// use std::io::{self, Read};
    /// use std::net::TcpStream;
    ///
    /// struct Quiet;
    ///
    /// impl Handler for Quiet {
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_stop(&mut self, cx: &mut Context<'_>) {
    ///         cx.write_str(if cx.is_restarting() { "connect again" } else { "goodbye" });
    ///         cx.close(Close::Stopping);
    ///     }
    /// }
    ///
    /// let server = Server::bind("127.0.0.1:0")?;
    /// let address = server.addresses()[0].to_string();
    /// let handle = server.handle();
    /// let thread = std::thread::spawn(|| server.serve(|_| Quiet));
    ///
    /// let client = TcpStream::connect(address)?;
    /// handle.restart();
    /// assert_eq!(io::read_to_string(&client)?, "connect again");
    /// thread.join().unwrap()?;
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn restart(&self) {
        self.note_restart();
        self.stop();
    }

    /// Notes that the server stops to restart, before the request to stop.
    pub(super) fn note_restart(&self) {
        self.shared.is_restart.store(true, Ordering::Relaxed);
    }

    /// Returns the kind of a stop that was requested.
    pub(crate) fn stopping(&self) -> Stopping {
        // Stored before the request to stop, which was read with `Acquire`.
        match (self.stop_request(), self.shared.is_restart.load(Ordering::Relaxed)) {
            (StopRequest::None, _) => Stopping::No,
            (_, false) => Stopping::Stop,
            (_, true) => Stopping::Restart,
        }
    }

    /// Returns true if a stop of the server was requested: by this handle or a clone of it, by a
    /// signal, or in a worker process by its supervisor. A load balancer that asks for the state
    /// should send no more connections; [`Limits::drain_delay`](crate::Limits::drain_delay) gives
    /// it time to ask.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    /// use socketserver::{Server, ServerHandle};
    ///
    /// fn health(handle: ServerHandle) -> Web {
    ///     Web::new().get("/readyz", move |_, reply| match handle.is_stopping() {
    ///         false => reply.text("ready\n"),
    ///         true => reply.status(503).text("stopping\n"),
    ///     })
    /// }
    ///
    /// let server = Server::new();
    /// let handle = server.handle();
    /// let server = server.listen("127.0.0.1:0", health(handle.clone()))?;
    /// assert!(!handle.is_stopping());
    /// handle.stop();
    /// assert!(handle.is_stopping());
    /// server.run()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop_request() != StopRequest::None
    }

    /// Stops the server at once, without completing any work: all connections end, and unsent
    /// output is dropped. Returns at once.
    ///
    /// ```
    /// use socketserver::Server;
    /// # use socketserver::services::web::Web;
    /// use std::net::TcpStream;
    ///
    /// let server = Server::bind("127.0.0.1:0")?;
    /// let address = server.addresses()[0].to_string();
    /// let handle = server.handle();
    /// # let service = Web::new();
    /// let thread = std::thread::spawn(|| server.serve(service));
    ///
    /// let client = TcpStream::connect(address)?; // it would delay a stop
    /// handle.abort();
    /// thread.join().unwrap()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn abort(&self) {
        self.ask(StopRequest::Abort);
    }

    pub(super) fn ask(&self, request: StopRequest) {
        self.shared.stop_request.fetch_max(request as u8, Ordering::Release);
        self.shared.bell.ring();
    }

    pub(super) fn stop_request(&self) -> StopRequest {
        StopRequest::from_byte(self.shared.stop_request.load(Ordering::Acquire))
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").finish_non_exhaustive()
    }
}
