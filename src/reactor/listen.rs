//! The sockets that accept connections.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{SockRef, Type};

use super::bind::{bind_inet, bind_unix};
use super::socket::Socket;
use super::socket_file::SocketFile;
use crate::accept::Accept;
use crate::net::address::Address;
use crate::net::listen::Listen;
use crate::net::peer::Peer;

/// The queue length before the server's limits are known.
pub(crate) const QUEUE: u32 = 4096;

/// A listening socket. The file of a Unix socket is removed with it.
pub(crate) enum Listener {
    Tcp(TcpListener, SocketAddr, Ownership),
    Unix(UnixListener, SocketFile),
    /// The stream types of mio serve packets as well: the address family is the same, and one
    /// `accept4` returns a non-blocking socket.
    SeqPacket(UnixListener, SocketFile),
}

/// The use of a listening socket by other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    Sole,
    #[cfg(feature = "processes")]
    Shared,
}

impl Listener {
    /// Binds and listens. From here on the kernel accepts connections into the queue.
    pub(crate) fn open(listen: &Listen) -> io::Result<Listener> {
        match &listen.address {
            Address::Tcp(address) => open_tcp(listen, *address),
            Address::Unix(path) => {
                let (listener, file) = open_unix(listen, path, Type::STREAM)?;
                Ok(Listener::Unix(listener, file))
            }
            Address::SeqPacket(path) => {
                let (listener, file) =
                    open_unix(listen, path, Type::SEQPACKET).map_err(seqpacket_error)?;
                Ok(Listener::SeqPacket(listener, file))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a stream address")),
        }
    }

    /// Sets the length of the listen queue. Calling `listen` again on a listening socket changes
    /// just that.
    pub(crate) fn set_queue(&self, queue: u32) -> io::Result<()> {
        let queue = i32::try_from(queue).unwrap_or(i32::MAX);
        match self {
            Listener::Tcp(listener, ..) => SockRef::from(listener).listen(queue),
            Listener::Unix(listener, _) | Listener::SeqPacket(listener, _) => {
                SockRef::from(listener).listen(queue)
            }
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Tcp(listener, ..) => listener.register(registry, token, Interest::READABLE),
            Listener::Unix(listener, _) | Listener::SeqPacket(listener, _) => {
                listener.register(registry, token, Interest::READABLE)
            }
        }
    }
}

impl Accept for Listener {
    type Socket = Socket;

    fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Listener::Tcp(listener, ..) => {
                listener.accept().map(|(stream, peer)| (Socket::Tcp(stream), peer.into()))
            }
            Listener::Unix(listener, _) => {
                listener.accept().map(|(stream, _)| (Socket::Unix(stream), Peer::Unix))
            }
            Listener::SeqPacket(listener, _) => {
                listener.accept().map(|(socket, _)| (Socket::SeqPacket(socket), Peer::Unix))
            }
        }
    }

    fn refuse_new(&self) -> bool {
        match self {
            Listener::Tcp(listener, address, Ownership::Sole) => drop_syns(listener, *address),
            // A stop of all processes: the supervisor attaches the filter. Otherwise the others go
            // on.
            #[cfg(feature = "processes")]
            Listener::Tcp(_, _, Ownership::Shared) => cfg!(target_os = "linux"),
            Listener::Unix(..) | Listener::SeqPacket(..) => false,
        }
    }

    /// Returns the address, with the port chosen by the system.
    fn address(&self) -> Address {
        match self {
            Listener::Tcp(_, address, _) => Address::Tcp(*address),
            Listener::Unix(_, file) => Address::Unix(file.path().to_owned()),
            Listener::SeqPacket(_, file) => Address::SeqPacket(file.path().to_owned()),
        }
    }
}

/// Makes the kernel drop new connection attempts, by a socket filter. The peer retries after a
/// second, when the listener is closed: it is refused instead of reset.
#[cfg(target_os = "linux")]
fn drop_syns(listener: &TcpListener, address: SocketAddr) -> bool {
    use socket2::SockFilter;
    // BPF of linux/filter.h. The filter of a TCP socket sees a segment from its header on; the
    // flags are byte 13 (RFC 9293, section 3.1). Accepted connections inherit the filter, and
    // receive no SYN.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const SYN: u32 = 0x02;
    let filter = [
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    match SockRef::from(listener).attach_filter(&filter) {
        Ok(()) => true,
        Err(error) => {
            log::debug!("{address}: peers that connect during the stop may be reset: {error}");
            false
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn drop_syns(_: &TcpListener, _: SocketAddr) -> bool {
    false
}

fn open_tcp(listen: &Listen, address: SocketAddr) -> io::Result<Listener> {
    let socket = bind_inet(listen, address, Type::STREAM)?;
    socket.listen(QUEUE as i32)?;
    let listener = TcpListener::from_std(socket.into());
    let address = listener.local_addr()?;
    Ok(Listener::Tcp(listener, address, Ownership::Sole))
}

fn open_unix(listen: &Listen, path: &Path, ty: Type) -> io::Result<(UnixListener, SocketFile)> {
    let (socket, file) = bind_unix(listen, path, ty)?;
    socket.listen(QUEUE as i32)?;
    Ok((UnixListener::from_std(socket.into()), file))
}

/// EPROTONOSUPPORT has no kind in `std`. macOS has no such sockets.
fn seqpacket_error(error: io::Error) -> io::Error {
    const UNKNOWN: i32 = if cfg!(target_os = "linux") { 93 } else { 43 };
    match error.raw_os_error() {
        Some(UNKNOWN) => io::Error::new(
            io::ErrorKind::Unsupported,
            "this system does not support SOCK_SEQPACKET: use unix:",
        ),
        _ => error,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn a_peer_that_has_connected_stays_in_the_queue_and_no_other_comes() -> io::Result<()> {
        let listen = Listen::on(Address::Tcp(([127, 0, 0, 1], 0).into()));
        let listener = Listener::open(&listen)?;
        let Address::Tcp(address) = listener.address() else { panic!("not TCP") };
        let early = TcpStream::connect(address)?;
        listener.refuse_new();
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut, "dropped, not reset");
        let (_, peer) = listener.accept()?;
        assert_eq!(peer.to_string(), early.local_addr()?.to_string());
        let Err(error) = listener.accept() else { panic!("unexpected connection") };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        Ok(())
    }
}
