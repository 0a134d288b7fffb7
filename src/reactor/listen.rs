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

/// Until the server's limits are known.
pub(crate) const QUEUE: u32 = 4096;

/// A bound socket that peers may connect to. The file of a Unix socket goes with it.
pub(crate) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
    /// What mio has for streams serves packets as well: the address is of the same family, and
    /// one `accept4` gives a socket that does not block.
    SeqPacket(UnixListener, SocketFile),
}

impl Listener {
    /// Binds and listens: from here on the kernel lets peers in.
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
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "no address of connections")),
        }
    }

    /// How many peers the kernel lets in before they are accepted. Listening again on a socket
    /// that listens changes just that.
    pub(crate) fn set_queue(&self, queue: u32) -> io::Result<()> {
        let queue = i32::try_from(queue).unwrap_or(i32::MAX);
        match self {
            Listener::Tcp(listener, _) => SockRef::from(listener).listen(queue),
            Listener::Unix(listener, _) | Listener::SeqPacket(listener, _) => {
                SockRef::from(listener).listen(queue)
            }
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Tcp(listener, _) => listener.register(registry, token, Interest::READABLE),
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
            Listener::Tcp(listener, _) => {
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

    /// Where it listens, with the port that the system chose.
    fn address(&self) -> Address {
        match self {
            Listener::Tcp(_, address) => Address::Tcp(*address),
            Listener::Unix(_, file) => Address::Unix(file.path().to_owned()),
            Listener::SeqPacket(_, file) => Address::SeqPacket(file.path().to_owned()),
        }
    }
}

fn open_tcp(listen: &Listen, address: SocketAddr) -> io::Result<Listener> {
    let socket = bind_inet(listen, address, Type::STREAM)?;
    socket.listen(QUEUE as i32)?;
    let listener = TcpListener::from_std(socket.into());
    let address = listener.local_addr()?;
    Ok(Listener::Tcp(listener, address))
}

fn open_unix(listen: &Listen, path: &Path, ty: Type) -> io::Result<(UnixListener, SocketFile)> {
    let (socket, file) = bind_unix(listen, path, ty)?;
    socket.listen(QUEUE as i32)?;
    Ok((UnixListener::from_std(socket.into()), file))
}

/// EPROTONOSUPPORT, which has no kind of its own in `std`: macOS has no such sockets.
fn seqpacket_error(error: io::Error) -> io::Error {
    const UNKNOWN: i32 = if cfg!(target_os = "linux") { 93 } else { 43 };
    match error.raw_os_error() {
        Some(UNKNOWN) => io::Error::new(
            io::ErrorKind::Unsupported,
            "this system has no packets over Unix sockets (SOCK_SEQPACKET): use unix:",
        ),
        _ => error,
    }
}
