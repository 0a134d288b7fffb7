//! The facade: addresses and services in, a running server out.

mod endpoint;

use std::{fmt, io};

use self::endpoint::Place;
use crate::handler::blocking::BlockingService;
use crate::handler::context::Dial;
use crate::handler::datagram::DatagramHandler;
use crate::handler::{Handler, Service};
use crate::limits::Limits;
use crate::mode::Mode;
use crate::net::address::Address;
use crate::net::destination::Destination;
use crate::net::listen::Listen;
#[cfg(feature = "processes")]
use crate::prefork::{self, Supervisor};
#[cfg(feature = "processes")]
use crate::reactor::Channel;
use crate::reactor::{
    Budgets, DatagramEndpoints, Poller, QUEUE, Reactor, ServerHandle, ServiceKind, Setup,
    run_several,
};

/// A server: some addresses, the services behind them, and the limits they live under.
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
/// let server = Server::bind("127.0.0.1:0")?.and_bind("[::1]:0")?;
/// for address in server.addresses() {
///     println!("listening on {address}");
/// }
/// # server.handle().stop();
/// server.serve(|_| Echo)?; // until somebody calls `ServerHandle::stop`
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Two services in one loop:
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
/// # struct Discard;
/// # impl Handler for Discard {
/// #     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
/// #         Ok(input.len())
/// #     }
/// # }
/// let server = Server::bind("127.0.0.1:0")?
///     .service(|_| Echo)
///     .and_bind("127.0.0.1:0")?
///     .service(|_| Discard);
/// # server.handle().stop();
/// server.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    limits: Limits,
    mode: Mode,
    poller: Poller,
    services: Vec<ServiceKind<'static>>,
    handlers: Vec<Box<dyn DatagramHandler>>,
    /// In the order of binding, each with the index of its service or handler; those bound since
    /// the last one was given have none yet.
    places: Vec<(Place, Option<usize>)>,
    dials: Vec<Dial>,
}

impl Server {
    /// A server that listens on `address`: text, an [`Address`], or a [`Listen`] with options for
    /// its socket. Peers can connect from now on and wait for
    /// [`serve`](Server::serve).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `address` is none or has options that do not fit it; else whatever the
    /// system says to it, `AddrInUse` and
    /// `PermissionDenied` above all. The message names the address.
    pub fn bind<A>(address: A) -> io::Result<Server>
    where
        A: TryInto<Listen>,
        A::Error: fmt::Display,
    {
        Server::unbound()?.and_bind(address)
    }

    /// A server that listens nowhere: a loop for connections to others, which ends when the last
    /// of them has. What clients are made of.
    ///
    /// # Errors
    ///
    /// The system's, if it has no poller.
    pub fn unbound() -> io::Result<Server> {
        let (poller, limits) = (Poller::new()?, Limits::default());
        Ok(Server {
            limits,
            mode: Mode::default(),
            poller,
            services: Vec::new(),
            handlers: Vec::new(),
            places: Vec::new(),
            dials: Vec::new(),
        })
    }

    /// Connects to `to` when the server runs; as [`Context::connect`](crate::Context::connect)
    /// does from a handler.
    ///
    /// ```
    /// use socketserver::{Close, Context, Destination, Handler, Server};
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
    /// let to: Destination = format!("localhost:{}", other.local_addr()?.port()).parse()?;
    /// let client = std::thread::spawn(|| Server::unbound()?.connect(to, Print).run());
    /// other.accept()?.0.write_all(b"hello")?;
    /// client.join().unwrap()?; // the other side has closed
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn connect(
        mut self,
        to: impl Into<Destination>,
        handler: impl Handler + 'static,
    ) -> Server {
        self.dials.push(Dial { to: to.into(), handler: Box::new(handler) });
        self
    }

    /// One more address.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Server::bind).
    pub fn and_bind<A>(mut self, address: A) -> io::Result<Server>
    where
        A: TryInto<Listen>,
        A::Error: fmt::Display,
    {
        let listen: Listen = address.try_into().map_err(invalid)?;
        let address = &listen.address;
        listen.check().map_err(|rule| invalid(format!("cannot listen on {address}: {rule}")))?;
        let place = Place::open(&listen).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        })?;
        self.places.push((place, None));
        Ok(self)
    }

    /// The bounds the server lives under, instead of [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Server {
        self.limits = limits;
        self
    }

    /// Where handlers run, instead of [`Mode::Multiplex`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Server {
        self.mode = mode;
        self
    }

    /// Whether this process is a worker that a supervisor has started, in [`Mode::Processes`]. For
    /// what should be done once and not in each worker: telling where the server listens, say.
    ///
    /// ```
    /// use socketserver::Server;
    ///
    /// assert!(!Server::is_worker()); // nobody supervises this example
    /// ```
    #[cfg(feature = "processes")]
    pub fn is_worker() -> bool {
        prefork::is_worker()
    }

    /// Puts `service` behind every address of connections bound so far that has none.
    #[must_use]
    pub fn service(self, service: impl Service + 'static) -> Server {
        self.put(ServiceKind::Handlers(Box::new(service)))
    }

    /// Puts a `service` of blocking handlers behind every address of connections bound so far
    /// that has none. It needs [`Mode::Threads`] with at least one worker, and has a pool of so
    /// many workers for itself. A [`Stream`](crate::Stream) keeps no packets apart, so
    /// `seqpacket:` addresses cannot have one.
    ///
    /// Whoever finds all workers busy waits, and counts as a connection of
    /// [`Limits::connections`]: above that nobody is accepted.
    ///
    /// [`BlockingHandler`](crate::BlockingHandler) has an example.
    #[must_use]
    pub fn requests(self, service: impl BlockingService + 'static) -> Server {
        self.put(ServiceKind::Blocking(Box::new(service)))
    }

    fn put(mut self, service: ServiceKind<'static>) -> Server {
        let index = self.services.len();
        self.services.push(service);
        for (place, behind) in &mut self.places {
            if matches!(place, Place::Listener(_)) {
                behind.get_or_insert(index);
            }
        }
        self
    }

    /// Puts `handler` behind every address of datagrams bound so far that has none.
    ///
    /// ```
    /// use socketserver::{DatagramContext, Server};
    ///
    /// let echo = |datagram: &[u8], cx: &mut DatagramContext<'_>| cx.reply(datagram);
    /// let server = Server::bind("udp:127.0.0.1:0")?.datagrams(echo);
    /// # server.handle().stop();
    /// server.run()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn datagrams(mut self, handler: impl DatagramHandler + 'static) -> Server {
        let index = self.handlers.len();
        self.handlers.push(Box::new(handler));
        for (place, behind) in &mut self.places {
            if matches!(place, Place::Datagrams(_)) {
                behind.get_or_insert(index);
            }
        }
        self
    }

    /// Where it listens, in the order of binding, with the ports that the system chose.
    pub fn addresses(&self) -> Vec<Address> {
        self.places.iter().map(|(place, _)| place.address()).collect()
    }

    /// A handle for other threads, to stop the server with.
    pub fn handle(&self) -> ServerHandle {
        self.poller.handle()
    }

    /// Stops on SIGTERM and SIGINT (Ctrl-C): the first drains as [`ServerHandle::stop`] does, the next
    /// one ends everything at once. A library installs no signal handler unasked; this asks.
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
        self.poller.heed_signals()?;
        Ok(self)
    }

    /// Puts `service` behind the addresses and runs: Python's `serve_forever`. Returns when
    /// [`ServerHandle::stop`] was called and the last connection has ended.
    ///
    /// # Errors
    ///
    /// As for [`run`](Server::run).
    pub fn serve(self, service: impl Service + 'static) -> io::Result<()> {
        self.service(service).run()
    }

    /// Whether it can run: [`run`](Server::run) looks at the same first. For programs that tell
    /// where they listen before they do.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the limits make no sense together, an address has no service or no
    /// datagram handler, the mode does not fit (processes share addresses, and nothing else), or
    /// blocking handlers have no workers or a `seqpacket:` address; and the errors of
    /// [`Service::check`].
    ///
    /// ```
    /// use socketserver::{BlockingHandler, Server, Stream};
    ///
    /// struct Silent;
    ///
    /// impl BlockingHandler for Silent {
    ///     fn handle(&mut self, _: &mut Stream) -> std::io::Result<()> {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let server = Server::bind("127.0.0.1:0")?.requests(|_| Silent);
    /// let error = server.check().unwrap_err();
    /// assert_eq!(error.to_string(), "blocking handlers need Mode::Threads with at least 1 worker");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn check(&self) -> io::Result<()> {
        self.limits.check().map_err(invalid)?;
        #[cfg(feature = "processes")]
        self.check_processes()?;
        let has_workers = matches!(self.mode, Mode::Threads(1..));
        if !has_workers && self.services.iter().any(|it| matches!(it, ServiceKind::Blocking(_))) {
            return Err(invalid("blocking handlers need Mode::Threads with at least 1 worker"));
        }
        for (place, behind) in &self.places {
            let address = place.address();
            let service = behind.and_then(|index| self.services.get(index));
            if let (Address::SeqPacket(_), Some(ServiceKind::Blocking(_))) = (&address, service) {
                return Err(invalid(format!("{address}: blocking handlers serve no packets")));
            }
        }
        for service in &self.services {
            service.check()?;
        }
        match self.places.iter().find(|(_, behind)| behind.is_none()) {
            Some((place, _)) => {
                let what = match place {
                    Place::Listener(_) => "service",
                    Place::Datagrams(_) => "datagram handler",
                };
                Err(invalid(format!("{} has no {what}", place.address())))
            }
            None => Ok(()),
        }
    }

    #[cfg(feature = "processes")]
    fn check_processes(&self) -> io::Result<()> {
        match self.mode {
            Mode::Processes(1..) if !self.dials.is_empty() => Err(invalid(
                "every worker process would make the connections of Server::connect: use another \
                 mode, or Context::connect",
            )),
            Mode::Processes(1..) if self.places.is_empty() => {
                Err(invalid("worker processes have nothing to share: bind an address"))
            }
            _ => Ok(()),
        }
    }

    /// Runs in this thread until [`ServerHandle::stop`] was called and the last connection has ended; in
    /// `Mode::Processes`, until the last worker has.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Server::check); else the system's, if its poller fails.
    pub fn run(self) -> io::Result<()> {
        self.check()?;
        #[cfg(feature = "processes")]
        if let (Mode::Processes(workers @ 1..), false) = (self.mode, Server::is_worker()) {
            return self.supervise(workers);
        }
        let (mut listeners, mut sockets) = (Vec::new(), Vec::new());
        for (place, behind) in self.places {
            match (place, behind) {
                (Place::Listener(listener), Some(service)) => {
                    listener.set_queue(self.limits.listen_queue)?;
                    listeners.push((listener, service));
                }
                (Place::Datagrams(socket), Some(handler)) => sockets.push((socket, handler)),
                // There is none, says `check`.
                (_, None) => {}
            }
        }
        let datagrams = DatagramEndpoints::new(&self.limits, self.handlers, sockets);
        #[cfg_attr(not(feature = "processes"), allow(unused_mut, reason = "nobody supervises"))]
        let Server { limits, mode, services, dials, mut poller, .. } = self;
        #[cfg(feature = "processes")]
        if let (Mode::Processes(1..), Some(channel)) = (mode, prefork::channel()?) {
            poller.heed_supervisor(Channel::new(channel)?)?;
        }
        let setup = Setup {
            limits,
            mode,
            services,
            listeners,
            kernel_queue: QUEUE,
            dials,
            datagrams,
            budgets: Budgets::default(),
            takes_ordinary_path: true,
        };
        match mode {
            Mode::Reactors(count @ 2..) => run_several(poller, count, setup),
            _ => Reactor::new(poller, setup, None)?.run(),
        }
    }

    #[cfg(feature = "processes")]
    fn supervise(self, workers: usize) -> io::Result<()> {
        let places: Vec<Place> = self.places.into_iter().map(|(place, _)| place).collect();
        for place in &places {
            if let Place::Listener(listener) = place {
                listener.set_queue(self.limits.listen_queue)?;
            }
        }
        Supervisor::new(self.poller, places, workers, self.limits.drain)?.run()
    }
}

fn invalid(what: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.to_string())
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}
