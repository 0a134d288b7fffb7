//! The other end of a connection, and its text. Knows no socket.

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
// Every connection keeps a peer. IPv6 addresses and paths are behind a pointer, so that the common
// case takes 16 bytes instead of 32, and are shared, so that a clone does not allocate.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum PeerKind {
    V4(SocketAddrV4),
    V6(Arc<SocketAddrV6>),
    Unix,
    UnixNamed(Arc<PathBuf>),
    Unresolved,
}

impl Peer {
    /// Returns the peer at a Unix socket without a name. This is the peer of every accepted
    /// connection of a Unix socket, and the sender of a datagram whose socket is not bound, to
    /// which no datagram can be sent.
    #[must_use]
    pub fn unix() -> Peer {
        Peer(PeerKind::Unix)
    }

    /// Returns the peer at a Unix socket that is bound to `path`. A name in Linux' abstract
    /// namespace begins with a zero byte (unix(7)).
    #[must_use]
    pub fn unix_named(path: impl Into<PathBuf>) -> Peer {
        Peer(PeerKind::UnixNamed(Arc::new(path.into())))
    }

    /// Returns the other end of a connection that was not established because the host has no
    /// address.
    pub(crate) fn unresolved() -> Peer {
        Peer(PeerKind::Unresolved)
    }

    pub(crate) fn is_unix(&self) -> bool {
        matches!(self.0, PeerKind::Unix | PeerKind::UnixNamed(_))
    }

    pub(crate) fn kind(&self) -> &PeerKind {
        &self.0
    }

    /// Returns the peer's IP address, if it has one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|address| address.ip())
    }

    /// Returns the peer's port, if it has one and it is known: a proxy may name a client without
    /// its port.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.socket_addr().map(|address| address.port()).filter(|port| *port != 0)
    }

    /// Returns the peer's IP address and port, if it has them. An unknown port is 0.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            PeerKind::V4(address) => Some(SocketAddr::V4(*address)),
            PeerKind::V6(address) => Some(SocketAddr::V6(**address)),
            PeerKind::Unix | PeerKind::UnixNamed(_) | PeerKind::Unresolved => None,
        }
    }

    /// Returns the path of the peer's Unix socket, if it is bound to one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            PeerKind::UnixNamed(path) => Some(path),
            _ => None,
        }
    }

    /// Returns the address by which limits for each peer count: an IPv4 address, or the first 64
    /// bits of an IPv6 address. These are the least that a subscriber gets (RFC 6177, RFC 7421);
    /// its hosts choose the rest. Returns `None` for a Unix socket.
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

/// An IPv4-mapped IPv6 address (`::ffff:192.0.2.7`), as an IPv6 socket of both families reports
/// it, becomes an IPv4 peer, so that rules for the IPv4 address hold.
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

/// A peer whose port is not known. Its text is the address alone.
impl From<IpAddr> for Peer {
    fn from(ip: IpAddr) -> Peer {
        SocketAddr::new(ip, 0).into()
    }
}

/// The hint for an invalid peer.
const FORMS: &str = "write 127.0.0.1:8080, [::1]:8080, 127.0.0.1, unix or unix:/path";

/// Parses the text that `Display` writes.
impl FromStr for Peer {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Peer, AddressError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(ip.into());
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
            PeerKind::V4(address) if address.port() == 0 => address.ip().fmt(f),
            PeerKind::V4(address) => address.fmt(f),
            PeerKind::V6(address) if address.port() == 0 => address.ip().fmt(f),
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

/// Escapes a path: peers choose their names, and a name must not look like two log records. A
/// leading zero byte is written as `@`, as the system's tools do.
fn one_line(path: &Path) -> String {
    let text = path.to_string_lossy();
    match text.strip_prefix('\0') {
        Some(name) => format!("@{}", name.escape_debug()),
        // Without the folder it would be read as an abstract name.
        None if text.starts_with('@') => format!("./{}", text.escape_debug()),
        None => text.escape_debug().to_string(),
    }
}
