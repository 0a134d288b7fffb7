//! Sockets bound by another process: lent to a worker, and adopted in it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use mio::net::{TcpListener, UdpSocket, UnixDatagram, UnixListener};
use socket2::{SockRef, Socket as RawSocket, Type};

use super::datagram_socket::DatagramSocket;
use super::listen::{Listener, Ownership};
use super::socket_file::{SocketFile, unix_path};
use crate::net::address::Address;
use crate::net::destination::Destination;

impl Listener {
    /// Adopts a listening socket that another process has bound to `address`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is bound to another address; otherwise the system's error.
    pub(crate) fn inherit(place: &Destination, socket: OwnedFd) -> io::Result<Listener> {
        let address = match place {
            Destination::Address(address) => address,
            Destination::Host { port, .. } => &host_address(&socket, *port)?,
        };
        let is_packets = matches!(address, Address::SeqPacket(_));
        let ty = if is_packets { Type::SEQPACKET } else { Type::STREAM };
        let socket = expect(socket, address, ty)?;
        let of_unix = |socket: RawSocket| UnixListener::from_std(socket.into());
        let shared = Arc::new(address.clone());
        Ok(match address {
            Address::Unix(path) => {
                Listener::Unix(SocketFile::of_another(path), of_unix(socket), shared)
            }
            Address::SeqPacket(path) => {
                Listener::SeqPacket(SocketFile::of_another(path), of_unix(socket), shared)
            }
            _ => {
                let listener = TcpListener::from_std(socket.into());
                let address = Address::Tcp(listener.local_addr()?);
                Listener::Tcp(listener, Arc::new(address), Ownership::Shared)
            }
        })
    }
}

impl DatagramSocket {
    /// Adopts a socket that another process has bound to `address`.
    ///
    /// # Errors
    ///
    /// As for [`Listener::inherit`].
    pub(crate) fn inherit(address: &Address, socket: OwnedFd) -> io::Result<DatagramSocket> {
        let socket = expect(socket, address, Type::DGRAM)?;
        if let Address::UnixGram(path) = address {
            let socket = UnixDatagram::from_std(socket.into());
            return Ok(DatagramSocket::Unix(SocketFile::of_another(path), socket));
        }
        let socket = UdpSocket::from_std(socket.into());
        let address = socket.local_addr()?;
        Ok(DatagramSocket::Udp(socket, address))
    }
}

/// Returns the TCP address that `socket` is bound to, with the requested port.
fn host_address(socket: &OwnedFd, port: u16) -> io::Result<Address> {
    let bound = SockRef::from(socket).local_addr()?.as_socket();
    let ip = bound.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    Ok(Address::Tcp((ip, port).into()))
}

/// Returns `socket` if it has type `ty` and is bound to `address`.
///
/// # Errors
///
/// `InvalidInput` if not; otherwise the system's error.
fn expect(socket: OwnedFd, address: &Address, ty: Type) -> io::Result<RawSocket> {
    let socket = RawSocket::from(socket);
    let bound = socket.local_addr()?;
    let is_it = match address {
        Address::Tcp(wanted) | Address::Udp(wanted) => bound
            .as_socket()
            .is_some_and(|is| is.ip() == wanted.ip() && [0, is.port()].contains(&wanted.port())),
        Address::Unix(path) | Address::UnixGram(path) | Address::SeqPacket(path) => {
            unix_path(&bound).as_ref() == Some(path)
        }
    };
    match is_it && socket.r#type()? == ty {
        true => Ok(socket),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the supervisor has bound another address: its workers must bind the same ones",
        )),
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener, ..) => listener.as_fd(),
            Listener::Unix(_, listener, _) | Listener::SeqPacket(_, listener, _) => {
                listener.as_fd()
            }
        }
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            DatagramSocket::Udp(socket, _) => socket.as_fd(),
            DatagramSocket::Unix(_, socket) => socket.as_fd(),
        }
    }
}
