//! The facade: addresses and services in, a running server out.

mod endpoint;
mod run;

use std::time::Duration;
use std::{fmt, io};

use self::endpoint::{Kind, Place, invalid};
#[cfg(feature = "backplane")]
use crate::backplane::config::Backplane;
use crate::handler::blocking::BlockingService;
use crate::handler::datagram::DatagramHandler;
#[cfg(feature = "signals")]
use crate::handler::effect::Stopping;
use crate::handler::effect::{Dial, Purpose};
use crate::handler::task::{PeriodicTask, TaskContext};
use crate::handler::{Handler, Service};
use crate::id::Id;
use crate::limits::Limits;
use crate::mode::Mode;
use crate::net::address::Address;
use crate::net::to_destination::ToDestination;
use crate::net::to_listen::ToListen;
use crate::net::to_listen::sealed::Binding;
#[cfg(feature = "processes")]
use crate::prefork;
use crate::reactor::{Poller, ServerHandle, ServiceKind};

/// A server: addresses, each with its service, and limits for all of them.
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
    /// In the order of binding, each with the index of its service or handler. Addresses of
    /// [`Server::bind`] have none until the server runs.
    places: Vec<(Place, Option<usize>)>,
    /// The program has bound some of the sockets.
    has_own_sockets: bool,
    dials: Vec<Dial>,
    /// Periodic tasks, each with its period.
    tasks: Vec<(Duration, PeriodicTask)>,
    #[cfg(feature = "backplane")]
    backplane: Option<Backplane>,
}

/// Creating a server.
impl Server {
    /// Creates a server without addresses. Add some with [`listen`](Server::listen) and its
    /// siblings, or make the server a client by [`connect`](Server::connect).
    ///
    /// If the system cannot create a poller, [`check`](Server::check) and [`run`](Server::run)
    /// return that error.
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
            #[cfg(feature = "backplane")]
            backplane: None,
        }
    }

    /// Creates a server that listens on `addresses`; [`ToListen`] lists their types. Clients can
    /// connect from now on, and wait until [`serve`](Server::serve),
    /// [`serve_blocking`](Server::serve_blocking) or
    /// [`serve_datagrams`](Server::serve_datagrams) is called.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if an address is invalid or has options that do not fit it; otherwise the
    /// system's error, often `AddrInUse` or `PermissionDenied`. The message names the address.
    pub fn bind(addresses: impl ToListen) -> io::Result<Server> {
        Server::new().open(addresses, None, None)
    }

    /// Listens on `addresses` for connections, for which `service` creates handlers. [`ToListen`]
    /// lists the types of addresses.
    ///
    /// # Errors
    ///
    /// The errors of [`bind`](Server::bind), and `InvalidInput` for an address of datagrams.
    pub fn listen(
        self,
        addresses: impl ToListen,
        service: impl Service + 'static,
    ) -> io::Result<Server> {
        self.open_service(addresses, ServiceKind::Handlers(Box::new(service)))
    }

    /// Listens on `addresses` for connections, for which `service` creates blocking handlers. This
    /// needs [`Mode::Threads`] with at least one worker; the blocking handlers of a server have a
    /// pool of their own with that number of workers. `seqpacket:` addresses are errors of
    /// [`check`](Server::check), because a
    /// [`Stream`](crate::Stream) does not keep the boundaries of packets.
    ///
    /// A connection waits while all workers are busy, and counts against [`Limits::connections`]:
    /// at that limit, no further connection is accepted.
    ///
    /// [`BlockingHandler`](crate::BlockingHandler) has an example.
    ///
    /// # Errors
    ///
    /// The errors of [`listen`](Server::listen).
    pub fn listen_blocking(
        self,
        addresses: impl ToListen,
        service: impl BlockingService + 'static,
    ) -> io::Result<Server> {
        self.open_service(addresses, ServiceKind::Blocking(Box::new(service)))
    }

    /// Listens on `addresses` for datagrams, which `handler` receives.
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
    /// The errors of [`bind`](Server::bind), and `InvalidInput` for an address of connections.
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

    /// Opens `addresses` for the service or handler with this index, which serves addresses of this
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

    /// Connects to `to` when the server runs, as [`Context::connect`](crate::Context::connect) does
    /// from a handler. A server without listeners ends when its last connection has ended.
    ///
    /// An invalid `to` is an error of [`check`](Server::check).
    ///
    /// ```
    /// use socketserver::{Close, Context, Handler, Server};
    /// use std::io::Write;
    /// use std::net::TcpListener;
    ///
    /// /// Prints its input.
    /// struct Print;
    ///
    /// impl Handler for Print {
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         println!("{}", input.escape_ascii());
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_unreachable(&mut self, error: &std::io::Error, _: &mut Context<'_>) {
    ///         println!("cannot connect: {error}");
    ///     }
    /// }
    ///
    /// let other = TcpListener::bind("127.0.0.1:0")?;
    /// let to = ("localhost", other.local_addr()?.port());
    /// let client = std::thread::spawn(move || Server::new().connect(to, Print).run());
    /// other.accept()?.0.write_all(b"hello")?;
    /// client.join().unwrap()?; // the other end has closed the connection
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(mut self, to: impl ToDestination, handler: impl Handler + 'static) -> Server {
        self.dials.push(Dial {
            from: Id::NOBODY,
            to: to.target(),
            handler: handler.into_box(),
            purpose: Purpose::Service,
        });
        self
    }

    /// Runs `task` every `period` in the loop of the server, for the first time one period after
    /// the start: Python's `service_actions`. Calls do not drift; if a call is so late that others
    /// are due, these are skipped. A task must return soon, as a handler must. A task that panics
    /// does not run again.
    ///
    /// In [`Mode::Reactors`] the first loop runs the tasks, and in `Mode::Processes` each worker
    /// process does. A server without listeners ends with its last connection, even if it has
    /// tasks.
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

    /// Shares topics with other servers, the nodes, through an engine. The server connects to it
    /// when it runs, and again whenever the connection ends; that takes none of the places of
    /// [`Limits::connections`]. In `Mode::Processes` each worker process is a node.
    ///
    /// A server with a backplane runs until it is stopped, also without listeners. It should have
    /// only one: a later one replaces it. `docs/many-machines.md` of this crate tells more.
    ///
    /// ```
    /// use socketserver::{Backplane, Server};
    ///
    /// let server = Server::bind("127.0.0.1:0")?;
    /// # let marks = "* some messages may be missing\n";
    /// // Without the variable SOCKETSERVER_BACKPLANE the server has no other nodes.
    /// let server = match Backplane::from_env()? {
    ///     Some(backplane) => server.backplane(backplane.share("room:", marks)),
    ///     None => server,
    /// };
    /// # drop(server);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "backplane")]
    pub fn backplane(mut self, mut backplane: Backplane) -> Server {
        backplane.status = self.handle.show_backplane(&backplane.status);
        self.backplane = Some(backplane);
        self
    }

    /// Sets the limits of the server, which replace [`Limits::default`].
    ///
    /// ```
    /// use socketserver::{Limits, Server};
    /// use std::time::Duration;
    ///
    /// let limits = Limits::default().connections(10_000).idle(Some(Duration::from_secs(30)));
    /// let server = Server::bind("127.0.0.1:0")?.limits(limits);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn limits(mut self, limits: Limits) -> Server {
        self.limits = limits;
        self
    }

    /// Sets the threads or processes in which handlers run. The default is [`Mode::Multiplex`].
    ///
    /// ```
    /// use socketserver::{Mode, Server};
    ///
    /// let server = Server::bind("127.0.0.1:0")?.mode(Mode::Reactors(2));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn mode(mut self, mode: Mode) -> Server {
        self.mode = mode;
        self
    }

    /// Installs handlers for SIGTERM, SIGINT (Ctrl-C) and SIGHUP. The first signal stops the server
    /// as [`ServerHandle::stop`] does; the second aborts it as [`ServerHandle::abort`] does, if it
    /// is a SIGINT or comes at least a second after the first. Two SIGINTs within 50 ms are one.
    /// Without this call, a server installs no signal handler.
    ///
    /// SIGHUP stops the server only if standard input is a terminal; otherwise it has no effect. On
    /// Linux, a SIGINT or SIGHUP that was ignored when the program started stays ignored, as
    /// `nohup` requires.
    ///
    /// # Errors
    ///
    /// The system's error, if the handlers cannot be installed.
    ///
    /// ```
    /// use socketserver::Server;
    ///
    /// let server = Server::bind("127.0.0.1:0")?.stop_on_signals()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "signals")]
    pub fn stop_on_signals(self) -> io::Result<Server> {
        self.heed_signals(Stopping::Stop)
    }

    /// Does the same as [`stop_on_signals`](Server::stop_on_signals), but the first signal stops
    /// the server as [`ServerHandle::restart`] does: for a server that another one replaces, which
    /// [shares its port](crate::Listen::reuse_port) or is started right after it.
    ///
    /// # Errors
    ///
    /// The system's error, if the handlers cannot be installed.
    ///
    /// ```
    /// use socketserver::Server;
    ///
    /// let server = Server::bind("127.0.0.1:0")?.restart_on_signals()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "signals")]
    pub fn restart_on_signals(self) -> io::Result<Server> {
        self.heed_signals(Stopping::Restart)
    }

    #[cfg(feature = "signals")]
    fn heed_signals(mut self, stopping: Stopping) -> io::Result<Server> {
        if let Ok(poller) = &mut self.poller {
            poller.heed_signals(stopping)?;
        }
        Ok(self)
    }
}

/// Getters.
impl Server {
    /// Returns the addresses of the server in the order of binding, with the ports that the system
    /// has chosen.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.places.iter().map(|(place, _)| place.address()).collect()
    }

    /// Returns a handle, with which other threads stop the server, send to its connections and
    /// read its metrics.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Returns true if this process is a worker that a supervisor has started, in
    /// [`Mode::Processes`]. A program that does something once, and not in each worker, asks for
    /// this: printing the addresses, for example.
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
