//! The sockets that accept connections.

use std::io;
use std::net::{self, Shutdown, SocketAddr};
use std::os::unix::net as unix;
use std::path::Path;
use std::sync::Arc;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{SockRef, Type};

use super::bind::{bind_inet, bind_unix};
use super::claim::Claim;
use super::socket::{Socket, tcp_address};
use super::socket_file::{SocketFile, unix_path};
use crate::accept::Accept;
use crate::net::address::Address;
use crate::net::incoming::Incoming;
use crate::net::listen::SocketOptions;
use crate::net::peer::Peer;

/// The queue length before the server's limits are known.
pub(crate) const QUEUE: u32 = 4096;

/// A listening socket. The file of a Unix socket is removed with it.
pub(crate) enum Listener {
    Tcp(TcpListener, Arc<Address>, Ownership),
    /// The file comes first, because fields are dropped in this order.
    Unix(SocketFile, UnixListener, Arc<Address>),
    /// mio's type for streams serves packets as well: the address has the same family, and one
    /// `accept4` returns a non-blocking socket.
    SeqPacket(SocketFile, UnixListener, Arc<Address>),
}

/// The use of a listening socket by other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    Sole,
    /// The program has bound it. Another process may use it as well.
    Program,
    #[cfg(feature = "processes")]
    Shared,
}

impl Listener {
    /// Binds and listens: the kernel queues connections from now on.
    pub(crate) fn open(address: &Address, options: &SocketOptions) -> io::Result<Listener> {
        match address {
            Address::Tcp(address) => open_tcp(options, *address),
            Address::Unix(path) => {
                let (file, listener) = open_unix(options, path, Type::STREAM)?;
                Ok(Listener::Unix(file, listener, Arc::new(address.clone())))
            }
            Address::SeqPacket(path) => {
                let (file, listener) =
                    open_unix(options, path, Type::SEQPACKET).map_err(seqpacket_error)?;
                Ok(Listener::SeqPacket(file, listener, Arc::new(address.clone())))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "an address of datagrams")),
        }
    }

    /// Adopts a TCP listener of the program.
    pub(crate) fn of_tcp(listener: net::TcpListener) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener);
        let address = Address::Tcp(listener.local_addr()?);
        Ok(Listener::Tcp(listener, Arc::new(address), Ownership::Program))
    }

    /// Adopts a Unix listener of the program, which keeps its file.
    pub(crate) fn of_unix(listener: unix::UnixListener) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        let path = unix_path(&SockRef::from(&listener).local_addr()?).unwrap_or_default();
        let (file, address) = (SocketFile::of_another(&path), Address::Unix(path));
        Ok(Listener::Unix(file, UnixListener::from_std(listener), Arc::new(address)))
    }

    /// Sets the length of the kernel's queue of connections to accept. A second `listen` changes
    /// only this.
    pub(crate) fn set_queue(&self, queue: u32) -> io::Result<()> {
        let queue = i32::try_from(queue).unwrap_or(i32::MAX);
        match self {
            Listener::Tcp(listener, ..) => SockRef::from(listener).listen(queue),
            Listener::Unix(_, listener, _) | Listener::SeqPacket(_, listener, _) => {
                SockRef::from(listener).listen(queue)
            }
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Tcp(listener, ..) => listener.register(registry, token, Interest::READABLE),
            Listener::Unix(_, listener, _) | Listener::SeqPacket(_, listener, _) => {
                listener.register(registry, token, Interest::READABLE)
            }
        }
    }

    pub(super) fn reregister(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Tcp(listener, ..) => listener.reregister(registry, token, Interest::READABLE),
            Listener::Unix(_, listener, _) | Listener::SeqPacket(_, listener, _) => {
                listener.reregister(registry, token, Interest::READABLE)
            }
        }
    }
}

impl Accept for Listener {
    type Socket = Socket;

    fn accept(&self) -> io::Result<(Socket, Incoming)> {
        match self {
            Listener::Tcp(listener, address, _) => {
                let (stream, peer) = listener.accept()?;
                let local = local_address(&stream, address);
                Ok((Socket::Tcp(stream), Incoming::at(peer.into(), local)))
            }
            Listener::Unix(_, listener, address) => {
                let (stream, _) = listener.accept()?;
                Ok((Socket::Unix(stream), Incoming::at(Peer::unix(), Arc::clone(address))))
            }
            Listener::SeqPacket(_, listener, address) => {
                let (socket, _) = listener.accept()?;
                Ok((Socket::SeqPacket(socket), Incoming::at(Peer::unix(), Arc::clone(address))))
            }
        }
    }

    fn refuse_new(&self) -> bool {
        match self {
            Listener::Tcp(listener, address, Ownership::Sole) => drop_syns(listener, address),
            // The supervisor attaches the filter if all stop; otherwise the others accept.
            #[cfg(feature = "processes")]
            Listener::Tcp(_, _, Ownership::Shared) => cfg!(target_os = "linux"),
            Listener::Tcp(_, _, Ownership::Program) => false,
            // The owner of the file refuses for all processes that share the socket.
            Listener::Unix(file, listener, _) | Listener::SeqPacket(file, listener, _) => {
                if file.is_own() {
                    end_newcomers(file, listener);
                }
                false
            }
        }
    }

    /// Returns the address, with the port chosen by the system.
    fn address(&self) -> Address {
        match self {
            Listener::Tcp(_, address, _) => Address::clone(address),
            Listener::Unix(file, ..) => Address::Unix(file.path().to_owned()),
            Listener::SeqPacket(file, ..) => Address::SeqPacket(file.path().to_owned()),
        }
    }
}

/// Returns the local address of an accepted connection. This takes a system call only if the
/// listener has all addresses of the host: the kernel knows the one that the peer has used.
fn local_address(stream: &TcpStream, listener: &Arc<Address>) -> Arc<Address> {
    let is_wildcard = match &**listener {
        Address::Tcp(address) => address.ip().is_unspecified(),
        _ => false,
    };
    match is_wildcard.then(|| stream.local_addr()) {
        Some(Ok(address)) => Arc::new(tcp_address(address)),
        // The connection has ended already.
        Some(Err(_)) | None => Arc::clone(listener),
    }
}

/// Attaches a socket filter that drops segments with SYN. The peer tries again after a second, when
/// the listener is closed: its connection is refused, and not reset.
#[cfg(target_os = "linux")]
fn drop_syns(listener: &TcpListener, address: &Address) -> bool {
    use socket2::SockFilter;
    // BPF of linux/filter.h. The filter of a TCP socket reads a segment from its header on; the
    // flags are byte 13 (RFC 9293, section 3.1). Accepted connections inherit the filter, but
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
fn drop_syns(_: &TcpListener, _: &Address) -> bool {
    false
}

/// Makes the name free for a successor, and then refuses the peers that have found the file before.
/// They have no handshakes: a peer is in the queue or refused.
fn end_newcomers(file: &SocketFile, listener: &UnixListener) {
    file.remove();
    // Linux keeps the queue (`unix_stream_connect` in net/unix/af_unix.c). Other systems have no
    // such effect, and some an error.
    if cfg!(target_os = "linux")
        && let Err(error) = SockRef::from(listener).shutdown(Shutdown::Read)
    {
        log::debug!("{}: cannot refuse new peers: {error}", file.path().display());
    }
}

fn open_tcp(options: &SocketOptions, address: SocketAddr) -> io::Result<Listener> {
    let socket = bind_inet(options, address, Type::STREAM)?;
    socket.listen(QUEUE as i32)?;
    let listener = TcpListener::from_std(socket.into());
    let address = Address::Tcp(listener.local_addr()?);
    Ok(Listener::Tcp(listener, Arc::new(address), Ownership::Sole))
}

fn open_unix(
    options: &SocketOptions,
    path: &Path,
    ty: Type,
) -> io::Result<(SocketFile, UnixListener)> {
    let claim = Claim::on(path)?;
    let (socket, file) = bind_unix(options, path, ty, &claim)?;
    socket.listen(QUEUE as i32)?;
    Ok((file, UnixListener::from_std(socket.into())))
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
    use crate::net::listen::KeepAlive;
    use socket2::{Domain, SockAddr, Socket as RawSocket};
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn a_peer_that_has_connected_stays_in_the_queue_and_no_other_comes() -> io::Result<()> {
        let address = Address::Tcp(([127, 0, 0, 1], 0).into());
        let listener = Listener::open(&address, &SocketOptions::default())?;
        let Address::Tcp(address) = listener.address() else { panic!("not TCP") };
        let early = TcpStream::connect(address)?;
        listener.refuse_new();
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut, "dropped, and not reset");
        let (_, incoming) = listener.accept()?;
        assert_eq!(incoming.peer().to_string(), early.local_addr()?.to_string());
        let Err(error) = listener.accept() else { panic!("another one") };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        Ok(())
    }

    #[test]
    fn accepted_connections_inherit_the_options_of_silent_peers() -> io::Result<()> {
        let seconds = Duration::from_secs;
        let keep_alive =
            KeepAlive { idle: Some(seconds(45)), interval: Some(seconds(15)), count: Some(4) };
        let user_timeout = Some(seconds(105));
        let options = SocketOptions { keep_alive, user_timeout, ..SocketOptions::default() };
        let listener = Listener::open(&Address::Tcp(([127, 0, 0, 1], 0).into()), &options)?;
        let Address::Tcp(address) = listener.address() else { panic!("not TCP") };
        let _client = TcpStream::connect(address)?;
        let (Socket::Tcp(accepted), _) = listener.accept()? else { panic!("not TCP") };
        let accepted = SockRef::from(&accepted);
        assert!(accepted.keepalive()?);
        assert_eq!(accepted.tcp_keepalive_time()?, seconds(45));
        assert_eq!(accepted.tcp_keepalive_interval()?, seconds(15));
        assert_eq!(accepted.tcp_keepalive_retries()?, 4);
        assert_eq!(accepted.tcp_user_timeout()?, user_timeout);
        Ok(())
    }

    #[test]
    fn a_peer_in_the_queue_of_a_unix_socket_stays_and_no_other_comes() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let (path, found_before) = (folder.path().join("own"), folder.path().join("found"));
        for address in [Address::Unix(path.clone()), Address::SeqPacket(path.clone())] {
            let connect = |path: &Path| connect_as(&address, path);
            let listener = Listener::open(&address, &SocketOptions::default())?;
            // A second name, as if a peer had looked up the first one.
            std::fs::hard_link(&path, &found_before)?;
            let _early = connect(&path)?;
            listener.refuse_new();
            assert_eq!(connect(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
            let late = connect(&found_before).unwrap_err();
            assert_eq!(late.kind(), io::ErrorKind::ConnectionRefused);
            let successor = Listener::open(&address, &SocketOptions::default())?;
            listener.accept()?;
            let Err(error) = listener.accept() else { panic!("another one") };
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            drop(listener);
            connect(&path)?;
            drop(successor);
            std::fs::remove_file(&found_before)?;
        }
        Ok(())
    }

    /// Connects a socket of the type of `address` to `path`.
    fn connect_as(address: &Address, path: &Path) -> io::Result<RawSocket> {
        let is_packets = matches!(address, Address::SeqPacket(_));
        let ty = if is_packets { Type::SEQPACKET } else { Type::STREAM };
        let socket = RawSocket::new(Domain::UNIX, ty, None)?;
        socket.connect(&SockAddr::unix(path)?)?;
        Ok(socket)
    }
}
