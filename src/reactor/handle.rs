//! The handle that other threads hold of a running server.

use std::any::Any;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{error, fmt};

use crate::handler::context::Effect;
use crate::id::Id;
use crate::mailbox::{Doorbell, Mailbox, Refused, Taken};
use crate::metrics::Metrics;
use crate::metrics::counters::{Counters, CountersReader};
use crate::panics;
use crate::topic::Topic;

/// A handle of a server, for other threads: cheap to clone, and harmless once the server has
/// gone.
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
    bell: Doorbell,
    commands: Mailbox<Command>,
    readers: Readers,
}

/// What is counted by each thread of a server. All its reactors share the list.
type Readers = Arc<Mutex<Vec<CountersReader>>>;

/// What another thread wants done in the loop, as a handler might.
type Command = Effect;

fn weight(command: &Command) -> usize {
    let bytes = match command {
        Effect::Send(_, bytes) | Effect::Publish(_, bytes) => bytes.len(),
        _ => 0,
    };
    bytes + COMMAND_COST
}

/// What all waiting commands may weigh, in bytes.
const QUEUE_MAX: usize = 16 * 1024 * 1024;
/// What a command weighs besides its bytes.
const COMMAND_COST: usize = 64;

/// Why a command of another thread was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandleError {
    /// 16 MiB of commands wait for the server already: it is slower than its callers.
    Full,
    /// The server has ended.
    Gone,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandleError::Full => "too much waits for the server already",
            HandleError::Gone => "the server has ended",
        })
    }
}

impl error::Error for HandleError {}

/// What a server was asked from outside: a request may be raised, and never be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopRequest {
    None,
    /// End in good order.
    Drain,
    /// End at once.
    Abort,
}

impl StopRequest {
    /// Returns the request with this number.
    pub(super) fn from_byte(byte: u8) -> StopRequest {
        match byte {
            0 => StopRequest::None,
            1 => StopRequest::Drain,
            _ => StopRequest::Abort,
        }
    }
}

impl ServerHandle {
    /// That of the loop with this doorbell.
    pub(crate) fn new(bell: Doorbell) -> ServerHandle {
        ServerHandle::make(bell, Readers::default())
    }

    /// That of a server that cannot run.
    pub(crate) fn closed() -> ServerHandle {
        let handle = ServerHandle::new(Doorbell::new(|| {}));
        handle.close();
        handle
    }

    /// That of another reactor of the same server.
    pub(crate) fn sibling(&self, bell: Doorbell) -> ServerHandle {
        ServerHandle::make(bell, Arc::clone(&self.shared.readers))
    }

    fn make(bell: Doorbell, readers: Readers) -> ServerHandle {
        let stop_request = AtomicU8::new(StopRequest::None as u8);
        let commands = Mailbox::bounded(&bell, QUEUE_MAX, weight);
        ServerHandle { shared: Arc::new(Shared { stop_request, bell, commands, readers }) }
    }

    /// The doorbell of the loop.
    #[inline(always)]
    pub(crate) fn bell(&self) -> &Doorbell {
        &self.shared.bell
    }

    /// Counters for one more thread of the server.
    pub(crate) fn counters(&self) -> Counters {
        let counters = Counters::new();
        self.readers().push(counters.reader());
        counters
    }

    fn readers(&self) -> MutexGuard<'_, Vec<CountersReader>> {
        self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server has done so far, all its threads together; when it has ended, what it had
    /// done. It takes nothing from the loop, so ask as often as you like.
    ///
    /// ```
    /// use socketserver::{Close, Context, Handler, Server};
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    ///
    /// # struct Echo;
    /// # impl Handler for Echo {
    /// #     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
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
        sum
    }

    /// Sends `bytes` to a connection, behind what it has been sent before; as
    /// [`Context::send`](crate::Context::send) does from a handler. Returns at once.
    ///
    /// # Errors
    ///
    /// [`HandleError`], and nothing was sent. That the connection has gone is none.
    pub fn send(&self, to: Id, bytes: impl Into<Box<[u8]>>) -> Result<(), HandleError> {
        self.command(Effect::Send(to, bytes.into()))
    }

    /// Sends `bytes` to every member of `topic`, as
    /// [`Context::publish`](crate::Context::publish) does from a handler. Returns at once.
    ///
    /// # Errors
    ///
    /// [`HandleError`], and nothing was published. That nobody listens is none.
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
    pub fn publish(&self, topic: &Topic, bytes: impl Into<Box<[u8]>>) -> Result<(), HandleError> {
        self.command(Effect::Publish(topic.clone(), bytes.into()))
    }

    /// Tells the handler of a connection something, as
    /// [`Context::notify`](crate::Context::notify) does from a handler. Returns at once.
    ///
    /// # Errors
    ///
    /// [`HandleError`], and nobody was told. That the connection has gone is none.
    pub fn notify(&self, to: Id, note: impl Any + Send) -> Result<(), HandleError> {
        self.command(Effect::Notify(to, Box::new(note)))
    }

    fn command(&self, command: Command) -> Result<(), HandleError> {
        self.shared.commands.send(command).map_err(|refused| match refused {
            Refused::Full(_) => HandleError::Full,
            Refused::Closed(_) => HandleError::Gone,
        })
    }

    /// Takes the oldest commands, at most `max`, and none from the first on that must `wait`.
    pub(super) fn take(&self, max: usize, wait: impl Fn(&Command) -> bool) -> Taken<Command> {
        self.shared.commands.take(max, wait)
    }

    /// Whether the oldest command must `wait`, and so all behind it.
    pub(super) fn must_wait(&self, wait: impl Fn(&Command) -> bool) -> bool {
        self.shared.commands.must_wait(wait)
    }

    /// No command is taken any more: the server has ended.
    pub(crate) fn close(&self) {
        for command in self.shared.commands.close() {
            panics::drop_quietly(command);
        }
    }

    /// Stops the server in good order: it closes its listeners, answers what it has received,
    /// and ends every connection as soon as that one's handler lets go; after
    /// [`Limits::drain`](crate::Limits::drain) it ends the rest. Returns at once.
    pub fn stop(&self) {
        self.ask(StopRequest::Drain);
    }

    /// Stops the server at once, whatever it is in the middle of.
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
