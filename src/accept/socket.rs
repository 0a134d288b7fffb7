//! The interface of a listening socket. Implemented by the reactor's listeners and by those in
//! memory.

use std::io;

use crate::net::address::Address;
use crate::net::incoming::Incoming;

/// A listening socket.
pub(crate) trait Accept {
    type Socket;

    /// Takes the next connection from the queue. Returns `WouldBlock` if the queue is empty; an
    /// event then reports the next connection.
    fn accept(&self) -> io::Result<(Self::Socket, Incoming)>;

    /// Makes the listener refuse new peers, where the system can do so and keep the queue. Called
    /// before the last look at the queue, because peers that connect after it would be reset.
    /// Returns true if handshakes that have begun can still end.
    fn refuse_new(&self) -> bool;

    /// Returns the address of the listener.
    fn address(&self) -> Address;
}
