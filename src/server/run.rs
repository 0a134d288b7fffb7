//! Running a server: its checks, and the parts that each mode starts.

use std::io;

use super::Server;
use super::endpoint::{Kind, Place, invalid};
use crate::accept::Descriptors;
#[cfg(feature = "backplane")]
use crate::backplane::sharing::Sharing;
use crate::handler::Service;
use crate::handler::blocking::BlockingService;
use crate::handler::datagram::DatagramHandler;
use crate::mode::Mode;
use crate::net::address::Address;
use crate::net::to_destination::sealed::Target;
#[cfg(feature = "processes")]
use crate::prefork::{self, Supervisor};
#[cfg(feature = "processes")]
use crate::reactor::Channel;
use crate::reactor::{
    Budgets, DatagramEndpoints, QUEUE, Reactor, ServiceKind, Setup, descriptors, run_several,
};

/// Running.
impl Server {
    /// Runs the server with `service` at the addresses of [`bind`](Server::bind): Python's
    /// `serve_forever`. Returns after [`ServerHandle::stop`](crate::ServerHandle::stop) when the
    /// last connection has ended.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Server::run), and `InvalidInput` if no address was bound or one is for
    /// datagrams.
    pub fn serve(mut self, service: impl Service + 'static) -> io::Result<()> {
        let index = self.services.len();
        self.services.push(ServiceKind::Handlers(Box::new(service)));
        self.give(Kind::Connections, index)?.run()
    }

    /// Runs the server as [`serve`](Server::serve) does, with blocking handlers: see
    /// [`listen_blocking`](Server::listen_blocking) for their conditions.
    /// [`Stream`](crate::Stream) has an example.
    ///
    /// # Errors
    ///
    /// The errors of [`serve`](Server::serve).
    pub fn serve_blocking(mut self, service: impl BlockingService + 'static) -> io::Result<()> {
        let index = self.services.len();
        self.services.push(ServiceKind::Blocking(Box::new(service)));
        self.give(Kind::Connections, index)?.run()
    }

    /// Runs the server as [`serve`](Server::serve) does, with a handler of datagrams: see
    /// [`listen_datagrams`](Server::listen_datagrams).
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Server::run), and `InvalidInput` if no address was bound or one is for
    /// connections.
    pub fn serve_datagrams(mut self, handler: impl DatagramHandler + 'static) -> io::Result<()> {
        let index = self.handlers.len();
        self.handlers.push(Box::new(handler));
        self.give(Kind::Datagrams, index)?.run()
    }

    /// Assigns the service or handler with this index to each address without one.
    fn give(mut self, kind: Kind, index: usize) -> io::Result<Server> {
        let mut has_given = false;
        for (place, behind) in self.places.iter_mut().filter(|(_, behind)| behind.is_none()) {
            if Kind::of(place) != kind {
                return Err(Kind::of(place).misfit(place));
            }
            *behind = Some(index);
            has_given = true;
        }
        match has_given {
            true => Ok(self),
            false => Err(invalid("there is no address to serve: Server::bind gives one")),
        }
    }

    /// Checks that the server can run, as [`run`](Server::run) does at its start. A program that
    /// prints its addresses before it runs can report errors first.
    ///
    /// # Errors
    ///
    /// The system's error if it cannot create a poller, the errors of [`Service::check`], and
    /// `InvalidInput` in these cases:
    ///
    /// * The limits contradict each other.
    /// * There can never be room for a connection of a service: see [`Service::places`].
    /// * An address has no service or datagram handler.
    /// * The destination of [`connect`](Server::connect) is invalid.
    /// * Blocking handlers have no workers, or a `seqpacket:` address.
    /// * In `Mode::Processes`, the server makes connections of its own, has no address, or has a
    ///   socket that the program has bound.
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
    /// let server = Server::new().listen_blocking("127.0.0.1:0", |_| Silent)?;
    /// let error = server.check().unwrap_err();
    /// let expected = "blocking handlers need Mode::Threads with at least 1 worker";
    /// assert_eq!(error.to_string(), expected);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn check(&self) -> io::Result<()> {
        if let Err(error) = &self.poller {
            return Err(io::Error::new(error.kind(), format!("no poller: {error}")));
        }
        self.limits.check().map_err(invalid)?;
        #[cfg(feature = "processes")]
        self.check_processes()?;
        self.check_blocking()?;
        for dial in &self.dials {
            if let Target::Invalid(error) = &dial.to {
                return Err(invalid(error));
            }
        }
        for service in &self.services {
            service.check()?;
            self.check_room(service.places().each)?;
        }
        match self.places.iter().find(|(_, behind)| behind.is_none()) {
            Some((place, _)) => {
                let what = match Kind::of(place) {
                    Kind::Connections => "service",
                    Kind::Datagrams => "datagram handler",
                };
                Err(invalid(format!("{} has no {what}", place.address())))
            }
            None => Ok(()),
        }
    }

    /// Checks that a connection that takes this number of `places` can be accepted.
    fn check_room(&self, places: usize) -> io::Result<()> {
        let lacks = |room: usize, limit: &str| {
            let connections = if room == 1 { "connection" } else { "connections" };
            Err(invalid(format!(
                "there is room for {room} {connections} ({limit}), but each needs room for {places}"
            )))
        };
        if places > self.limits.connections {
            return lacks(self.limits.connections, "Limits::connections");
        }
        // A process without a free descriptor waits for one.
        match descriptors().filter(|_| places > 1).map(Descriptors::room) {
            Some(room) if places > room => lacks(room, "ulimit -n"),
            _ => Ok(()),
        }
    }

    fn check_blocking(&self) -> io::Result<()> {
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
        Ok(())
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
            Mode::Processes(1..) if self.has_own_sockets => Err(invalid(
                "worker processes cannot take over a socket of the program: bind its address",
            )),
            _ => Ok(()),
        }
    }

    /// Runs the server in this thread. Returns after
    /// [`ServerHandle::stop`](crate::ServerHandle::stop) when the last connection has ended, or in
    /// `Mode::Processes` the last worker. A server without listeners returns when its last
    /// connection has ended. [`Server`] has an example.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Server::check), and the system's error if its poller fails or if, in
    /// `Mode::Processes`, no worker runs and none could be started for 30 seconds.
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
                // `check` has refused it.
                (_, None) => {}
            }
        }
        let datagrams = DatagramEndpoints::new(&self.limits, self.handlers, sockets);
        let Server { limits, mode, services, dials, tasks, poller, .. } = self;
        #[cfg_attr(not(feature = "processes"), allow(unused_mut, reason = "no supervisor"))]
        let mut poller = poller?;
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
            tasks,
            datagrams,
            budgets: Budgets::default(),
            #[cfg(feature = "backplane")]
            sharing: self.backplane.map(|it| Sharing::Home(Box::new(it))),
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
        Supervisor::new(self.poller?, places, workers, &self.limits)?.run()
    }
}
