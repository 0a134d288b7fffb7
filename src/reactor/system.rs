//! What a loop asks of the system: sockets, events, the time, and threads for what would block it.
//! Implemented by `native` on mio and the system's sockets, and by the simulation of the testkit
//! in memory. A loop is made for one of them when it is compiled.

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

/// What a loop asks of the system.
pub(crate) trait System {
    type Socket: Transport + From<Self::BlockingSocket> + Into<Self::BlockingSocket>;
    /// A socket that no poller watches, in the hands of a blocking handler.
    type BlockingSocket: BlockingSocket;
    type Listener: Accept<Socket = Self::Socket>;
    type DatagramSocket: DatagramTransport;
    /// Room for the events of one turn.
    type Events;

    /// Returns room for this many events a turn.
    fn events(capacity: usize) -> Self::Events;

    /// Waits for events, for ever or for at most `timeout`.
    ///
    /// # Errors
    ///
    /// `Interrupted`, and there are no events; else the poller failed, and the loop ends.
    fn poll(&mut self, events: &mut Self::Events, timeout: Option<Duration>) -> io::Result<()>;

    /// Returns the events of the last [`poll`](System::poll).
    fn each(events: &Self::Events) -> impl Iterator<Item = (Source, Readiness)>;

    /// Reads the clock.
    fn now(&mut self) -> Now;

    /// Returns the clock as those see it who time calls. `None` if there is nothing to time.
    fn elapsed(&self) -> Option<Elapsed>;

    /// Returns the handle by which other threads reach the loop.
    fn handle(&self) -> &ServerHandle;

    /// Looks at a source of orders that has an event: signals, or the supervisor.
    fn heed(&mut self, source: Source);

    /// Has both directions of a socket watched, once and for ever.
    fn register(&self, socket: &mut Self::Socket, source: Source) -> io::Result<()>;

    /// Gives a watched socket another name. What is readable or writable is reported again.
    fn rename(&self, socket: &mut Self::Socket, source: Source) -> io::Result<()>;

    fn register_listener(&self, listener: &mut Self::Listener, source: Source) -> io::Result<()>;

    fn register_datagrams(
        &self,
        socket: &mut Self::DatagramSocket,
        source: Source,
    ) -> io::Result<()>;

    /// Begins to connect, and has the socket watched.
    fn connect(&self, to: &Address, source: Source) -> io::Result<Self::Socket>;

    /// Takes a socket that is connected already, and has it watched.
    fn adopt(&self, socket: ConnectedSocket, source: Source) -> io::Result<Self::Socket>;

    /// Returns true if a connection that was begun is made. An event alone does not tell.
    ///
    /// # Errors
    ///
    /// Why it cannot be made: the system's code.
    fn is_connected(socket: &Self::Socket) -> io::Result<bool>;

    /// Returns the local address of a connection that was made. `None` if the system cannot tell.
    fn local_address(socket: &Self::Socket) -> Option<Address>;

    /// Returns how many descriptors the process has and may have, if the system tells.
    fn descriptors(&self) -> Option<Descriptors>;

    /// Gives a worker a thread.
    ///
    /// # Errors
    ///
    /// The system's, if it has no thread.
    fn start_worker(&self, number: usize, worker: Worker) -> io::Result<()>;

    /// Gives a worker for blocking handlers a thread.
    ///
    /// # Errors
    ///
    /// The system's, if it has no thread.
    fn start_blocking_worker(
        &self,
        number: usize,
        worker: BlockingWorker<Self::BlockingSocket, Option<PeerPermit>>,
    ) -> io::Result<()>;

    /// Has a name looked up by a thread.
    ///
    /// # Errors
    ///
    /// The system's, if it has no thread.
    fn start_lookup(&self, lookup: Lookup) -> io::Result<()>;
}

/// A bound socket that peers send datagrams to.
pub(crate) trait DatagramTransport {
    /// Returns the address that it is bound to.
    fn address(&self) -> Address;

    /// Takes one datagram; what does not fit into `buffer` is cut off.
    fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, Peer)>;

    /// Sends one datagram, whole or not at all.
    fn send_to(&self, to: &Peer, bytes: &[u8]) -> io::Result<()>;
}
