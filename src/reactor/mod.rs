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
//!  6 hand on  calls for workers, connections to be made, places of peers that have left, mail for
//!             the other reactors
//! ```

mod arrivals;
mod behind;
mod bind;
#[cfg(feature = "processes")]
mod channel;
mod clock;
mod connect;
mod datagram_socket;
mod datagrams;
mod descriptors;
mod group;
#[cfg(feature = "processes")]
mod inherit;
mod listen;
mod load;
mod outgoing;
mod poller;
mod remote;
mod resolve;
mod several;
#[cfg(feature = "signals")]
mod signals;
mod socket;
mod socket_file;
mod stopping;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Token};

pub(crate) use self::behind::Behind;
#[cfg(feature = "processes")]
pub(crate) use self::channel::Channel;
pub(crate) use self::clock::Clock;
pub(crate) use self::datagram_socket::DatagramSocket;
pub(crate) use self::datagrams::Letterboxes;
pub(crate) use self::listen::Listener;
pub(crate) use self::poller::Poller;
pub(crate) use self::remote::Wish;
pub use self::remote::{Remote, RemoteError};
pub(crate) use self::several::run as run_several;

use self::connect::Connector;
use self::group::Member;
use self::socket::Socket;
use self::stopping::Phase;
use crate::accept::{Doors, Entry, Newcomer, Room};
use crate::exec::{Executor, Pool, RequestPool};
use crate::handler::context::Dial;
use crate::hub::{Hub, Readiness};
use crate::id::Home;
use crate::id::Id;
use crate::limits::Limits;
use crate::mailbox::Taken;
use crate::metrics::stopwatch::Stopwatch;
use crate::mode::Mode;
use crate::now::Now;

/// Events taken from the kernel in one turn. An `epoll_event` is 12 bytes; more of them make the
/// second look at a connection come later, fewer make more system calls.
const EVENTS: usize = 256;

// Ids travel as tokens.
const _: () = assert!(usize::BITS == 64, "socketserver needs a 64-bit system");

/// Commands of other threads taken in one turn.
const COMMANDS: usize = 256;

pub(crate) struct Reactor {
    poller: Poller,
    clock: Clock,
    now: Now,
    hub: Hub<Socket>,
    services: Vec<Behind>,
    doors: Doors<Listener>,
    room: Room,
    /// Who was in a listener's queue when the server stopped, and waits for room as there.
    parked: VecDeque<Newcomer<Socket>>,
    /// Those of the connections in the hub whose peers' connections are counted.
    entries: HashMap<Id, Entry>,
    connector: Connector,
    letterboxes: Letterboxes,
    /// In [`Mode::Threads`], and where work was offloaded.
    pool: Option<Pool>,
    /// The same, if there are blocking handlers.
    requests: Option<RequestPool<Option<Entry>>>,
    /// In [`Mode::Reactors`]: its place among the others.
    member: Option<Member>,
    /// The longest time by which a turn came late to what was due.
    longest_lag: Duration,
    /// Commands of other threads that were not taken.
    commands: Commands,
    limits: Limits,
    phase: Phase,
}

/// The commands of other threads that a turn has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commands {
    None,
    /// Too many for one turn.
    Left,
    /// The first one has to wait, and so all.
    Stalled,
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

impl Reactor {
    pub(crate) fn new(poller: Poller, setup: Setup, member: Option<Member>) -> io::Result<Reactor> {
        let Setup { limits, mode, services, mut doors, dials, letterboxes } = setup;
        let mut clock = Clock::start();
        let now = clock.read();
        let connector = Connector::new(poller.remote.bell(), limits.connect);
        let workers = match mode {
            Mode::Multiplex | Mode::Threads(0) | Mode::Reactors(_) => None,
            // This is one of them.
            #[cfg(feature = "processes")]
            Mode::Processes(_) => None,
            Mode::Threads(workers) => Some(workers),
        };
        // No threads for handlers of a kind that is not there.
        let blocks = |behind: &Behind| matches!(behind, Behind::Requests(_));
        let of_handlers = workers.filter(|_| !services.iter().all(blocks) || !dials.is_empty());
        let of_requests = workers.filter(|_| services.iter().any(blocks));
        let timed = limits.slow_call.map(|_| clock.elapsed());
        let start = |workers| Pool::start(workers, timed, poller.remote.bell());
        let pool = of_handlers.map(start).transpose()?;
        let start = |workers| {
            let counters = (0..workers).map(|_| poller.remote.counters()).collect();
            RequestPool::start(counters, &limits, poller.remote.bell())
        };
        let requests = of_requests.map(start).transpose()?;
        let home = member.as_ref().map_or(Home::ALONE, Member::home);
        let stopwatch = Stopwatch::new(clock.elapsed(), limits.slow_call);
        let counters = poller.remote.counters();
        let executor = if pool.is_some() { Executor::Pool } else { Executor::Inline };
        for (index, (listener, _)) in doors.iter_mut().enumerate() {
            listener.register(poller.poll.registry(), Token(index))?;
        }
        let listens = !doors.is_empty();
        let mut reactor = Reactor {
            poller,
            clock,
            now,
            hub: Hub::new(limits.clone(), executor, home, counters, stopwatch),
            services,
            room: Room::new(&limits, listens.then(descriptors::descriptors).flatten()),
            doors: Doors::new(doors, &limits, listen::QUEUE),
            parked: VecDeque::new(),
            entries: HashMap::new(),
            connector,
            letterboxes,
            pool,
            requests,
            member,
            longest_lag: Duration::ZERO,
            commands: Commands::None,
            limits,
            phase: Phase::Serving,
        };
        if reactor.limits.connections_per_peer.is_some() {
            reactor.hub.note_departures();
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
            if !self.doors.are_idle() {
                self.accept();
            }
            self.letterboxes.turn(self.now, self.hub.instruments());
            self.collect();
            if !self.connector.is_idle() {
                self.take_connected();
            }
            let before = self.hub.len();
            self.hub.turn();
            if self.hub.has_tasks() {
                self.submit()?;
            }
            if self.hub.dials() > 0 {
                self.dial();
            }
            if self.limits.connections_per_peer.is_some() {
                self.settle_places();
            }
            if !self.parked.is_empty() {
                self.admit_parked();
            }
            if self.member.is_some() {
                self.exchange();
            }
            if self.hub.len() < before {
                self.doors.retry();
            }
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let due = self.due();
        let timeout = due.map(|due| due.saturating_sub(self.now.elapsed()));
        match self.poller.poll.poll(events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            Err(error) => return Err(error),
        }
        let before = std::mem::replace(&mut self.now, self.clock.read());
        let now = self.now.elapsed();
        let (counters, stopwatch) = self.hub.instruments();
        stopwatch.start(now);
        if let Some(due) = due.filter(|due| *due < now) {
            // At the earliest it could have been done when the last turn began.
            let late = now.saturating_sub(due.max(before.elapsed()));
            if late > self.longest_lag {
                self.longest_lag = late;
                counters.longest_lag.note(late);
            }
        }
        // Connections are opened, and handlers told that theirs cannot be, before the hub's turn.
        self.hub.note_time(self.now);
        Ok(())
    }

    /// Until when to sleep; a time that has passed if something is left to do.
    fn due(&mut self) -> Option<Duration> {
        let must_wait = |command: &_| self.hub.must_wait(command);
        let may_go_on = match self.commands {
            Commands::None => false,
            Commands::Left => true,
            // The turn may just have made room for what had to wait: nothing else says so.
            Commands::Stalled => !self.poller.remote.must_wait(must_wait),
        };
        if may_go_on {
            return Some(Duration::ZERO);
        }
        let doors = match self.doors.are_idle() {
            true => None,
            false => self.doors_due(),
        };
        let rest = self.connector.next_ms().into_iter().chain(self.letterboxes.next_ms());
        // Without connections nothing is to be cut off: others are waited for, who say so.
        let until_ms = self.phase.until_ms().filter(|_| self.len() > 0);
        let own = doors.into_iter().chain(self.hub.next_ms()).chain(until_ms);
        let due_ms = own.chain(rest).min()?;
        Some(Duration::from_millis(due_ms))
    }

    fn note(&mut self, event: &Event) {
        let id = Id::from_token(event.token().0);
        if id.generation() != 0 {
            let readiness = Readiness {
                readable: event.is_readable(),
                writable: event.is_writable(),
                read_closed: event.is_read_closed(),
                error: event.is_error(),
                urgent: event.is_priority(),
            };
            self.hub.note(id, readiness);
        } else if !self.doors.note(event.token().0)
            && !self.letterboxes.note(event)
            && !self.connector.note(event.token(), self.poller.poll.registry(), self.now)
        {
            self.poller.note(event.token());
        }
    }

    /// Gives the workers what is for them. In modes that have none, the first work that is
    /// offloaded has them started.
    fn submit(&mut self) -> io::Result<()> {
        let pool = match self.pool.take() {
            Some(pool) => pool,
            None => {
                let timed = self.limits.slow_call.map(|_| self.clock.elapsed());
                Pool::start(self.limits.offload_workers, timed, self.poller.remote.bell())?
            }
        };
        pool.submit(self.hub.take_tasks());
        self.pool = Some(pool);
        Ok(())
    }

    /// Takes in what comes from outside the loop: handlers that are back from workers, commands,
    /// mail, the wish to stop.
    fn collect(&mut self) {
        let is_rung = self.poller.remote.bell().answer();
        if is_rung {
            for task in self.pool.iter().flat_map(Pool::take_done) {
                self.hub.take_back(task);
            }
            self.take_leaving();
        }
        if is_rung || self.commands != Commands::None {
            self.obey();
        }
        if is_rung {
            // Before the mail: a reactor that is told to stop has got all its newcomers.
            let wish = self.poller.remote.wish();
            self.take_mail();
            self.heed(wish);
        }
    }

    fn heed(&mut self, wish: Wish) {
        match (wish, self.phase) {
            (Wish::Serve, _) | (Wish::Drain, Phase::Draining { .. }) => {}
            (Wish::Drain, Phase::Serving) => self.start_draining(),
            (Wish::Abort, Phase::Draining { until_ms: 0 }) => {}
            (Wish::Abort, _) => self.stop_now(),
        }
    }

    /// Does what other threads asked for, so many a turn.
    fn obey(&mut self) {
        let wait = |command: &_| self.hub.must_wait(command);
        let Taken { messages, has_more } = self.poller.remote.take(COMMANDS, wait);
        self.commands = match (has_more, messages.is_empty()) {
            (false, _) => Commands::None,
            (true, false) => Commands::Left,
            // What must wait for another reactor goes on when that one has sent word.
            (true, true) => Commands::Stalled,
        };
        for command in messages {
            self.hub.obey(command);
        }
    }
}
