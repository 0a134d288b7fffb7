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
use crate::{Address, Listen, Peer};

/// Until the server's limits are known.
pub(super) const QUEUE: u32 = 4096;

/// A bound socket that somebody may connect to. The file of a Unix socket goes with it.
pub(crate) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

impl Listener {
    /// Binds and listens: from here on the kernel lets peers in.
    pub(crate) fn open(listen: &Listen) -> io::Result<Listener> {
        match &listen.address {
            Address::Tcp(address) => open_tcp(listen, *address),
            Address::Unix(path) => open_unix(listen, path),
            _ => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "connections of this kind are not served yet",
            )),
        }
    }

    /// How many peers the kernel lets in before they are accepted. Listening again on a socket
    /// that listens changes just that.
    pub(crate) fn set_queue(&self, queue: u32) -> io::Result<()> {
        let queue = i32::try_from(queue).unwrap_or(i32::MAX);
        match self {
            Listener::Tcp(listener, _) => SockRef::from(listener).listen(queue),
            Listener::Unix(listener, _) => SockRef::from(listener).listen(queue),
        }
    }

    /// Where it listens, with the port that the system chose.
    pub(crate) fn address(&self) -> Address {
        match self {
            Listener::Tcp(_, address) => Address::Tcp(*address),
            Listener::Unix(_, file) => Address::Unix(file.path().to_owned()),
        }
    }

    pub(super) fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Listener::Tcp(listener, _) => {
                listener.accept().map(|(stream, peer)| (Socket::Tcp(stream), peer.into()))
            }
            Listener::Unix(listener, _) => {
                listener.accept().map(|(stream, _)| (Socket::Unix(stream), Peer::Unix))
            }
        }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Tcp(listener, _) => listener.register(registry, token, Interest::READABLE),
            Listener::Unix(listener, _) => listener.register(registry, token, Interest::READABLE),
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

fn open_unix(listen: &Listen, path: &Path) -> io::Result<Listener> {
    let (socket, file) = bind_unix(listen, path, Type::STREAM)?;
    socket.listen(QUEUE as i32)?;
    Ok(Listener::Unix(UnixListener::from_std(socket.into()), file))
}
