//! A bound address of a server: bound here, by the supervisor of this worker process, or by the
//! program. Knows nothing of services.

use std::net::ToSocketAddrs;
#[cfg(feature = "processes")]
use std::os::fd::{AsFd, BorrowedFd};
use std::{fmt, io};

use crate::accept::Accept;
use crate::net::address::Address;
use crate::net::destination::Destination;
use crate::net::listen::{Listen, SocketOptions};
use crate::net::to_listen::sealed::{Binding, BoundSocket};
#[cfg(feature = "processes")]
use crate::prefork;
use crate::reactor::{DatagramSocket, DatagramTransport, Listener};

/// A bound address.
pub(crate) enum Place {
    Listener(Listener),
    Datagrams(DatagramSocket),
}

impl Place {
    /// Binds an address, or adopts a socket that the supervisor or the program has bound.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the options do not fit the address; otherwise the system's error. The
    /// message names the address.
    pub(crate) fn open(binding: Binding) -> io::Result<Place> {
        let (result, name) = match binding {
            Binding::Listen(listen) => (Place::bind(&listen), listen.to_string()),
            Binding::Socket(socket) => (Place::adopt(socket), "a socket of the program".to_owned()),
        };
        result.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {name}: {error}"))
        })
    }

    fn bind(listen: &Listen) -> io::Result<Place> {
        #[cfg(feature = "processes")]
        if let Some(socket) = prefork::next_socket()? {
            return match &listen.place {
                Destination::Address(address) if address.is_datagram() => {
                    DatagramSocket::inherit(address, socket).map(Place::Datagrams)
                }
                place => Listener::inherit(place, socket).map(Place::Listener),
            };
        }
        let (name, port) = match &listen.place {
            Destination::Address(address) => return Place::bind_one(address, &listen.options),
            Destination::Host { name, port } => (name, *port),
        };
        let nothing = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut result = Err(nothing());
        for address in (&**name, port).to_socket_addrs()? {
            result = Place::bind_one(&Address::Tcp(address), &listen.options);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn bind_one(address: &Address, options: &SocketOptions) -> io::Result<Place> {
        options.check(address).map_err(|rule| io::Error::new(io::ErrorKind::InvalidInput, rule))?;
        match address.is_datagram() {
            true => DatagramSocket::open(address, options).map(Place::Datagrams),
            false => Listener::open(address, options).map(Place::Listener),
        }
    }

    fn adopt(socket: BoundSocket) -> io::Result<Place> {
        match socket {
            BoundSocket::Tcp(socket) => Listener::of_tcp(socket).map(Place::Listener),
            BoundSocket::Unix(socket) => Listener::of_unix(socket).map(Place::Listener),
            BoundSocket::Udp(socket) => DatagramSocket::of_udp(socket).map(Place::Datagrams),
            BoundSocket::UnixGram(socket) => DatagramSocket::of_unix(socket).map(Place::Datagrams),
        }
    }

    pub(crate) fn address(&self) -> Address {
        match self {
            Place::Listener(listener) => listener.address(),
            Place::Datagrams(socket) => socket.address(),
        }
    }
}

/// The kind of input that an address has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connections,
    Datagrams,
}

impl Kind {
    pub(super) fn of(place: &Place) -> Kind {
        match place {
            Place::Listener(_) => Kind::Connections,
            Place::Datagrams(_) => Kind::Datagrams,
        }
    }

    /// Returns the error for an address of this kind where the other kind is needed.
    pub(super) fn misfit(self, place: &Place) -> io::Error {
        let address = place.address();
        invalid(match self {
            Kind::Connections => format!("{address} is not for datagrams: write udp: or unixgram:"),
            Kind::Datagrams => format!("{address} is for datagrams: they need a datagram handler"),
        })
    }
}

pub(super) fn invalid(what: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.to_string())
}

#[cfg(feature = "processes")]
impl prefork::SharedSocket for Place {
    fn refuse_new(&self) {
        if let Place::Listener(listener) = self {
            listener.refuse_new();
        }
    }
}

#[cfg(feature = "processes")]
impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Place::Listener(listener) => listener.as_fd(),
            Place::Datagrams(socket) => socket.as_fd(),
        }
    }
}
