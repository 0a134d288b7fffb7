//! The datagram sockets of the poller.

use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::net::{self as unix, SocketAddr as UnixAddr};
use std::path::PathBuf;

use mio::event::Source;
use mio::net::{UdpSocket, UnixDatagram};
use mio::{Interest, Registry, Token};
use socket2::{SockAddr, SockRef, Type};

use super::bind::{bind_inet, bind_unix};
use super::claim::Claim;
use super::socket_file::{SocketFile, unix_path};
use super::system::DatagramTransport;
use crate::net::address::Address;
use crate::net::listen::SocketOptions;
use crate::net::peer::{Peer, PeerKind};

/// A bound datagram socket. The file of a Unix socket is removed with it.
pub(crate) enum DatagramSocket {
    /// With its address, including the port chosen by the system.
    Udp(UdpSocket, SocketAddr),
    /// The file comes first, because fields are dropped in this order.
    Unix(SocketFile, UnixDatagram),
}

impl DatagramSocket {
    /// Binds: from here on the kernel takes datagrams.
    pub(crate) fn open(address: &Address, options: &SocketOptions) -> io::Result<DatagramSocket> {
        match address {
            Address::UnixGram(path) => {
                let claim = Claim::on(path)?;
                let (socket, file) = bind_unix(options, path, Type::DGRAM, &claim)?;
                Ok(DatagramSocket::Unix(file, UnixDatagram::from_std(socket.into())))
            }
            Address::Udp(address) => {
                let socket = bind_inet(options, *address, Type::DGRAM)?;
                let socket = UdpSocket::from_std(socket.into());
                let address = socket.local_addr()?;
                Ok(DatagramSocket::Udp(socket, address))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "an address of connections")),
        }
    }

    /// Takes a socket of the program.
    pub(crate) fn of_udp(socket: net::UdpSocket) -> io::Result<DatagramSocket> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(DatagramSocket::Udp(UdpSocket::from_std(socket), address))
    }

    /// The same in the file system. The file is the program's.
    pub(crate) fn of_unix(socket: unix::UnixDatagram) -> io::Result<DatagramSocket> {
        socket.set_nonblocking(true)?;
        let path = unix_path(&SockRef::from(&socket).local_addr()?).unwrap_or_default();
        let file = SocketFile::of_another(&path);
        Ok(DatagramSocket::Unix(file, UnixDatagram::from_std(socket)))
    }

    /// Registers both directions, once and for ever, as for connections.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE.add(Interest::WRITABLE);
        match self {
            DatagramSocket::Udp(socket, _) => socket.register(registry, token, both),
            DatagramSocket::Unix(_, socket) => socket.register(registry, token, both),
        }
    }
}

impl DatagramTransport for DatagramSocket {
    fn address(&self) -> Address {
        match self {
            DatagramSocket::Udp(_, address) => Address::Udp(*address),
            DatagramSocket::Unix(file, _) => Address::UnixGram(file.path().to_owned()),
        }
    }

    fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
        match self {
            DatagramSocket::Udp(socket, _) => {
                socket.recv_from(buffer).map(|(n, peer)| (n, peer.into()))
            }
            DatagramSocket::Unix(_, socket) => {
                socket.recv_from(buffer).map(|(n, peer)| (n, unix_peer(&peer)))
            }
        }
    }

    fn send_to(&self, to: &Peer, bytes: &[u8]) -> io::Result<()> {
        let sent = match (self, to.kind()) {
            (DatagramSocket::Udp(socket, address), PeerKind::V4(to)) => match address.is_ipv6() {
                // The only form in which an IPv6 socket of both families takes it.
                true => {
                    let to = SocketAddrV6::new(to.ip().to_ipv6_mapped(), to.port(), 0, 0);
                    socket.send_to(bytes, to.into())
                }
                false => socket.send_to(bytes, SocketAddr::V4(*to)),
            },
            (DatagramSocket::Udp(socket, _), PeerKind::V6(to)) => {
                socket.send_to(bytes, SocketAddr::V6(**to))
            }
            (DatagramSocket::Unix(_, socket), PeerKind::UnixNamed(path)) => {
                let to = SockAddr::unix(path.as_path())?;
                socket.try_io(|| SockRef::from(socket).send_to(bytes, &to))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "wrong address family")),
        };
        sent.map(|_| ())
    }

    /// A connected socket gets the address that packets to its peer will have as their source. If
    /// it is that of the peer, the peer is here. A second address of this machine is not
    /// recognized, but an answer to it comes back from the first one. Nothing is sent.
    fn is_here(&self, address: SocketAddr) -> bool {
        let any: SocketAddr = match address.is_ipv4() {
            true => (Ipv4Addr::UNSPECIFIED, 0).into(),
            false => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let near = net::UdpSocket::bind(any).and_then(|socket| {
            socket.connect(address)?;
            socket.local_addr()
        });
        near.is_ok_and(|near| near.ip() == address.ip())
    }
}

fn unix_peer(address: &UnixAddr) -> Peer {
    match address.as_pathname() {
        Some(path) => Peer::unix_named(path),
        None => abstract_name(address).map_or(Peer::unix(), Peer::unix_named),
    }
}

/// Returns a name in Linux' abstract namespace in the form that `SockAddr::unix` takes.
#[cfg(target_os = "linux")]
fn abstract_name(address: &UnixAddr) -> Option<PathBuf> {
    use std::ffi::OsString;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStringExt;

    let name = address.as_abstract_name()?;
    Some(OsString::from_vec([b"\0", name].concat()).into())
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &UnixAddr) -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_this_machine_are_told_from_others() -> io::Result<()> {
        let any = Address::Udp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let socket = DatagramSocket::open(&any, &SocketOptions::default())?;
        let is_here = |ip: &str| socket.is_here(SocketAddr::new(ip.parse().unwrap(), 7));
        assert!(is_here("127.0.0.1"));
        // Of the networks for documentation (RFC 5737, RFC 3849).
        assert!(!is_here("203.0.113.7") && !is_here("2001:db8::7"));
        // The machine may have no other address.
        let route = net::UdpSocket::bind("0.0.0.0:0")?;
        if route.connect("203.0.113.7:7").is_ok() {
            assert!(is_here(&route.local_addr()?.ip().to_string()));
        }
        Ok(())
    }
}
