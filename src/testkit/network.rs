//! A server's hub on connections in memory, with a clock that the test advances.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::wire::{MemorySocket, Packets, Wire, lock};
use crate::exec::{Executor, Task};
use crate::handler::Handler;
use crate::handler::effect::{Effect, Stopping};
use crate::handler::notification::Message;
use crate::handler::notifier::Notifier;
use crate::handler::payload::Payload;
use crate::handler::task::TaskContext;
use crate::hub::{Budgets, Hub, Readiness};
use crate::id::Id;
use crate::id::Shard;
use crate::limits::Limits;
use crate::mailbox::{Doorbell, Mailbox, Refused};
use crate::metrics::Metrics;
use crate::metrics::counters::{Counters, CountersReader};
use crate::metrics::stopwatch::Stopwatch;
use crate::net::destination::Destination;
use crate::net::incoming::Incoming;
use crate::net::peer::Peer;
use crate::now;
use crate::panics;
use crate::topic::Topic;

/// The client's end of a connection in a [`Network`]: see [`Network::close`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub(super) usize);

/// A server's hub on connections in memory. Events are edge-triggered, as in a real poller: a
/// change causes one event, however much input is left unread.
pub struct Network {
    /// One for each reactor.
    pub(super) hubs: Vec<Hub<MemorySocket>>,
    counters: Vec<CountersReader>,
    pub(super) ends: Vec<End>,
    pub(super) elapsed: Duration,
    /// Events for the next turn that no wire has caused.
    pub(super) stray: Vec<(Client, Readiness)>,
    /// Connections that handlers have requested, the oldest first, each with its reactor.
    pub(super) dials: VecDeque<(usize, Destination, Box<dyn Handler>)>,
    /// The tasks of workers: calls of handlers and offloaded work, each with its reactor.
    pub(super) tasks: Vec<(usize, Task)>,
    /// Notifications of other threads for handlers.
    pub(super) mail: Mailbox<(Id, Message)>,
}

pub(super) struct End {
    pub(super) reactor: usize,
    pub(super) id: Id,
    pub(super) wire: Arc<Mutex<Wire>>,
}

/// After this many turns a network is assumed never to settle.
const TURNS_MAX: usize = 1_000_000;

impl Network {
    /// Creates a network without connections, at time zero.
    #[must_use]
    pub fn new(limits: Limits) -> Network {
        Network::make(limits, Executor::Inline, 1)
    }

    /// Creates a network for a server in [`Mode::Threads`](crate::Mode::Threads): a worker makes
    /// every call of a handler, and returns the handler before the next turn.
    /// [`WebClient::on`](super::WebClient::on) has an example.
    #[must_use]
    pub fn with_workers(limits: Limits) -> Network {
        Network::make(limits, Executor::Pool, 1)
    }

    /// Creates a network for a server in [`Mode::Reactors`](crate::Mode::Reactors). Clients are
    /// assigned to the reactors in turn. A turn runs every reactor once; messages between reactors
    /// arrive before the next turn.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits, Topic};
    ///
    /// /// Forwards its input to all other members.
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
    #[must_use]
    pub fn with_reactors(limits: Limits, reactors: usize) -> Network {
        Network::make(limits, Executor::Inline, reactors.max(1))
    }

    fn make(limits: Limits, executor: Executor, reactors: usize) -> Network {
        // Every turn reads it, so it needs no bell.
        let mail = Mailbox::new(&Doorbell::new(|| {}));
        let hub = |index, counters| {
            let shard = Shard::new(index, reactors);
            let budgets = Budgets::default();
            let stopwatch = Stopwatch::default();
            let mut hub = Hub::new(limits.clone(), budgets, executor, shard, counters, stopwatch);
            hub.set_notifier(notifier(&mail));
            hub
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
            mail,
        }
    }

    /// Connects a client to `handler`.
    pub fn connect(&mut self, handler: impl Handler + 'static) -> Client {
        self.open(self.ends.len() % self.hubs.len(), handler.into_box())
    }

    pub(super) fn open(&mut self, reactor: usize, handler: Box<dyn Handler>) -> Client {
        self.admit(reactor, MemorySocket(Wire::new()), Peer::unix().into(), handler)
    }

    /// Admits a connection that exists already.
    pub(super) fn admit(
        &mut self,
        reactor: usize,
        socket: MemorySocket,
        incoming: Incoming,
        handler: Box<dyn Handler>,
    ) -> Client {
        let wire = Arc::clone(&socket.0);
        let id = self.hubs[reactor].open(socket, incoming, handler);
        self.ends.push(End { reactor, id, wire });
        Client(self.ends.len() - 1)
    }

    /// Sends bytes of a stream, or one [packet](Network::packets), from the client.
    pub fn send(&mut self, client: Client, bytes: &[u8]) {
        let mut wire = self.wire(client);
        wire.to_server.extend(bytes);
        if let Some(packets) = &mut wire.packets {
            packets.to_server.push_back(bytes.len());
        }
        wire.edge = true;
    }

    /// Takes the bytes that the client has received since the last call.
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

    /// Shuts down the client's sending direction. The client still reads.
    pub fn shut(&mut self, client: Client) {
        let mut wire = self.wire(client);
        wire.client_shut = true;
        wire.edge = true;
    }

    /// Closes the client's socket: the bytes that it has sent still arrive, followed by the end,
    /// but further writes of the server fail.
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

    /// Resets the connection from the client: sent bytes that were not read are lost.
    pub fn reset(&mut self, client: Client) {
        let mut wire = self.wire(client);
        wire.client_reset = true;
        wire.clear_input();
        wire.edge = true;
    }

    /// Limits the bytes in flight to the client to `bytes`.
    pub fn window(&mut self, client: Client, bytes: usize) {
        self.wire(client).window = bytes;
    }

    /// Limits each read and write of the server to `bytes`. A short read then does not mean that no
    /// input is left.
    pub fn grain(&mut self, client: Client, bytes: usize) {
        self.wire(client).grain = Some(bytes);
    }

    /// Makes the connection keep packet boundaries, as `seqpacket:` does: each
    /// [`send`](Network::send) is one packet, and a packet from the server has at most `largest`
    /// bytes. Call it before the first turn. [`grain`](Network::grain) then has no effect, and a
    /// packet is sent whole if the [`window`](Network::window) has any room.
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

    /// Delivers an event without a cause, which pollers may do.
    pub fn spurious(&mut self, client: Client) {
        let readiness = Readiness { readable: true, writable: true, ..Readiness::default() };
        self.stray.push((client, readiness));
    }

    /// Returns the server's id of the connection. [`Context::notify`](crate::Context::notify) has
    /// an example.
    #[must_use]
    pub fn id(&self, client: Client) -> Id {
        self.ends[client.0].id
    }

    /// Delivers the pending events and runs one turn.
    pub fn turn(&mut self) {
        for at in 0..self.ends.len() {
            self.deliver(Client(at));
        }
        self.deliver_stray();
        self.deliver_mail();
        for _ in 0..self.tasks.len() {
            self.work(0);
        }
        for reactor in 0..self.hubs.len() {
            self.run(reactor);
        }
        self.carry();
    }

    /// Publishes from outside of handlers, as
    /// [`ServerHandle::publish`](crate::ServerHandle::publish) does.
    pub fn publish(&mut self, topic: &Topic, bytes: impl Into<Payload>) {
        self.hubs[0].obey(Effect::Publish(topic.clone(), bytes.into()));
    }

    /// Notifies a handler from outside, as [`ServerHandle::notify`](crate::ServerHandle::notify)
    /// does.
    pub fn notify(&mut self, to: Client, note: impl Any + Send) {
        let id = self.id(to);
        self.hubs[0].obey(Effect::Notify(id, Box::new(note)));
    }

    /// Runs a periodic task, as [`Server::every`](crate::Server::every) does.
    pub fn every(
        &mut self,
        period: Duration,
        task: impl FnMut(&mut TaskContext<'_>) + Send + 'static,
    ) {
        self.hubs[0].every(now::millis(period), Box::new(task));
    }

    /// Runs turns until no work is left at the current time.
    ///
    /// # Panics
    ///
    /// If the server does not come to rest.
    pub fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            self.turn();
            if self.is_quiet() {
                self.check_rest();
                return;
            }
        }
        assert_eq!(TURNS_MAX, 0, "the server does not come to rest");
    }

    /// Advances the clock and runs everything due on the way, each at its time.
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
    /// [`Handler::on_stop`] has an example.
    pub fn stop(&mut self) {
        self.stop_all(Stopping::Stop);
    }

    /// Stops the server as [`ServerHandle::restart`](crate::ServerHandle::restart) does.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    ///
    /// struct Polite;
    ///
    /// impl Handler for Polite {
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_stop(&mut self, cx: &mut Context<'_>) {
    ///         cx.write_str(if cx.is_restarting() { "back soon" } else { "goodbye" });
    ///         cx.close(Close::Stopping);
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Polite);
    /// network.send(client, b"hello");
    /// network.settle();
    /// network.restart();
    /// network.settle();
    /// assert_eq!(network.received(client), b"back soon");
    /// ```
    pub fn restart(&mut self) {
        self.stop_all(Stopping::Restart);
    }

    /// Asks the connection that has waited longest for its peer to give way to another one, as a
    /// server at a limit of its connections does. Returns false if there is none.
    /// [`Handler::on_crowded`] has an example.
    pub fn make_room(&mut self) -> bool {
        let is_asked = self.hubs.iter_mut().any(Hub::make_room);
        self.settle();
        is_asked
    }

    /// Returns true if the server has closed the connection, or its own direction of it.
    #[must_use]
    pub fn is_closed(&self, client: Client) -> bool {
        let wire = self.wire(client);
        wire.server_shut || wire.server_gone
    }

    /// Returns true if the server has reset the connection or closed it with unread input. On a
    /// real network the client may then lose the end of its input.
    #[must_use]
    pub fn is_reset(&self, client: Client) -> bool {
        self.wire(client).reset_by_server
    }

    /// Returns the number of bytes from the client that the server has not read.
    #[must_use]
    pub fn unread(&self, client: Client) -> usize {
        self.wire(client).to_server.len()
    }

    /// Returns the number of bytes that the server holds for the client, because they do not fit
    /// into the [`window`](Network::window). It shows whether a handler writes faster than its
    /// client reads.
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
    /// network.window(client, 2);
    /// network.send(client, b"hello");
    /// network.settle();
    /// assert_eq!((network.unsent(client), network.received(client)), (3, b"he".to_vec()));
    /// ```
    #[must_use]
    pub fn unsent(&self, client: Client) -> usize {
        self.hubs[self.ends[client.0].reactor].unsent(self.id(client))
    }

    /// How often the server has read from and written to the connection: its system calls.
    #[must_use]
    pub fn calls(&self, client: Client) -> (usize, usize) {
        let wire = self.wire(client);
        (wire.reads, wire.writes)
    }

    /// Returns the number of the server's connections.
    pub fn connections(&self) -> usize {
        self.hubs.iter().map(Hub::len).sum()
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.hubs.iter().filter_map(Hub::next_ms).min()
    }

    /// Returns the server's counters, as [`ServerHandle::metrics`](crate::ServerHandle::metrics)
    /// does. The network has no listener, so no connection is counted as accepted, and calls take
    /// no time.
    #[must_use]
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

fn notifier(mail: &Mailbox<(Id, Message)>) -> Notifier {
    let mail = mail.clone();
    Notifier::new(move |to, note| {
        let sent = mail.send((to, note));
        panics::drop_quietly(sent.map_err(Refused::into_message));
    })
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("connections", &self.connections())
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}
