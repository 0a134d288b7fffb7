//! The hub's view of a socket. Implemented by the reactor's sockets and by the in-memory
//! network of the testkit.

use std::io::{self, Read, Write};

/// A non-blocking byte stream, or a connection that carries packets.
pub(crate) trait Transport: Read + Write {
    /// Returns true if a read that came up short has emptied the socket, so that the next byte
    /// brings a new event. True for TCP on epoll and kqueue (epoll(7), question 9); elsewhere only
    /// `WouldBlock` proves it.
    fn short_read_drains(&self) -> bool;

    /// Returns true if one write is one packet and one read another (`SOCK_SEQPACKET`), rather than
    /// all of it one stream. A write then takes all or nothing; what is longer than the socket can
    /// ever take fails with `InvalidInput`. A vectored write would be one packet too.
    fn keeps_boundaries(&self) -> bool {
        false
    }

    /// Tells the peer that nothing more will be sent.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Makes closing the socket a reset (RST): the peer sees that the connection was cut off.
    fn reset_on_close(&mut self);
}

/// The content of an event about a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer's side is shut: no event of its own may announce the end of the input.
    pub(crate) read_closed: bool,
    pub(crate) error: bool,
    /// Urgent data has come (`EPOLLPRI`): a read stops at its mark, so a short one proves nothing
    /// (tcp(7), RFC 6093).
    pub(crate) urgent: bool,
}
