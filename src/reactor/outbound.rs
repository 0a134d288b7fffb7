//! The calls of a system that connection attempts use, which a test of them must supply.

use std::io;

use super::lookup::Lookup;
use super::source::Source;
use super::system::System;
use crate::net::address::Address;
use crate::net::to_destination::sealed::ConnectedSocket;

/// The part of a [`System`] that establishes connections. Every system implements it.
pub(super) trait Outbound {
    type Socket;

    /// As [`System::connect`].
    fn connect(&self, to: &Address, source: Source) -> io::Result<Self::Socket>;

    /// As [`System::adopt`].
    fn adopt(&self, socket: ConnectedSocket, source: Source) -> io::Result<Self::Socket>;

    /// As [`System::is_connected`].
    fn is_connected(socket: &Self::Socket) -> io::Result<bool>;

    /// As [`System::start_lookup`].
    fn start_lookup(&self, lookup: Lookup) -> io::Result<()>;
}

impl<S: System> Outbound for S {
    type Socket = S::Socket;

    fn connect(&self, to: &Address, source: Source) -> io::Result<S::Socket> {
        System::connect(self, to, source)
    }

    fn adopt(&self, socket: ConnectedSocket, source: Source) -> io::Result<S::Socket> {
        System::adopt(self, socket, source)
    }

    fn is_connected(socket: &S::Socket) -> io::Result<bool> {
        <S as System>::is_connected(socket)
    }

    fn start_lookup(&self, lookup: Lookup) -> io::Result<()> {
        System::start_lookup(self, lookup)
    }
}
