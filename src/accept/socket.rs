//! What accepting asks of a listening socket. Implemented by the reactor's listeners and by those
//! in memory.

use std::io;

use crate::net::address::Address;
use crate::net::incoming::Incoming;

/// A listening socket.
pub(crate) trait Accept {
    type Socket;

    /// Takes the next connection from the queue. `WouldBlock` if there is none, and an event will
    /// come when there is.
    fn accept(&self) -> io::Result<(Self::Socket, Incoming)>;

    /// Lets no more peers connect, where the system can do so and keep the queue. Called before the
    /// last look at the queue: peers that connect behind it would be reset. Returns true if
    /// handshakes that have begun still end.
    fn refuse_new(&self) -> bool;

    /// Returns the address that it listens on.
    fn address(&self) -> Address;
}
