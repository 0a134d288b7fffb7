//! The hub's view of a socket. Implemented by the reactor's sockets and by the in-memory
//! network of the testkit.

#[cfg(feature = "files")]
use std::fs::File;
use std::io::{self, Read, Write};
#[cfg(feature = "files")]
use std::os::unix::fs::FileExt;

/// A non-blocking byte stream, or a connection that carries packets.
pub(crate) trait Transport: Read + Write {
    /// Returns true if a short read means that the socket is empty, so that the next byte causes a
    /// new event. True for TCP on epoll and kqueue (epoll(7), question 9); otherwise only
    /// `WouldBlock` shows that.
    fn short_read_drains(&self) -> bool;

    /// Returns true if each read and write moves one packet (`SOCK_SEQPACKET`). A write then
    /// accepts all or nothing, and fails with `InvalidInput` for a packet that the socket can never
    /// accept. A vectored write would be one packet, too.
    fn keeps_boundaries(&self) -> bool {
        false
    }

    /// Sends up to `len` bytes of `file` from `offset`. Returns their number.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file ends before; otherwise as for a write.
    #[cfg(feature = "files")]
    fn send_file(&mut self, file: &File, offset: u64, len: usize) -> io::Result<usize> {
        send_copy(self, file, offset, len)
    }

    /// Writes bytes that a part of a file follows at once: they need not be sent before.
    ///
    /// # Errors
    ///
    /// As for a write.
    #[cfg(feature = "files")]
    fn write_before_file(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    /// Shuts down the write side: the peer sees the end.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Makes the close of the socket a reset (RST), which shows the peer that data was lost.
    fn reset_on_close(&mut self);
}

/// Sends a part of a file by a read and a write: up to 64 KiB.
///
/// # Errors
///
/// As for [`Transport::send_file`].
#[cfg(feature = "files")]
pub(crate) fn send_copy(
    to: &mut (impl Write + ?Sized),
    file: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    let mut bytes = vec![0; len.min(64 * 1024)];
    match file.read_at(&mut bytes, offset)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        n => to.write(bytes.get(..n).unwrap_or_default()),
    }
}

/// The content of an event of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer's write side is shut: no separate event may announce the end of the input.
    pub(crate) read_closed: bool,
    pub(crate) error: bool,
    /// Both directions are shut (`EPOLLHUP`): the peer of a Unix socket has gone, or the server has
    /// shut its own direction before.
    pub(crate) hung_up: bool,
    /// Urgent data has arrived (`EPOLLPRI`): a read stops at its mark, so a short read does not
    /// mean that the socket is empty (tcp(7), RFC 6093).
    pub(crate) urgent: bool,
}
