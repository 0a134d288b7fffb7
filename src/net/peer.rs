//! Who is at the other end. Knows how peers are named; no socket.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};

/// Who is at the other end of a connection, or who sent a datagram.
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
/// assert_eq!(Peer::unix_named("/run/client.sock").to_string(), "unix:/run/client.sock");
/// ```
// Every connection keeps one: IPv6 addresses and paths are boxed, so that the common case costs
// 16 bytes and not 32.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// Over IPv4.
    V4(SocketAddrV4),
    /// Over IPv6.
    V6(Box<SocketAddrV6>),
    /// Over a Unix socket without a name: all clients of stream sockets, and senders of datagrams
    /// that did not bind their socket. Nobody can send a datagram to these.
    Unix,
    /// Over a Unix socket that is bound to this path. In Linux' abstract namespace the name
    /// begins with a zero byte (unix(7)).
    UnixNamed(Box<PathBuf>),
    /// Nobody: the other end of a connection that could not be made because the name of the host
    /// has led to no address.
    Unresolved,
}

impl Peer {
    /// The peer at a Unix socket that is bound to `path`.
    pub fn unix_named(path: impl Into<PathBuf>) -> Peer {
        Peer::UnixNamed(Box::new(path.into()))
    }

    /// The peer's IP address, if it has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::V4(address) => Some((*address.ip()).into()),
            Peer::V6(address) => Some((*address.ip()).into()),
            Peer::Unix | Peer::UnixNamed(_) | Peer::Unresolved => None,
        }
    }

    /// Whom to hold responsible, for limits to what one peer may have: its IPv4 address; of an IPv6
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
    /// assert_eq!(Peer::Unix.subscriber(), None);
    /// ```
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
        match address {
            SocketAddr::V4(address) => Peer::V4(address),
            SocketAddr::V6(address) => match address.ip().to_ipv4_mapped() {
                Some(ip) => Peer::V4(SocketAddrV4::new(ip, address.port())),
                None => Peer::V6(Box::new(address)),
            },
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::V4(address) => address.fmt(f),
            Peer::V6(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
            Peer::UnixNamed(path) => write!(f, "unix:{}", one_line(path)),
            Peer::Unresolved => f.write_str("unresolved"),
        }
    }
}

/// Peers choose their names: what goes into a log must not look like two records. A zero byte
/// in front is written as `@`, as the system's tools do.
fn one_line(path: &Path) -> String {
    let text = path.to_string_lossy();
    match text.strip_prefix('\0') {
        Some(name) => format!("@{}", name.escape_debug()),
        None => text.escape_debug().to_string(),
    }
}
