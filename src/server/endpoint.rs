//! A bound address of a server: bound here, or by the supervisor of this worker process. Knows
//! nothing of services.

use std::io;
#[cfg(feature = "processes")]
use std::os::fd::{AsFd, BorrowedFd};

use crate::accept::Accept;
use crate::net::address::Address;
use crate::net::listen::Listen;
#[cfg(feature = "processes")]
use crate::prefork;
use crate::reactor::{DatagramSocket, DatagramTransport, Listener};

/// A bound address.
pub(crate) enum Place {
    Listener(Listener),
    Datagrams(DatagramSocket),
}

impl Place {
    /// Binds it, or takes what the supervisor has bound.
    pub(crate) fn open(listen: &Listen) -> io::Result<Place> {
        let is_datagram = listen.address.is_datagram();
        #[cfg(feature = "processes")]
        if let Some(socket) = prefork::next_socket()? {
            return match is_datagram {
                true => DatagramSocket::inherit(&listen.address, socket).map(Place::Datagrams),
                false => Listener::inherit(&listen.address, socket).map(Place::Listener),
            };
        }
        match is_datagram {
            true => DatagramSocket::open(listen).map(Place::Datagrams),
            false => Listener::open(listen).map(Place::Listener),
        }
    }

    pub(crate) fn address(&self) -> Address {
        match self {
            Place::Listener(listener) => listener.address(),
            Place::Datagrams(socket) => socket.address(),
        }
    }
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
