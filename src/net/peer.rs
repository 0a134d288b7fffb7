//! The other end of a connection. Knows how peers are named; no socket.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::net::address::AddressError;

/// The other end of a connection, or the sender of a datagram.
///
/// ```
/// use socketserver::Peer;
/// use std::net::SocketAddr;
/// use std::path::Path;
///
/// let address: SocketAddr = "192.0.2.7:4711".parse().unwrap();
/// let peer = Peer::from(address);
/// assert_eq!(peer.to_string(), "192.0.2.7:4711");
/// assert_eq!("192.0.2.7:4711".parse(), Ok(peer.clone()));
/// assert_eq!((peer.ip(), peer.port()), (Some(address.ip()), Some(4711)));
/// assert_eq!(Peer::unix().ip(), None);
///
/// let named = Peer::unix_named("/run/client.sock");
/// assert_eq!(named.to_string(), "unix:/run/client.sock");
/// assert_eq!(named.path(), Some(Path::new("/run/client.sock")));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer(PeerKind);

/// The kinds of peers.
// Every connection keeps one: IPv6 addresses and paths are behind a pointer, so that the common case
// costs 16 bytes and not 32; shared, so that a clone costs no allocation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum PeerKind {
    V4(SocketAddrV4),
    V6(Arc<SocketAddrV6>),
    Unix,
    UnixNamed(Arc<PathBuf>),
    Unresolved,
}

impl Peer {
    /// Returns the peer over a Unix socket without a name: all clients of stream sockets, and
    /// senders of datagrams that did not bind their socket. No datagram can be sent to these.
    #[must_use]
    pub fn unix() -> Peer {
        Peer(PeerKind::Unix)
    }

    /// Returns the peer at a Unix socket that is bound to `path`. In Linux' abstract namespace the
    /// name begins with a zero byte (unix(7)).
    #[must_use]
    pub fn unix_named(path: impl Into<PathBuf>) -> Peer {
        Peer(PeerKind::UnixNamed(Arc::new(path.into())))
    }

    /// Returns the other end of a connection that could not be made because the name of the host
    /// has led to no address.
    pub(crate) fn unresolved() -> Peer {
        Peer(PeerKind::Unresolved)
    }

    pub(crate) fn kind(&self) -> &PeerKind {
        &self.0
    }

    /// Returns the peer's IP address, if it has one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|address| address.ip())
    }

    /// Returns the peer's port, if it has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.socket_addr().map(|address| address.port())
    }

    /// Returns the peer's IP address and port, if it has them.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            PeerKind::V4(address) => Some(SocketAddr::V4(*address)),
            PeerKind::V6(address) => Some(SocketAddr::V6(**address)),
            PeerKind::Unix | PeerKind::UnixNamed(_) | PeerKind::Unresolved => None,
        }
    }

    /// Returns the path that the peer's Unix socket is bound to, if it is.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            PeerKind::UnixNamed(path) => Some(path),
            _ => None,
        }
    }

    /// Returns the address to count by, for limits on what one peer may have: its IPv4 address; of an IPv6
    /// address the first 64 bits, because that is the least that a subscriber gets (RFC 6177,
    /// RFC 7421), and its hosts choose the rest at will. `None` over Unix sockets.
    ///
    /// ```
    /// use socketserver::Peer;
    /// use std::net::SocketAddr;
    ///
    /// let subscriber = |text: &str| Peer::from(text.parse::<SocketAddr>().unwrap()).subscriber();
    /// assert_eq!(subscriber("192.0.2.7:1"), "192.0.2.7".parse().ok());
    /// assert_eq!(subscriber("[2001:db8:0:7:a::1]:1"), "2001:db8:0:7::".parse().ok());
    /// assert_eq!(subscriber("[2001:db8:0:7:ffff::2]:2"), subscriber("[2001:db8:0:7:a::1]:1"));
    /// assert_ne!(subscriber("[2001:db8:0:8::1]:1"), subscriber("[2001:db8:0:7::1]:1"));
    /// assert_eq!(Peer::unix().subscriber(), None);
    /// ```
    #[must_use]
    pub fn subscriber(&self) -> Option<IpAddr> {
        self.ip().map(|ip| match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
        })
    }
}

/// An IPv4 address in the form that an IPv6 socket of both families gives it
/// (`::ffff:192.0.2.7`) is an IPv4 peer: it is the same one, and rules about it must hold.
impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer(match address {
            SocketAddr::V4(address) => PeerKind::V4(address),
            SocketAddr::V6(address) => match address.ip().to_ipv4_mapped() {
                Some(ip) => PeerKind::V4(SocketAddrV4::new(ip, address.port())),
                None => PeerKind::V6(Arc::new(address)),
            },
        })
    }
}

/// What to write for a peer.
const FORMS: &str = "write 127.0.0.1:8080, [::1]:8080, unix or unix:/path";

/// The text that a peer is written as.
impl FromStr for Peer {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Peer, AddressError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        match text.split_once(':') {
            None if text == "unix" => Ok(Peer::unix()),
            Some(("unix", path)) if !path.is_empty() => Ok(match path.strip_prefix('@') {
                Some(name) => Peer::unix_named(format!("\0{name}")),
                None => Peer::unix_named(path),
            }),
            _ => Err(AddressError::new(text, FORMS)),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            PeerKind::V4(address) => address.fmt(f),
            PeerKind::V6(address) => address.fmt(f),
            PeerKind::Unix => f.write_str("unix"),
            PeerKind::UnixNamed(path) => write!(f, "unix:{}", one_line(path)),
            PeerKind::Unresolved => f.write_str("unresolved"),
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({self})")
    }
}

/// Peers choose their names: no part of a log may look like two records. A zero byte
/// in front is written as `@`, as the system's tools do.
fn one_line(path: &Path) -> String {
    let text = path.to_string_lossy();
    match text.strip_prefix('\0') {
        Some(name) => format!("@{}", name.escape_debug()),
        None => text.escape_debug().to_string(),
    }
}
