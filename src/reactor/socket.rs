//! The sockets of mio as transports of the hub.

#[cfg(all(feature = "files", target_os = "linux"))]
use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
#[cfg(all(feature = "files", target_os = "linux"))]
use rustix::fs::sendfile;
#[cfg(all(feature = "files", target_os = "linux"))]
use rustix::io::Errno;
#[cfg(all(feature = "files", target_os = "linux"))]
use rustix::net::SendFlags;
use socket2::SockRef;

use super::direct::{receive, send};
use crate::exec::BlockingSocket;
use crate::handler::stream::StdSocket;
use crate::hub::Transport;
#[cfg(all(feature = "files", target_os = "linux"))]
use crate::hub::send_copy;
use crate::net::address::Address;

/// A connected socket.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// A `SOCK_SEQPACKET`: the calls are the same, and each moves one packet.
    SeqPacket(UnixStream),
}

impl Socket {
    /// Registers both directions, once. An edge-triggered socket reports "writable" when it is
    /// registered and then only after a short write, so the second direction costs one merged event
    /// per connection and saves all later `epoll_ctl`.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.register(registry, token, interest()),
            Socket::Unix(stream) | Socket::SeqPacket(stream) => {
                stream.register(registry, token, interest())
            }
        }
    }
}

/// Urgent data is reported where the system can (`EPOLLPRI`): a read stops at its mark, so a short
/// read does not mean that no input is left.
fn interest() -> Interest {
    let both = Interest::READABLE.add(Interest::WRITABLE);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let both = both.add(Interest::PRIORITY);
    both
}

/// Converts an unregistered socket to one of the standard library, for a blocking handler, and
/// back. It stays non-blocking.
impl From<Socket> for StdSocket {
    fn from(socket: Socket) -> StdSocket {
        match socket {
            Socket::Tcp(stream) => StdSocket::Tcp(stream.into()),
            // A server with blocking handlers does not start with packet sockets.
            Socket::Unix(stream) | Socket::SeqPacket(stream) => StdSocket::Unix(stream.into()),
        }
    }
}

impl From<StdSocket> for Socket {
    fn from(socket: StdSocket) -> Socket {
        match socket {
            StdSocket::Tcp(stream) => Socket::Tcp(TcpStream::from_std(stream)),
            StdSocket::Unix(stream) => Socket::Unix(UnixStream::from_std(stream)),
        }
    }
}

impl BlockingSocket for StdSocket {
    fn shutdown(&self, how: Shutdown) {
        // It fails only if the connection has ended, and then no thread waits.
        let _ = match self {
            StdSocket::Tcp(stream) => stream.shutdown(how),
            StdSocket::Unix(stream) => stream.shutdown(how),
        };
    }

    fn cut(&self) {
        self.reset_on_close();
        // A reset now: another thread may hold the socket for long.
        #[cfg(all(target_os = "linux", feature = "processes"))]
        if let StdSocket::Tcp(stream) = self
            && rustix::net::connect_unspec(stream).is_ok()
        {
            return;
        }
        BlockingSocket::shutdown(self, Shutdown::Both);
    }

    fn reset_on_close(&self) {
        if let StdSocket::Tcp(stream) = self {
            reset_on_close(stream);
        }
    }
}

/// A Unix socket has no reset. The kernel reports one only after a close with unread input.
fn reset_on_close(stream: &impl AsFd) {
    if let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
        log::debug!("cannot reset a connection: {error}");
    }
}

impl Socket {
    /// Returns true if a connection attempt has succeeded. An event alone does not show that.
    ///
    /// A peer may have reset the connection already, as a server that restarts does. Its bytes are
    /// still to be read, and the error after them: neither is taken here.
    ///
    /// # Errors
    ///
    /// The system's error, if the attempt failed, or if the connection was reset before any byte.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        let peer = match self {
            Socket::Tcp(stream) => peer_of(stream),
            Socket::Unix(stream) | Socket::SeqPacket(stream) => stream.peer_addr().map(drop),
        };
        match (peer, self) {
            (Ok(()), _) => Ok(true),
            // It is being established, or it has failed, or it was reset.
            (Err(error), Socket::Tcp(stream))
                if error.kind() != io::ErrorKind::ConnectionRefused =>
            {
                match stream.peek(&mut [0]) {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                    Err(error) => Err(error),
                }
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Returns the local address. Returns `None` for a Unix socket without a name, and if the
    /// system reports an error.
    pub(super) fn local_address(&self) -> Option<Address> {
        let path = |stream: &UnixStream| Some(stream.local_addr().ok()?.as_pathname()?.to_owned());
        match self {
            Socket::Tcp(stream) => stream.local_addr().ok().map(tcp_address),
            Socket::Unix(stream) => path(stream).map(Address::Unix),
            Socket::SeqPacket(stream) => path(stream).map(Address::SeqPacket),
        }
    }

    /// Registers the socket under another token. The poller reports its current readiness again.
    pub(super) fn reregister(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.reregister(registry, token, interest()),
            Socket::Unix(stream) | Socket::SeqPacket(stream) => {
                stream.reregister(registry, token, interest())
            }
        }
    }
}

/// Returns a TCP address. An IPv4-mapped IPv6 address, as an IPv6 socket of both families reports
/// it, becomes an IPv4 address, as in a [`Peer`](crate::net::peer::Peer).
pub(super) fn tcp_address(address: SocketAddr) -> Address {
    Address::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

/// Checks that a TCP socket is connected to another socket. A connection to a port without a
/// listener may get the same port as its local one, and so reach itself (RFC 9293, section 3.5).
///
/// # Errors
///
/// `ConnectionRefused` if the socket has reached itself; otherwise the system's error.
fn peer_of(stream: &TcpStream) -> io::Result<()> {
    match stream.peer_addr()? == stream.local_addr()? {
        true => Err(io::ErrorKind::ConnectionRefused.into()),
        false => Ok(()),
    }
}

/// EMSGSIZE has no kind in `std`.
fn packet_error(error: io::Error) -> io::Error {
    const EMSGSIZE: i32 = if cfg!(target_os = "linux") { 90 } else { 40 };
    match error.raw_os_error() {
        Some(EMSGSIZE) => io::ErrorKind::InvalidInput.into(),
        _ => error,
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.try_io(|| receive(&*stream, buffer)),
            Socket::Unix(stream) | Socket::SeqPacket(stream) => {
                stream.try_io(|| receive(&*stream, buffer))
            }
        }
    }
}

impl Write for Socket {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.try_io(|| send(&*stream, bytes)),
            Socket::Unix(stream) => stream.try_io(|| send(&*stream, bytes)),
            Socket::SeqPacket(stream) => {
                stream.try_io(|| send(&*stream, bytes)).map_err(packet_error)
            }
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write_vectored(slices),
            Socket::Unix(stream) => stream.write_vectored(slices),
            Socket::SeqPacket(stream) => stream.write_vectored(slices).map_err(packet_error),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Socket {
    fn short_read_drains(&self) -> bool {
        // A read of a Unix socket may stop early at a boundary of ancillary data. Only epoll and
        // kqueue report the rest; the poll(2) back end does not.
        cfg!(any(
            target_os = "linux",
            target_os = "android",
            target_os = "macos",
            target_os = "ios",
            target_os = "freebsd",
            target_os = "netbsd",
            target_os = "openbsd",
            target_os = "dragonfly"
        )) && matches!(self, Socket::Tcp(_))
    }

    fn keeps_boundaries(&self) -> bool {
        matches!(self, Socket::SeqPacket(_))
    }

    /// By `sendfile`, which copies nothing; a file system without it is copied.
    #[cfg(all(feature = "files", target_os = "linux"))]
    fn send_file(&mut self, file: &File, offset: u64, len: usize) -> io::Result<usize> {
        let mut from = offset;
        let sent = match self {
            Socket::Tcp(stream) => sendfile(stream, file, Some(&mut from), len),
            Socket::Unix(stream) | Socket::SeqPacket(stream) => {
                sendfile(stream, file, Some(&mut from), len)
            }
        };
        match sent {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => Ok(n),
            Err(Errno::INVAL | Errno::NOSYS) => send_copy(self, file, offset, len),
            Err(error) => Err(error.into()),
        }
    }

    /// By `MSG_MORE`: a head of its own would be one packet more, and wake the peer.
    #[cfg(all(feature = "files", target_os = "linux"))]
    fn write_before_file(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => {
                Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL | SendFlags::MORE)?)
            }
            Socket::Unix(_) | Socket::SeqPacket(_) => self.write(bytes),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) | Socket::SeqPacket(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    fn reset_on_close(&mut self) {
        if let Socket::Tcp(stream) = self {
            reset_on_close(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, SockAddr, Type};
    use std::net::{self, Ipv4Addr};
    use std::os::unix::net as unix;

    /// The bytes to read from an outgoing connection, and the error after them.
    fn rest(mut socket: Socket) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut read = Vec::new();
        let error = socket.read_to_end(&mut read).err().map(|error| error.kind());
        (read, error)
    }

    #[test]
    fn a_connection_that_was_reset_at_once_was_established() -> io::Result<()> {
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (mut peer, _) = listener.accept()?;
        peer.write_all(b"last words")?;
        SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
        drop(peer);
        let socket = Socket::Tcp(stream);
        assert!(socket.is_connected()?);
        assert_eq!(rest(socket), (b"last words".to_vec(), Some(io::ErrorKind::ConnectionReset)));
        Ok(())
    }

    #[test]
    fn a_unix_connection_whose_peer_has_closed_was_established() -> io::Result<()> {
        let (ours, mut peer) = unix::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        (&ours).write_all(b"unread")?;
        peer.write_all(b"last words")?;
        drop(peer);
        let socket = Socket::Unix(UnixStream::from_std(ours));
        assert!(socket.is_connected()?);
        let (read, error) = rest(socket);
        assert_eq!(read, b"last words");
        // Other systems report an end.
        assert!(!cfg!(target_os = "linux") || error == Some(io::ErrorKind::ConnectionReset));
        Ok(())
    }

    #[test]
    fn a_connection_that_is_refused_or_reset_without_a_byte_has_failed() -> io::Result<()> {
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stream = TcpStream::connect(address)?;
        let (peer, _) = listener.accept()?;
        SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
        drop(peer);
        let error = Socket::Tcp(stream).is_connected().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        drop(listener);
        let error = Socket::Tcp(TcpStream::connect(address)?).is_connected().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        Ok(())
    }

    #[test]
    fn a_connection_that_reaches_itself_is_refused() -> io::Result<()> {
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))?;
        socket.connect(&socket.local_addr()?)?;
        socket.set_nonblocking(true)?;
        let socket = Socket::Tcp(TcpStream::from_std(socket.into()));
        let error = socket.is_connected().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        Ok(())
    }
}
