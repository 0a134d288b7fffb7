//! The facade: addresses and services in, a running server out.

mod endpoint;
mod run;

use std::time::Duration;
use std::{fmt, io};

use self::endpoint::Place;
use crate::handler::blocking::BlockingService;
use crate::handler::datagram::DatagramHandler;
use crate::handler::effect::Dial;
use crate::handler::task::{PeriodicTask, TaskContext};
use crate::handler::{Handler, Service};
use crate::limits::Limits;
use crate::mode::Mode;
use crate::net::address::Address;
use crate::net::to_destination::ToDestination;
use crate::net::to_listen::ToListen;
use crate::net::to_listen::sealed::Binding;
#[cfg(feature = "processes")]
use crate::prefork;
use crate::reactor::{Poller, ServerHandle, ServiceKind};

/// A server: addresses, each with its service, and the limits that hold for all of them.
///
/// The short form, for one service:
///
/// ```
/// use socketserver::{Close, Context, Handler, Server};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
///         cx.write(input);
///         Ok(input.len())
///     }
/// }
///
/// let server = Server::bind("127.0.0.1:0")?;
/// println!("listening on {}", server.addresses()[0]);
/// # server.handle().stop();
/// server.serve(|_| Echo)?; // until `ServerHandle::stop` is called
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Several services in one loop:
///
/// ```
/// # use socketserver::{Close, Context, Handler, Server};
/// # struct Echo;
/// # impl Handler for Echo {
/// #     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
/// #         cx.write(input);
/// #         Ok(input.len())
/// #     }
/// # }
/// use socketserver::DatagramContext;
///
/// let echo = |datagram: &[u8], cx: &mut DatagramContext<'_>| cx.reply(datagram);
/// let server = Server::new()
///     .listen(["127.0.0.1:0", "127.0.0.1:0"], |_| Echo)?
///     .listen_datagrams("udp:127.0.0.1:0", echo)?;
/// # server.handle().stop();
/// server.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub struct Server {
    limits: Limits,
    mode: Mode,
    poller: io::Result<Poller>,
    handle: ServerHandle,
    services: Vec<ServiceKind<'static>>,
    handlers: Vec<Box<dyn DatagramHandler>>,
    /// In the order of binding, each with the index of its service or handler, unless it has none
    /// yet.
    places: Vec<(Place, Option<usize>)>,
    /// Some of the sockets were bound by the program.
    has_own_sockets: bool,
    dials: Vec<Dial>,
    /// Periodic tasks, each with its period.
    tasks: Vec<(Duration, PeriodicTask)>,
}

/// Making a server.
impl Server {
    /// Creates a server without addresses. Add some with [`listen`](Server::listen) and its
    /// siblings, or make it a client by [`connect`](Server::connect).
    ///
    /// A poller that the system cannot make is an error of [`check`](Server::check) and
    /// [`run`](Server::run).
    pub fn new() -> Server {
        let poller = Poller::new();
        let handle = match &poller {
            Ok(poller) => poller.handle(),
            Err(_) => ServerHandle::closed(),
        };
        Server {
            limits: Limits::default(),
            mode: Mode::default(),
            poller,
            handle,
            services: Vec::new(),
            handlers: Vec::new(),
            places: Vec::new(),
            has_own_sockets: false,
            dials: Vec::new(),
            tasks: Vec::new(),
        }
    }

    /// Creates a server that listens on `addresses`: see [`ToListen`] for all that they may be.
    /// Clients can connect from now on, and wait for [`serve`](Server::serve),
    /// [`serve_blocking`](Server::serve_blocking) or
    /// [`serve_datagrams`](Server::serve_datagrams).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if an address cannot be understood or has options that do not fit it;
    /// otherwise the system's, above all `AddrInUse` and `PermissionDenied`. The message names the
    /// address.
    pub fn bind(addresses: impl ToListen) -> io::Result<Server> {
        Server::new().open(addresses, None, None)
    }

    /// Listens on `addresses` for connections, which `service` makes handlers for. See
    /// [`ToListen`] for all that addresses may be.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](Server::bind); and `InvalidInput` for an address of datagrams.
    pub fn listen(
        self,
        addresses: impl ToListen,
        service: impl Service + 'static,
    ) -> io::Result<Server> {
        self.open_service(addresses, ServiceKind::Handlers(Box::new(service)))
    }

    /// Listens on `addresses` for connections that get a blocking handler of `service`. It needs
    /// [`Mode::Threads`] with at least one worker, and has a pool of that many workers for itself.
    /// A [`Stream`](crate::Stream) does not keep the boundaries of packets, so `seqpacket:`
    /// addresses cannot have one.
    ///
    /// A connection that finds all workers busy waits, and counts as one of
    /// [`Limits::connections`]: above that limit none is accepted.
    ///
    /// [`BlockingHandler`](crate::BlockingHandler) has an example.
    ///
    /// # Errors
    ///
    /// Those of [`listen`](Server::listen).
    pub fn listen_blocking(
        self,
        addresses: impl ToListen,
        service: impl BlockingService + 'static,
    ) -> io::Result<Server> {
        self.open_service(addresses, ServiceKind::Blocking(Box::new(service)))
    }

    /// Listens on `addresses` for datagrams, for `handler`.
    ///
    /// ```
    /// use socketserver::{DatagramContext, Server};
    ///
    /// let echo = |datagram: &[u8], cx: &mut DatagramContext<'_>| cx.reply(datagram);
    /// let server = Server::new().listen_datagrams("udp:127.0.0.1:0", echo)?;
    /// # server.handle().stop();
    /// server.run()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`bind`](Server::bind); and `InvalidInput` for an address of connections.
    pub fn listen_datagrams(
        mut self,
        addresses: impl ToListen,
        handler: impl DatagramHandler + 'static,
    ) -> io::Result<Server> {
        let index = self.handlers.len();
        self.handlers.push(Box::new(handler));
        self.open(addresses, Some(Kind::Datagrams), Some(index))
    }

    fn open_service(
        mut self,
        addresses: impl ToListen,
        service: ServiceKind<'static>,
    ) -> io::Result<Server> {
        let index = self.services.len();
        self.services.push(service);
        self.open(addresses, Some(Kind::Connections), Some(index))
    }

    /// Opens `addresses` for the service or handler with this index, which takes addresses of this
    /// kind only.
    fn open(
        mut self,
        addresses: impl ToListen,
        kind: Option<Kind>,
        index: Option<usize>,
    ) -> io::Result<Server> {
        let bindings = addresses.bindings().map_err(invalid)?;
        if bindings.is_empty() {
            return Err(invalid("there is no address to listen on"));
        }
        for binding in bindings {
            self.has_own_sockets |= matches!(binding, Binding::Socket(_));
            let place = Place::open(binding)?;
            if kind.is_some_and(|kind| kind != Kind::of(&place)) {
                return Err(Kind::of(&place).misfit(&place));
            }
            self.places.push((place, index));
        }
        Ok(self)
    }

    /// Connects to `to` when the server runs; as [`Context::connect`](crate::Context::connect)
    /// does from a handler.
    /// The server ends when it listens nowhere and the last connection has ended.
    ///
    /// A `to` that cannot be understood is an error of [`check`](Server::check).
    ///
    /// ```
    /// use socketserver::{Close, Context, Handler, Server};
    /// use std::io::Write;
    /// use std::net::TcpListener;
    ///
    /// /// Prints what comes.
    /// struct Print;
    ///
    /// impl Handler for Print {
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         println!("{}", input.escape_ascii());
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_unreachable(&mut self, error: &std::io::Error, _: &mut Context<'_>) {
    ///         println!("nobody there: {error}");
    ///     }
    /// }
    ///
    /// let other = TcpListener::bind("127.0.0.1:0")?;
    /// let to = ("localhost", other.local_addr()?.port());
    /// let client = std::thread::spawn(move || Server::new().connect(to, Print).run());
    /// other.accept()?.0.write_all(b"hello")?;
    /// client.join().unwrap()?; // the other side has closed
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(mut self, to: impl ToDestination, handler: impl Handler + 'static) -> Server {
        self.dials.push(Dial { to: to.target(), handler: handler.into_box() });
        self
    }

    /// Runs `task` every `period` in the loop of the server, for the first time one period after its
    /// start: Python's `service_actions`. Calls do not drift; if one comes so late that others are
    /// due already, these are skipped. A task must return soon, as a handler must. One that panics
    /// does not run again.
    ///
    /// In [`Mode::Reactors`] the first loop runs the tasks, in `Mode::Processes` each worker
    /// process. Tasks do not keep a server running that has no listeners.
    ///
    /// ```
    /// use socketserver::{Server, Topic};
    /// use std::time::Duration;
    ///
    /// let server = Server::new().every(Duration::from_secs(60), |cx| {
    ///     cx.publish(&Topic::new("clock"), format!("{} s\n", cx.now().elapsed().as_secs()));
    /// });
    /// # drop(server);
    /// ```
    pub fn every(
        mut self,
        period: Duration,
        task: impl FnMut(&mut TaskContext<'_>) + Send + 'static,
    ) -> Server {
        self.tasks.push((period, Box::new(task)));
        self
    }

    /// Sets the bounds of the server, instead of [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Server {
        self.limits = limits;
        self
    }

    /// Sets where handlers run, instead of [`Mode::Multiplex`].
    pub fn mode(mut self, mode: Mode) -> Server {
        self.mode = mode;
        self
    }

    /// Stops on SIGTERM and SIGINT (Ctrl-C): the first drains as [`ServerHandle::stop`] does, the next
    /// one ends everything at once. A library installs no signal handler without being asked to; this asks.
    ///
    /// # Errors
    ///
    /// The system's, if the handlers cannot be installed.
    ///
    /// ```
    /// use socketserver::Server;
    ///
    /// let server = Server::bind("127.0.0.1:0")?.stop_on_signals()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "signals")]
    pub fn stop_on_signals(mut self) -> io::Result<Server> {
        if let Ok(poller) = &mut self.poller {
            poller.heed_signals()?;
        }
        Ok(self)
    }
}

/// Getters.
impl Server {
    /// Returns the addresses that it listens on, in the order of binding, with the ports that the
    /// system chose.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.places.iter().map(|(place, _)| place.address()).collect()
    }

    /// Returns a handle for other threads, to stop the server with.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Returns true if this process is a worker that a supervisor has started, in
    /// [`Mode::Processes`]. For things to be done once and not in each worker, such as a message
    /// that tells where the server listens.
    ///
    /// ```
    /// use socketserver::Server;
    ///
    /// assert!(!Server::is_worker()); // no supervisor has started this example
    /// ```
    #[cfg(feature = "processes")]
    #[must_use]
    pub fn is_worker() -> bool {
        prefork::is_worker()
    }
}

/// What comes to an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connections,
    Datagrams,
}

impl Kind {
    fn of(place: &Place) -> Kind {
        match place {
            Place::Listener(_) => Kind::Connections,
            Place::Datagrams(_) => Kind::Datagrams,
        }
    }

    /// Returns the error for a place of this kind where one of the other kind is wanted.
    fn misfit(self, place: &Place) -> io::Error {
        let address = place.address();
        invalid(match self {
            Kind::Connections => format!("{address} is not for datagrams: write udp: or unixgram:"),
            Kind::Datagrams => format!("{address} is for datagrams: they need a datagram handler"),
        })
    }
}

fn invalid(what: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.to_string())
}

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}
