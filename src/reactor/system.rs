//! The interface of a loop to the system: sockets, events, the clock, and threads for blocking
//! calls. Implemented by `native` on mio and the system's sockets, and by the testkit's simulation
//! in memory. A loop is compiled for one of them.

use std::io;
use std::time::Duration;

use super::handle::ServerHandle;
use super::lookup::Lookup;
use super::source::Source;
use crate::accept::{Accept, Descriptors, PeerPermit};
use crate::clock::Elapsed;
use crate::exec::{BlockingSocket, BlockingWorker, Worker};
use crate::hub::{Readiness, Transport};
use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::net::to_destination::sealed::ConnectedSocket;
use crate::now::Now;

/// The interface of a loop to the system.
pub(crate) trait System {
    type Socket: Transport + From<Self::BlockingSocket> + Into<Self::BlockingSocket>;
    /// An unregistered socket, for a blocking handler.
    type BlockingSocket: BlockingSocket;
    type Listener: Accept<Socket = Self::Socket>;
    type DatagramSocket: DatagramTransport;
    /// A buffer for the events of one turn.
    type Events;

    /// Creates a buffer for `capacity` events.
    fn events(capacity: usize) -> Self::Events;

    /// Waits for events, at most for `timeout` if there is one.
    ///
    /// # Errors
    ///
    /// `Interrupted` if there are no events; any other error ends the loop.
    fn poll(&mut self, events: &mut Self::Events, timeout: Option<Duration>) -> io::Result<()>;

    /// Returns the events of the last [`poll`](System::poll).
    fn each(events: &Self::Events) -> impl Iterator<Item = (Source, Readiness)>;

    /// Reads the clock.
    fn now(&mut self) -> Now;

    /// Returns a clock for timing calls. `None` if calls are not timed.
    fn elapsed(&self) -> Option<Elapsed>;

    /// Returns the handle through which other threads reach the loop.
    fn handle(&self) -> &ServerHandle;

    /// Reads a source of stop requests after its event: signals, or the supervisor.
    fn heed(&mut self, source: Source);

    /// Registers both directions of a socket, once.
    fn register(&self, socket: &mut Self::Socket, source: Source) -> io::Result<()>;

    /// Registers a socket under another source. Existing readiness is reported again.
    fn rename(&self, socket: &mut Self::Socket, source: Source) -> io::Result<()>;

    fn register_listener(&self, listener: &mut Self::Listener, source: Source) -> io::Result<()>;

    /// Watches a listener again: an event reports the connections that are in its queue already.
    fn watch_again(&self, listener: &mut Self::Listener, source: Source) -> io::Result<()>;

    fn register_datagrams(
        &self,
        socket: &mut Self::DatagramSocket,
        source: Source,
    ) -> io::Result<()>;

    /// Begins to connect, and registers the socket.
    fn connect(&self, to: &Address, source: Source) -> io::Result<Self::Socket>;

    /// Takes a socket that is connected already, and has it watched.
    fn adopt(&self, socket: ConnectedSocket, source: Source) -> io::Result<Self::Socket>;

    /// Returns true if a connection that was begun is made. An event alone does not tell.
    ///
    /// # Errors
    ///
    /// The system's error, if the attempt failed.
    fn is_connected(socket: &Self::Socket) -> io::Result<bool>;

    /// Returns the local address of a connection that was made. `None` if the system cannot tell.
    fn local_address(socket: &Self::Socket) -> Option<Address>;

    /// Returns how many descriptors the process has and may have, if the system tells.
    fn descriptors(&self) -> Option<Descriptors>;

    /// Starts a thread for a worker.
    ///
    /// # Errors
    ///
    /// The system's error, if it cannot start a thread.
    fn start_worker(&self, number: usize, worker: Worker) -> io::Result<()>;

    /// Starts a thread for a blocking worker.
    ///
    /// # Errors
    ///
    /// The system's error, if it cannot start a thread.
    fn start_blocking_worker(
        &self,
        number: usize,
        worker: BlockingWorker<Self::BlockingSocket, Option<PeerPermit>>,
    ) -> io::Result<()>;

    /// Starts a thread for a name lookup.
    ///
    /// # Errors
    ///
    /// The system's error, if it cannot start a thread.
    fn start_lookup(&self, lookup: Lookup) -> io::Result<()>;
}

/// A bound datagram socket.
pub(crate) trait DatagramTransport {
    /// Returns the address that it is bound to.
    fn address(&self) -> Address;

    /// Receives one datagram, truncated to the length of `buffer`.
    fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, Peer)>;

    /// Sends one datagram, whole or not at all.
    fn send_to(&self, to: &Peer, bytes: &[u8]) -> io::Result<()>;
}
