//! Opening the sockets a server listens on.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockAddr, SockRef, Socket as RawSocket, Type};

use super::socket::Socket;
use crate::{Address, Peer};

/// Until the server's limits are known.
pub(super) const QUEUE: u32 = 4096;

/// A bound socket that somebody may connect to. The file of a Unix socket goes with it.
pub(crate) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket, removed with this; but not what others have put in its place.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, `None` if it was gone at once.
    identity: Option<(u64, u64)>,
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

impl Listener {
    /// Binds and listens: from here on the kernel lets peers in.
    pub(crate) fn open(address: &Address) -> io::Result<Listener> {
        match address {
            Address::Tcp(address) => open_tcp(*address),
            Address::Unix(path) => open_unix(path),
            other => {
                let what = format!("{other} is not served yet");
                Err(io::Error::new(io::ErrorKind::Unsupported, what))
            }
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
            Listener::Unix(_, file) => Address::Unix(file.path.clone()),
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

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Nothing can be done about a file that cannot be removed.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn open_tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restarted server gets its port back though old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are then two addresses, on every system.
        socket.set_only_v6(true)?;
    }
    // Accepted sockets inherit it (Linux): no setsockopt for each of them.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(QUEUE as i32)?;
    let listener = TcpListener::from_std(socket.into());
    let address = listener.local_addr()?;
    Ok(Listener::Tcp(listener, address))
}

fn open_unix(path: &Path) -> io::Result<Listener> {
    remove_stale(path)?;
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile { path: path.to_owned(), identity: identity(path) };
    socket.listen(QUEUE as i32)?;
    Ok(Listener::Unix(UnixListener::from_std(socket.into()), file))
}

/// Removes the socket file of a server that died. One that answers, and a file that is no
/// socket, stay: `bind` then says that the address is in use.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    // Connecting to a server whose queue is full would block for as long as it is.
    let probe = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        _ => Ok(()),
    }
}
