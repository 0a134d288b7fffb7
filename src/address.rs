//! Where a server listens and who calls. Knows how addresses are written; opens nothing.

use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::PathBuf;
use std::{fmt, str};

/// Where a server listens: `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`. Port 0 lets the
/// system choose; [`Server::addresses`](crate::Server::addresses) tells what it chose.
///
/// ```
/// use socketserver::Address;
///
/// let address: Address = "[::1]:8080".parse()?;
/// assert_eq!(address.to_string(), "[::1]:8080");
/// assert_eq!("unix:/run/web.sock".parse::<Address>()?.to_string(), "unix:/run/web.sock");
/// assert!("localhost".parse::<Address>().is_err());
/// # Ok::<(), socketserver::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port of an IPv4 or IPv6 address.
    Tcp(SocketAddr),
    /// A stream socket in the file system.
    Unix(PathBuf),
}

/// An address that could not be understood; prints what was given and what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError(String);

impl str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(AddressError(text.to_owned())),
            Some(path) => Ok(Address::Unix(path.into())),
            None => match text.parse() {
                Ok(address) => Ok(Address::Tcp(address)),
                Err(_) => Err(AddressError(text.to_owned())),
            },
        }
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Address, AddressError> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is no address: write 127.0.0.1:8080, [::1]:8080 or unix:/path",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for AddressError {}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address)
    }
}

/// Who is at the other end of a connection.
///
/// ```
/// use socketserver::Peer;
/// use std::net::SocketAddr;
///
/// let address: SocketAddr = "192.0.2.7:4711".parse().unwrap();
/// let peer = Peer::from(address);
/// assert_eq!(peer.to_string(), "192.0.2.7:4711");
/// assert_eq!(peer.ip(), Some(address.ip()));
/// assert_eq!(Peer::Unix.ip(), None);
/// ```
// Every connection keeps one: IPv6 addresses are boxed, so that the common case costs 16 bytes
// and not 32.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// Over IPv4.
    V4(SocketAddrV4),
    /// Over IPv6.
    V6(Box<SocketAddrV6>),
    /// Over a Unix socket, whose clients have no name.
    Unix,
    /// Nobody: the other end of a connection that could not be made because the name of the host
    /// has led to no address.
    Unresolved,
}

impl Peer {
    /// The peer's IP address, if it has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::V4(address) => Some((*address.ip()).into()),
            Peer::V6(address) => Some((*address.ip()).into()),
            Peer::Unix | Peer::Unresolved => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        match address {
            SocketAddr::V4(address) => Peer::V4(address),
            SocketAddr::V6(address) => Peer::V6(Box::new(address)),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::V4(address) => address.fmt(f),
            Peer::V6(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
            Peer::Unresolved => f.write_str("unresolved"),
        }
    }
}
