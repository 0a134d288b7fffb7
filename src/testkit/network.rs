//! A whole server's hub on connections in memory, with a clock that only moves when told.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use std::{fmt, io};

use super::wire::{MemorySocket, Packets, Wire, lock};
use crate::exec::{Executor, Task};
use crate::handler::Handler;
use crate::handler::context::{Dial, Effect};
use crate::hub::{Budgets, Hub, Readiness};
use crate::id::Id;
use crate::id::Shard;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::metrics::counters::{Counters, CountersReader};
use crate::metrics::stopwatch::Stopwatch;
use crate::net::destination::Destination;
use crate::net::peer::Peer;
use crate::topic::Topic;

/// The client's end of a connection of a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub(super) usize);

/// A server's hub on connections in memory. Events are edge-triggered, as real ones are: an
/// event comes when something changes, once, however much is left unread.
///
/// ```
/// use socketserver::testkit::Network;
/// use socketserver::{Close, Context, Handler, Limits};
/// use std::time::Duration;
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
/// let mut network = Network::new(Limits::default());
/// let slow = network.connect(Echo);
/// network.grain(slow, 1); // a call of the system moves one byte
/// network.window(slow, 3); // and three fit on the way to the client
/// network.send(slow, b"hello");
/// network.spurious(slow);
/// network.turn();
/// assert!(network.calls(slow).0 > 0, "it was read");
/// network.settle();
/// assert_eq!(network.unread(slow), 0);
/// assert_eq!(network.received(slow), b"hel");
/// network.settle();
/// assert_eq!(network.received(slow), b"lo");
///
/// let gone = network.connect(Echo);
/// network.send(gone, b"hello");
/// network.reset(gone);
/// network.shut(slow);
/// network.settle();
/// assert!(network.is_closed(slow) && !network.is_reset(slow));
/// assert_eq!(network.connections(), 0);
///
/// let late = network.connect(Echo);
/// network.settle();
/// network.stop();
/// network.advance(Duration::from_secs(2)); // a first message is waited for, but not that long
/// assert!(network.is_closed(late));
/// ```
pub struct Network {
    /// One for each reactor.
    pub(super) hubs: Vec<Hub<MemorySocket>>,
    counters: Vec<CountersReader>,
    pub(super) ends: Vec<End>,
    pub(super) elapsed: Duration,
    /// Events to deliver in the next turn besides what the wires say.
    pub(super) stray: Vec<(Client, Readiness)>,
    /// Connections that handlers want made, the oldest first, each with its reactor.
    pub(super) dials: VecDeque<(usize, Dial)>,
    /// What workers are doing: handlers that travel, and work that was offloaded; each with its
    /// reactor.
    pub(super) tasks: Vec<(usize, Task)>,
}

pub(super) struct End {
    pub(super) reactor: usize,
    pub(super) id: Id,
    pub(super) wire: Arc<Mutex<Wire>>,
}

/// A turn that is followed by this many more is going round in circles.
const TURNS_MAX: usize = 1_000_000;

impl Network {
    /// A network without connections, at time zero.
    pub fn new(limits: Limits) -> Network {
        Network::make(limits, Executor::Inline, 1)
    }

    /// The same for a server in [`Mode::Threads`](crate::Mode::Threads): every call of a handler
    /// is made by a worker, which hands the handler back before the next turn. It is used as any
    /// [`Network`].
    pub fn with_workers(limits: Limits) -> Network {
        Network::make(limits, Executor::Pool, 1)
    }

    /// The same for a server in [`Mode::Reactors`](crate::Mode::Reactors). Clients are shared out
    /// in turn; a turn is one of each reactor, and what they have for one another arrives before
    /// the next.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits, Topic};
    ///
    /// /// Says to all others what it is told.
    /// struct Member;
    ///
    /// impl Handler for Member {
    ///     fn on_open(&mut self, cx: &mut Context<'_>) {
    ///         cx.join(&Topic::new("room"));
    ///     }
    ///
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         cx.publish(&Topic::new("room"), &*input);
    ///         Ok(input.len())
    ///     }
    /// }
    ///
    /// let mut network = Network::with_reactors(Limits::default(), 2);
    /// let members: Vec<_> = (0..4).map(|_| network.connect(Member)).collect();
    /// network.settle();
    /// network.send(members[0], b"hello");
    /// network.settle();
    /// for member in &members[1..] {
    ///     assert_eq!(network.received(*member), b"hello");
    /// }
    /// ```
    pub fn with_reactors(limits: Limits, reactors: usize) -> Network {
        Network::make(limits, Executor::Inline, reactors.max(1))
    }

    fn make(limits: Limits, executor: Executor, reactors: usize) -> Network {
        let hub = |index, counters| {
            let shard = Shard::new(index, reactors);
            let budgets = Budgets::default();
            Hub::new(limits.clone(), budgets, executor, shard, counters, Stopwatch::default())
        };
        let counters: Vec<Counters> = (0..reactors).map(|_| Counters::new()).collect();
        Network {
            counters: counters.iter().map(Counters::reader).collect(),
            hubs: counters.into_iter().enumerate().map(|(index, own)| hub(index, own)).collect(),
            ends: Vec::new(),
            elapsed: Duration::ZERO,
            stray: Vec::new(),
            dials: VecDeque::new(),
            tasks: Vec::new(),
        }
    }

    /// Connects a client that `handler` will serve.
    pub fn connect(&mut self, handler: impl Handler + 'static) -> Client {
        self.open(self.ends.len() % self.hubs.len(), Box::new(handler))
    }

    fn open(&mut self, reactor: usize, handler: Box<dyn Handler>) -> Client {
        self.admit(reactor, MemorySocket(Wire::new()), Peer::Unix, handler)
    }

    /// Takes in a connection that was made somewhere else.
    pub(super) fn admit(
        &mut self,
        reactor: usize,
        socket: MemorySocket,
        peer: Peer,
        handler: Box<dyn Handler>,
    ) -> Client {
        let wire = Arc::clone(&socket.0);
        let id = self.hubs[reactor].open(socket, peer, handler);
        self.ends.push(End { reactor, id, wire });
        Client(self.ends.len() - 1)
    }

    /// The client sends: bytes of a stream, or one [packet](Network::packets).
    pub fn send(&mut self, client: Client, bytes: &[u8]) {
        let mut wire = self.wire(client);
        wire.to_server.extend(bytes);
        if let Some(packets) = &mut wire.packets {
            packets.to_server.push_back(bytes.len());
        }
        wire.edge = true;
    }

    /// Takes what the client has received since the last time.
    pub fn received(&mut self, client: Client) -> Vec<u8> {
        let mut wire = self.wire(client);
        if let Some(packets) = &mut wire.packets {
            packets.to_client.clear();
        }
        let taken = std::mem::take(&mut wire.to_client);
        wire.note_taken();
        taken.into()
    }

    /// Takes the next [packet](Network::packets) that the client has received.
    pub fn received_packet(&mut self, client: Client) -> Option<Vec<u8>> {
        self.wire(client).pop_packet()
    }

    /// The client sends no more, but still reads.
    pub fn shut(&mut self, client: Client) {
        let mut wire = self.wire(client);
        wire.client_shut = true;
        wire.edge = true;
    }

    /// The client closes its socket: what it has sent still arrives, and its end behind it, but what
    /// the server sends from now on fails.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
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
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Echo);
    /// network.send(client, b"last words");
    /// network.close(client);
    /// network.settle();
    /// assert_eq!(network.unread(client), 0);
    /// assert!(network.is_reset(client));
    /// ```
    pub fn close(&mut self, client: Client) {
        let mut wire = self.wire(client);
        wire.client_shut = true;
        wire.client_closed = true;
        wire.edge = true;
    }

    /// The client vanishes; what it had sent and not been read is lost.
    pub fn reset(&mut self, client: Client) {
        let mut wire = self.wire(client);
        wire.client_reset = true;
        wire.clear_input();
        wire.edge = true;
    }

    /// From now on at most `bytes` fit on the way to the client before it takes them.
    pub fn window(&mut self, client: Client, bytes: usize) {
        self.wire(client).window = bytes;
    }

    /// From now on one read or write moves at most `bytes`, and a short one proves nothing.
    pub fn grain(&mut self, client: Client, bytes: usize) {
        self.wire(client).grain = Some(bytes);
    }

    /// The connection keeps the boundaries of packets, as `seqpacket:` does: what
    /// [`send`](Network::send) is given is one, and one that the server sends is at most
    /// `largest` bytes long. Say so before the first turn; then a [`grain`](Network::grain)
    /// means nothing, and a packet goes whole if the [`window`](Network::window) has any room.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
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
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Echo);
    /// network.packets(client, 200_000);
    /// network.send(client, b"one");
    /// network.send(client, b"two");
    /// network.settle();
    /// assert_eq!(network.received_packet(client).unwrap(), b"one");
    /// assert_eq!(network.received_packet(client).unwrap(), b"two");
    /// assert_eq!(network.received_packet(client), None);
    /// ```
    pub fn packets(&mut self, client: Client, largest: usize) {
        self.wire(client).packets = Some(Packets::up_to(largest));
    }

    /// An event without a cause: pollers are allowed to.
    pub fn spurious(&mut self, client: Client) {
        let readiness = Readiness { readable: true, writable: true, ..Readiness::default() };
        self.stray.push((client, readiness));
    }

    /// The name of the connection in the server, as for [`Context::send`](crate::Context::send) and
    /// [`Context::notify`](crate::Context::notify).
    pub fn id(&self, client: Client) -> Id {
        self.ends[client.0].id
    }

    /// Delivers the events that are due and runs one turn.
    pub fn turn(&mut self) {
        for at in 0..self.ends.len() {
            self.deliver(Client(at));
        }
        self.deliver_stray();
        for _ in 0..self.tasks.len() {
            self.work(0);
        }
        for reactor in 0..self.hubs.len() {
            self.run(reactor);
        }
        self.carry();
    }

    /// Whom handlers want to be [connected](crate::Context::connect) to, the oldest wish first.
    pub fn wanted(&self) -> Vec<Destination> {
        self.dials.iter().map(|(_, dial)| dial.to.clone()).collect()
    }

    /// Makes the connection that was wanted first. Returns its far end.
    ///
    /// # Panics
    ///
    /// If none is wanted; nor can one be [denied](Network::deny) then.
    pub fn grant(&mut self) -> Client {
        let (reactor, dial) = self.dial();
        self.open(reactor, dial.handler)
    }

    /// Lets the connection fail that was wanted first: [`Context::connect`](crate::Context::connect).
    pub fn deny(&mut self, error: io::Error) {
        let (reactor, dial) = self.dial();
        self.hubs[reactor].unreachable(dial.handler, &Peer::Unresolved, error);
    }

    #[allow(clippy::expect_used, reason = "a test that is wrong fails by panicking")]
    fn dial(&mut self) -> (usize, Dial) {
        self.dials.pop_front().expect("no connection is wanted")
    }

    /// Publishes from outside, as [`ServerHandle::publish`](crate::ServerHandle::publish) does.
    pub fn publish(&mut self, topic: &Topic, bytes: &[u8]) {
        self.hubs[0].obey(Effect::Publish(topic.clone(), bytes.into()));
    }

    /// Tells a handler something from outside, as [`ServerHandle::notify`](crate::ServerHandle::notify) does.
    pub fn notify(&mut self, to: Client, note: impl Any + Send) {
        let id = self.id(to);
        self.hubs[0].obey(Effect::Notify(id, Box::new(note)));
    }

    /// Runs turns until there is nothing left to do at this moment.
    ///
    /// # Panics
    ///
    /// If that never happens.
    pub fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            self.turn();
            if self.is_quiet() {
                self.check_rest();
                return;
            }
        }
        assert_eq!(TURNS_MAX, 0, "the server never comes to rest");
    }

    /// Lets time pass, and everything happen that is due meanwhile, at its time.
    pub fn advance(&mut self, time: Duration) {
        let until = self.elapsed + time;
        loop {
            self.settle();
            match self.next_ms().map(Duration::from_millis) {
                Some(due) if due <= until => self.elapsed = self.elapsed.max(due),
                _ => break,
            }
        }
        self.elapsed = until;
        self.settle();
    }

    /// Stops the server as [`ServerHandle::stop`](crate::ServerHandle::stop) does.
    pub fn stop(&mut self) {
        self.hubs.iter_mut().for_each(Hub::stop);
    }

    /// Whether the server has closed the connection, or at least its side of it.
    pub fn is_closed(&self, client: Client) -> bool {
        let wire = self.wire(client);
        wire.server_shut || wire.server_gone
    }

    /// Whether the server closed with input unread: over a real network the answer may then be
    /// lost.
    pub fn is_reset(&self, client: Client) -> bool {
        self.wire(client).reset_by_server
    }

    /// How many bytes the client has sent that the server has not read.
    pub fn unread(&self, client: Client) -> usize {
        self.wire(client).to_server.len()
    }

    /// How often the server has read from and written to the connection: its system calls.
    pub fn calls(&self, client: Client) -> (usize, usize) {
        let wire = self.wire(client);
        (wire.reads, wire.writes)
    }

    /// How many connections the server has.
    pub fn connections(&self) -> usize {
        self.hubs.iter().map(Hub::len).sum()
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.hubs.iter().filter_map(Hub::next_ms).min()
    }

    /// What the server has done so far, as [`ServerHandle::metrics`](crate::ServerHandle::metrics) tells it.
    /// Nobody listens, so nobody is accepted, and no call takes any time.
    pub fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        for counters in &self.counters {
            counters.add_to(&mut metrics);
        }
        metrics
    }

    fn wire(&self, client: Client) -> MutexGuard<'_, Wire> {
        lock(&self.ends[client.0].wire)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("connections", &self.connections())
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}
