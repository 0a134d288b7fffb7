//! The types that can be connected to: text in its forms, addresses, and connected sockets. Opens
//! no socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use self::sealed::{ConnectedSocket, Target, ToTarget};
use crate::net::address::{Address, AddressError};
use crate::net::destination::Destination;

/// The types that [`Context::connect`](crate::Context::connect) and
/// [`Server::connect`](crate::Server::connect) can connect to.
///
/// | type | example |
/// |---|---|
/// | `&str`, `String`, `&String` | `"localhost:8080"`, `"127.0.0.1:8080"`, `"unix:/run/web.sock"` |
/// | a host or an IP address, and a port | `("localhost", 8080)`, `(Ipv4Addr::LOCALHOST, 8080)` |
/// | [`SocketAddr`] | a TCP address |
/// | [`PathBuf`], `&Path` | a stream socket in the file system |
/// | [`Address`], [`Destination`] | an address of connections, or one with the name of a host |
/// | [`TcpStream`], [`UnixStream`] | a connected socket |
///
/// An invalid text is an error of [`Server::check`](crate::Server::check); with
/// [`Context::connect`](crate::Context::connect),
/// [`Handler::on_unreachable`](crate::Handler::on_unreachable) receives it as `InvalidInput`.
///
/// ```
/// use socketserver::{Close, Context, Handler, Server};
///
/// struct Silent;
///
/// impl Handler for Silent {
///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
///         Ok(input.len())
///     }
/// }
///
/// let error = Server::new().connect("localhost", Silent).check().unwrap_err();
/// assert_eq!(error.to_string(), "'localhost' has no port: write localhost:8080");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something to connect to",
    label = "expected text as \"localhost:8080\", an address, or a connected socket"
)]
pub trait ToDestination: ToTarget {}

/// The conversion, which is not part of the interface.
pub(crate) mod sealed {
    use super::*;

    #[derive(Debug)]
    pub enum Target {
        Destination(Destination),
        Socket(ConnectedSocket),
        Invalid(AddressError),
    }

    /// A connected socket of the program.
    #[derive(Debug)]
    pub enum ConnectedSocket {
        Tcp(TcpStream),
        Unix(UnixStream),
    }

    pub trait ToTarget {
        fn target(self) -> Target;
    }
}

macro_rules! to_destination {
    ($($type:ty: $it:ident => $target:expr;)*) => {
        $(
            impl ToDestination for $type {}

            impl ToTarget for $type {
                fn target(self) -> Target {
                    let $it = self;
                    $target
                }
            }
        )*
    };
}

to_destination! {
    &str: text => text.parse().into();
    &String: text => text.parse().into();
    String: text => text.parse().into();
    (&str, u16): pair => host_and_port(pair.0, pair.1).into();
    (String, u16): pair => host_and_port(&pair.0, pair.1).into();
    (Ipv4Addr, u16): pair => Target::Destination(SocketAddr::from(pair).into());
    (Ipv6Addr, u16): pair => Target::Destination(SocketAddr::from(pair).into());
    (IpAddr, u16): pair => Target::Destination(SocketAddr::from(pair).into());
    SocketAddr: address => Target::Destination(address.into());
    PathBuf: path => Target::Destination(Address::from(path).into());
    &Path: path => Target::Destination(Address::from(path).into());
    Address: address => Target::Destination(address.into());
    &Address: address => Target::Destination(address.clone().into());
    Destination: destination => Target::Destination(destination);
    &Destination: destination => Target::Destination(destination.clone());
    TcpStream: socket => Target::Socket(ConnectedSocket::Tcp(socket));
    UnixStream: socket => Target::Socket(ConnectedSocket::Unix(socket));
}

impl From<Result<Destination, AddressError>> for Target {
    fn from(result: Result<Destination, AddressError>) -> Target {
        match result {
            Ok(destination) => Target::Destination(destination),
            Err(error) => Target::Invalid(error),
        }
    }
}

/// Returns the destination of a host, given by its name or IP address, and a port.
pub(crate) fn host_and_port(host: &str, port: u16) -> Result<Destination, AddressError> {
    match host.parse::<IpAddr>() {
        Ok(ip) => Ok(SocketAddr::from((ip, port)).into()),
        Err(_) => format!("{host}:{port}").parse(),
    }
}
