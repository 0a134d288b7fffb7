//! The types that can be listened on: text in its forms, addresses, and bound sockets. Opens no
//! socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use self::sealed::{Binding, BoundSocket, ToBindings};
use crate::net::address::{Address, AddressError};
use crate::net::destination::Destination;
use crate::net::listen::Listen;
use crate::net::to_destination::host_and_port;

/// The types that a [`Server`](crate::Server) can listen on.
///
/// | type | example |
/// |---|---|
/// | `&str`, `String`, `&String` | `"127.0.0.1:8080"`, `"localhost:8080"`, any [`Address`] |
/// | a host or an IP address, and a port | `("localhost", 8080)`, `(Ipv4Addr::LOCALHOST, 8080)` |
/// | [`SocketAddr`] | a TCP address |
/// | [`PathBuf`], `&Path` | a stream socket in the file system |
/// | [`Address`], [`Listen`] | an address of any kind, or one with options |
/// | [`TcpListener`], [`UnixListener`] | a bound socket, as from a parent process |
/// | [`UdpSocket`], [`UnixDatagram`] | a bound socket of datagrams |
/// | an array or a [`Vec`] of these | all of them, with one service |
///
/// The name of a host is looked up when it is bound; the server binds the first of its addresses
/// that can be bound, as [`TcpListener::bind`] does. A bound socket is made non-blocking; its other
/// options are not changed.
///
/// ```
/// use socketserver::Server;
/// use std::net::{Ipv4Addr, TcpListener};
///
/// let server = Server::bind(("localhost", 0))?;
/// let server = Server::bind((Ipv4Addr::LOCALHOST, 0))?;
/// let server = Server::bind(TcpListener::bind("127.0.0.1:0")?)?;
/// let server = Server::bind(["127.0.0.1:0", "127.0.0.1:0"])?;
/// assert_eq!(server.addresses().len(), 2);
///
/// let error = Server::bind("localhost").unwrap_err();
/// assert_eq!(error.to_string(), "'localhost' has no port: write localhost:8080");
/// # Ok::<(), std::io::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something to listen on",
    label = "expected text as \"127.0.0.1:8080\", an address, or a bound socket"
)]
pub trait ToListen: ToBindings {}

/// The conversion, which is not part of the interface.
pub(crate) mod sealed {
    use super::*;

    /// An address to bind, or a bound socket.
    #[derive(Debug)]
    pub enum Binding {
        Listen(Listen),
        Socket(BoundSocket),
    }

    /// A bound socket of the program.
    #[derive(Debug)]
    pub enum BoundSocket {
        Tcp(TcpListener),
        Unix(UnixListener),
        Udp(UdpSocket),
        UnixGram(UnixDatagram),
    }

    pub trait ToBindings {
        fn bindings(self) -> Result<Vec<Binding>, AddressError>;
    }
}

macro_rules! to_listen {
    ($($type:ty: $it:ident => $listen:expr;)*) => {
        $(
            impl ToListen for $type {}

            impl ToBindings for $type {
                fn bindings(self) -> Result<Vec<Binding>, AddressError> {
                    let $it = self;
                    Ok(vec![$listen])
                }
            }
        )*
    };
}

to_listen! {
    &str: text => Binding::Listen(text.parse()?);
    &String: text => Binding::Listen(text.parse()?);
    String: text => Binding::Listen(text.parse()?);
    (&str, u16): pair => on_host(pair)?;
    (String, u16): pair => on_host((&pair.0, pair.1))?;
    (Ipv4Addr, u16): pair => Binding::Listen(Listen::on(SocketAddr::from(pair)));
    (Ipv6Addr, u16): pair => Binding::Listen(Listen::on(SocketAddr::from(pair)));
    (IpAddr, u16): pair => Binding::Listen(Listen::on(SocketAddr::from(pair)));
    SocketAddr: address => Binding::Listen(Listen::on(address));
    PathBuf: path => Binding::Listen(Listen::on(path));
    &Path: path => Binding::Listen(Listen::on(path));
    Address: address => Binding::Listen(Listen::on(address));
    &Address: address => Binding::Listen(Listen::on(address.clone()));
    Listen: listen => Binding::Listen(listen);
    TcpListener: socket => Binding::Socket(BoundSocket::Tcp(socket));
    UnixListener: socket => Binding::Socket(BoundSocket::Unix(socket));
    UdpSocket: socket => Binding::Socket(BoundSocket::Udp(socket));
    UnixDatagram: socket => Binding::Socket(BoundSocket::UnixGram(socket));
}

fn on_host((host, port): (&str, u16)) -> Result<Binding, AddressError> {
    host_and_port(host, port).map(|place: Destination| Binding::Listen(Listen::at(place)))
}

impl<T: ToListen, const N: usize> ToListen for [T; N] {}

impl<T: ToListen, const N: usize> ToBindings for [T; N] {
    fn bindings(self) -> Result<Vec<Binding>, AddressError> {
        all(self)
    }
}

impl<T: ToListen> ToListen for Vec<T> {}

impl<T: ToListen> ToBindings for Vec<T> {
    fn bindings(self) -> Result<Vec<Binding>, AddressError> {
        all(self)
    }
}

fn all<T: ToListen>(list: impl IntoIterator<Item = T>) -> Result<Vec<Binding>, AddressError> {
    let mut bindings = Vec::new();
    for item in list {
        bindings.extend(item.bindings()?);
    }
    Ok(bindings)
}
