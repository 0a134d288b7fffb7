//! The other end of a connection to be made. Knows how that is written; looks nothing up.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::net::address::{Address, AddressError, is_host_name};

/// The other end of a connection to be made: an [`Address`] of connections, or the name of a host and a port, which is
/// looked up when it is connected to.
///
/// ```
/// use socketserver::Destination;
///
/// for text in ["127.0.0.1:8080", "[::1]:8080", "unix:/run/web.sock", "localhost:8080"] {
///     assert_eq!(text.parse::<Destination>()?.to_string(), text);
/// }
/// assert!("localhost".parse::<Destination>().is_err()); // no port
/// # Ok::<(), socketserver::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Destination {
    /// Somewhere without a name to look up.
    Address(Address),
    /// A host by its name: every address it has is tried, in the system's order.
    Host {
        /// The host's name.
        name: Box<str>,
        /// The TCP port.
        port: u16,
    },
}

impl FromStr for Destination {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Destination, AddressError> {
        match Destination::parse(text) {
            Some(Destination::Address(address)) if address.is_datagram() => {
                Err(AddressError::for_datagrams(text, FORMS))
            }
            Some(destination) => Ok(destination),
            None => Err(AddressError::new(text, FORMS)),
        }
    }
}

/// What to write for a destination.
const FORMS: &str = "write HOST:8080, 127.0.0.1:8080, [::1]:8080, unix:/path or seqpacket:/path";

impl Destination {
    /// Reads an address of any kind, or the name of a host and a port.
    pub(crate) fn parse(text: &str) -> Option<Destination> {
        if let Ok(address) = text.parse() {
            return Some(Destination::Address(address));
        }
        let (name, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        is_host_name(name).then(|| Destination::Host { name: name.into(), port })
    }
}

impl TryFrom<&str> for Destination {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Destination, AddressError> {
        text.parse()
    }
}

impl From<Address> for Destination {
    fn from(address: Address) -> Destination {
        Destination::Address(address)
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Destination {
        Destination::Address(address.into())
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Address(address) => address.fmt(f),
            Destination::Host { name, port } => write!(f, "{name}:{port}"),
        }
    }
}
