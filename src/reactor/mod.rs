//! The reactor: waits, notes what is ready, and runs one turn of the hub. The only place that
//! knows mio and the clock. Must not know any protocol or what handlers do.
//!
//! ```text
//!  1 wait     poll until an event, or the next thing that is due
//!  2 note     mark each event on its connection                        (no work here)
//!  3 accept   a bounded burst per listener; datagrams too
//!  4 collect  handlers that come back from workers; what other threads asked for; connections
//!             made to others
//!  5 turn     the hub: expire deadlines, pump each ready connection once, reap
//! ```

mod accept;
mod bind;
#[cfg(feature = "processes")]
mod channel;
mod clock;
mod connect;
mod datagram_socket;
mod datagrams;
mod door;
mod farewell;
#[cfg(feature = "processes")]
mod inherit;
mod listen;
mod outgoing;
mod poller;
mod remote;
mod resolve;
#[cfg(feature = "signals")]
mod signals;
mod socket;
mod socket_file;

use std::io;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Token};

#[cfg(feature = "processes")]
pub(crate) use self::channel::Channel;
pub(crate) use self::clock::Clock;
pub(crate) use self::datagram_socket::DatagramSocket;
pub(crate) use self::datagrams::Letterboxes;
pub(crate) use self::door::Behind;
pub(crate) use self::listen::Listener;
pub(crate) use self::poller::Poller;
pub(crate) use self::remote::Wish;
pub use self::remote::{Remote, RemoteError};

use self::accept::{Accepting, Look};
use self::connect::{Connector, Outcome};
use self::door::{Door, ask};
use self::farewell::Farewell;
use self::remote::Command;
use self::socket::Socket;
use crate::context::Dial;
use crate::exec::{Executor, Leaving, Pool, RequestPool};
use crate::hub::{Hub, Readiness};
use crate::{Handler, Id, Limits, Mode, Now, Peer, now, panics};

/// Events taken from the kernel in one turn. An `epoll_event` is 12 bytes; more of them make the
/// second look at a connection come later, fewer make more system calls.
const EVENTS: usize = 1024;

// Ids travel as tokens.
const _: () = assert!(usize::BITS == 64, "socketserver needs a 64-bit system");

/// Commands of other threads taken in one turn.
const COMMANDS: usize = 256;

/// At most one line about a listener's trouble in this time.
const QUIET_MS: u64 = 10_000;

pub(crate) struct Reactor {
    poller: Poller,
    clock: Clock,
    now: Now,
    hub: Hub<Socket>,
    services: Vec<Behind>,
    doors: Vec<Door>,
    connector: Connector,
    letterboxes: Letterboxes,
    /// In [`Mode::Threads`], and where work was offloaded.
    pool: Option<Pool>,
    /// The same, if there are blocking handlers.
    requests: Option<RequestPool>,
    limits: Limits,
    phase: Phase,
}

/// What a reactor runs.
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    pub(crate) mode: Mode,
    pub(crate) services: Vec<Behind>,
    /// Listeners, each with the index of its service.
    pub(crate) doors: Vec<(Listener, usize)>,
    pub(crate) dials: Vec<Dial>,
    pub(crate) letterboxes: Letterboxes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// No listener is open; connections end one by one, the rest at this time.
    Draining {
        until_ms: u64,
    },
}

impl Reactor {
    pub(crate) fn new(poller: Poller, setup: Setup) -> io::Result<Reactor> {
        let Setup { limits, mode, services, doors, dials, letterboxes } = setup;
        let mut clock = Clock::start();
        let now = clock.read();
        let connector = Connector::new(poller.remote(), limits.connect);
        let workers = match mode {
            Mode::Multiplex | Mode::Threads(0) => None,
            // This is one of them.
            #[cfg(feature = "processes")]
            Mode::Processes(_) => None,
            Mode::Threads(workers) => Some(workers),
        };
        // No threads for handlers of a kind that is not there.
        let blocks = |behind: &Behind| matches!(behind, Behind::Requests(_));
        let of_handlers = workers.filter(|_| !services.iter().all(blocks) || !dials.is_empty());
        let of_requests = workers.filter(|_| services.iter().any(blocks));
        let waker = |remote: Remote| move || remote.wake();
        let start = |workers| Pool::start(workers, waker(poller.remote()));
        let pool = of_handlers.map(start).transpose()?;
        let start = |workers| RequestPool::start(workers, &limits, waker(poller.remote()));
        let requests = of_requests.map(start).transpose()?;
        let executor = if pool.is_some() { Executor::Pool } else { Executor::Inline };
        let mut reactor = Reactor {
            poller,
            clock,
            now,
            hub: Hub::new(limits.clone(), executor),
            services,
            doors: Vec::new(),
            connector,
            letterboxes,
            pool,
            requests,
            limits,
            phase: Phase::Serving,
        };
        for (index, (mut listener, service)) in doors.into_iter().enumerate() {
            listener.register(reactor.poller.poll.registry(), Token(index))?;
            reactor.doors.push(Door::new(listener, service));
        }
        for dial in dials {
            reactor.hub.dial(dial);
        }
        reactor.letterboxes.register(reactor.poller.poll.registry())?;
        Ok(reactor)
    }

    /// Runs until it is told to stop and the last connection has ended.
    ///
    /// # Errors
    ///
    /// The poller failed; nothing a peer does can bring that about.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        // Before the first wait, too: nothing may ever happen to a server without listeners.
        while !self.is_over() {
            self.wait(&mut events)?;
            for event in &events {
                self.note(event);
            }
            self.accept();
            self.letterboxes.turn(self.now);
            self.collect();
            if !self.connector.is_idle() {
                self.connect();
            }
            let before = self.hub.len();
            self.hub.turn(self.now);
            if self.hub.has_tasks() {
                self.submit()?;
            }
            if self.hub.dials() > 0 {
                self.dial();
            }
            if self.hub.len() < before {
                self.retry_paused();
            }
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        match self.poller.poll.poll(events, self.timeout()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            Err(error) => return Err(error),
        }
        self.now = self.clock.read();
        // Connections are opened, and handlers told that theirs cannot be, before the hub's turn.
        self.hub.note_time(self.now);
        Ok(())
    }

    /// How long to sleep: not at all if something is left to do.
    fn timeout(&self) -> Option<Duration> {
        if self.poller.remote.is_pending() {
            return Some(Duration::ZERO);
        }
        let doors = self.doors.iter().filter_map(|door| match door.accepting {
            Accepting::Idle => None,
            Accepting::Ready => self.has_room().then_some(0),
            Accepting::Paused { until_ms } => Some(until_ms),
        });
        let drain = match self.phase {
            Phase::Serving => None,
            Phase::Draining { until_ms } => Some(until_ms),
        };
        let rest = self.connector.next_ms().into_iter().chain(self.letterboxes.next_ms());
        let due_ms = doors.chain(self.hub.next_ms()).chain(drain).chain(rest).min()?;
        Some(Duration::from_millis(due_ms).saturating_sub(self.now.elapsed()))
    }

    fn note(&mut self, event: &Event) {
        let id = Id::from_token(event.token().0);
        if id.generation() != 0 {
            let readiness = Readiness {
                readable: event.is_readable(),
                writable: event.is_writable(),
                read_closed: event.is_read_closed(),
                error: event.is_error(),
            };
            self.hub.note(id, readiness);
        } else if let Some(door) = self.doors.get_mut(id.index()) {
            door.accepting = Accepting::Ready;
        } else if !self.letterboxes.note(event)
            && !self.connector.note(event.token(), self.poller.poll.registry(), self.now)
        {
            self.poller.note(event.token());
        }
    }

    /// Lets newcomers in, a bounded burst per listener.
    fn accept(&mut self) {
        for index in 0..self.doors.len() {
            let door = &mut self.doors[index];
            if let Accepting::Paused { until_ms } = door.accepting {
                if until_ms <= self.now.millis() {
                    door.accepting = Accepting::Ready;
                }
            }
            if door.accepting == Accepting::Ready {
                self.accept_burst(index, self.limits.accept_burst);
            }
        }
    }

    fn accept_burst(&mut self, index: usize, burst: usize) {
        let mut left = 0;
        for _ in 0..burst {
            // Without room they wait in the listener's queue, which stays marked.
            if !self.has_room() {
                return;
            }
            let door = &mut self.doors[index];
            match accept::look(&door.listener) {
                Look::Came(socket, peer) => {
                    let service = door.service;
                    self.admit(service, socket, peer);
                }
                Look::Left => left += 1,
                Look::Empty => {
                    door.accepting = Accepting::Idle;
                    return;
                }
                Look::Refused(error) => {
                    door.pause(&error, self.now);
                    return;
                }
            }
        }
        // An error that is meant for one peer and yet comes every time must not make the loop
        // spin.
        if left == burst {
            self.doors[index].pause(&io::ErrorKind::ConnectionAborted.into(), self.now);
        }
    }

    fn admit(&mut self, service: usize, socket: Socket, peer: Peer) {
        match &mut self.services[service] {
            Behind::Handlers(service) => {
                if let Some(handler) = ask(&peer, || service.accept(&peer)) {
                    self.register(socket, peer, handler);
                }
            }
            Behind::Requests(service) => {
                let handler = ask(&peer, || service.accept(&peer));
                if let (Some(handler), Some(pool)) = (handler, &self.requests) {
                    pool.submit(socket.into(), peer, handler);
                }
            }
        }
    }

    fn register(&mut self, mut socket: Socket, peer: Peer, handler: Box<dyn Handler>) {
        let token = Token(self.hub.next_id().to_token());
        match socket.register(self.poller.poll.registry(), token) {
            Ok(()) => {
                self.hub.open(socket, peer, handler);
            }
            // The poller has no room for this one (ENOSPC, ENOMEM); the others stay.
            Err(error) => {
                log::warn!("{peer}: cannot be watched: {error}");
                panics::drop_quietly(handler);
            }
        }
    }

    /// Gives the workers what is for them. In modes that have none, the first work that is
    /// offloaded has them started.
    fn submit(&mut self) -> io::Result<()> {
        let pool = match self.pool.take() {
            Some(pool) => pool,
            None => {
                let remote = self.poller.remote();
                Pool::start(self.limits.offload_workers, move || remote.wake())?
            }
        };
        pool.submit(self.hub.take_tasks());
        self.pool = Some(pool);
        Ok(())
    }

    /// Begins to make the connections that handlers want.
    fn dial(&mut self) {
        for dial in self.hub.take_dials() {
            match self.has_room() {
                true => self.connector.dial(dial, self.poller.poll.registry(), self.now),
                false => self.connector.refuse(dial),
            }
        }
    }

    /// Takes in the connections that have been made, and tells of those that cannot be.
    fn connect(&mut self) {
        self.connector.collect(self.poller.poll.registry(), self.now);
        for Outcome { handler, peer, socket } in self.connector.take_outcomes() {
            match socket.and_then(|socket| self.rename(socket)) {
                Ok(socket) => {
                    self.hub.open(socket, peer, handler);
                }
                Err(error) => {
                    log::debug!("{peer}: cannot be connected to: {error}");
                    self.hub.unreachable(handler, &peer, &error);
                }
            }
        }
    }

    /// Gives a socket that was watched as an attempt the name of the connection it becomes.
    fn rename(&self, mut socket: Socket) -> io::Result<Socket> {
        let token = Token(self.hub.next_id().to_token());
        socket.reregister(self.poller.poll.registry(), token)?;
        Ok(socket)
    }

    /// A connection has closed, so there is a descriptor again.
    fn retry_paused(&mut self) {
        for door in &mut self.doors {
            if matches!(door.accepting, Accepting::Paused { .. }) {
                door.accepting = Accepting::Ready;
            }
        }
    }

    /// Does what other threads asked for.
    fn collect(&mut self) {
        for task in self.pool.iter().flat_map(Pool::take_done) {
            self.hub.arrive(task);
        }
        if let Some((true, leaving)) = self.requests.as_ref().map(RequestPool::take_ended) {
            self.retry_paused();
            for Leaving { socket, peer } in leaving {
                self.register(socket.into(), peer, Box::new(Farewell));
            }
        }
        if self.poller.remote.is_pending() {
            self.obey();
        }
        match (self.poller.remote.wish(), self.phase) {
            (Wish::Serve, _) | (Wish::Drain, Phase::Draining { .. }) => {}
            (Wish::Drain, Phase::Serving) => self.start_draining(),
            (Wish::Abort, _) => {
                self.doors.clear();
                self.letterboxes.close();
                self.abort();
                self.phase = Phase::Draining { until_ms: 0 };
            }
        }
    }

    /// Does what other threads asked for, so many a turn.
    fn obey(&mut self) {
        // Other threads cannot be held as publishers of ours are: what they publish waits.
        let wait = |command: &Command| match command {
            Command::Publish(topic, _) => self.hub.is_crowded(topic),
            Command::Send(..) | Command::Tell(..) => false,
        };
        for command in self.poller.remote.take(COMMANDS, wait) {
            match command {
                Command::Send(to, bytes) => self.hub.deliver(to, &bytes),
                Command::Publish(topic, bytes) => {
                    self.hub.publish(Id::NOBODY, &topic, &bytes);
                }
                Command::Tell(to, note) => self.hub.tell(Id::NOBODY, to, note),
            }
        }
    }

    fn start_draining(&mut self) {
        // Whoever is in a listener's queue has connected already: closing the listener would
        // reset them. It may have filled up before its length was set, and Linux lets in one
        // more than it was told.
        let queue = self.limits.listen_queue.max(listen::QUEUE) as usize + 1;
        for index in 0..self.doors.len() {
            self.accept_burst(index, queue);
        }
        self.doors.clear();
        self.letterboxes.stop(self.now);
        log::info!("stopping: {} connections to end", self.len());
        self.hub.stop();
        if let Some(pool) = &self.requests {
            pool.stop();
        }
        let until_ms = self.now.millis().saturating_add(now::millis(self.limits.drain));
        self.phase = Phase::Draining { until_ms };
    }

    fn is_over(&mut self) -> bool {
        if let Phase::Draining { until_ms } = self.phase {
            if self.len() > 0 && until_ms <= self.now.millis() {
                let cut = self.len();
                self.abort();
                log::warn!("stopped: {cut} connections did not end in time");
                // A handler may still be with a worker that blocks: nobody waits for it.
                return true;
            }
        }
        // Without listeners there will never be another one.
        self.doors.is_empty() && self.letterboxes.is_empty() && self.len() == 0
    }

    /// Ends everything that is no listener and no datagram socket.
    fn abort(&mut self) {
        self.connector.abort();
        self.hub.abort();
        if let Some(pool) = &self.requests {
            pool.abort();
        }
    }

    /// Whether another connection may be accepted: those in the making have their place already.
    fn has_room(&self) -> bool {
        self.len() < self.limits.connections
    }

    /// Connections: in the loop, with blocking handlers, and in the making.
    fn len(&self) -> usize {
        let requests = self.requests.as_ref().map_or(0, RequestPool::len);
        self.hub.len() + requests + self.connector.len() + self.hub.dials()
    }
}
