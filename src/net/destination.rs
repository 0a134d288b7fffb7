//! The far end of an outgoing connection, and its text. Looks up no name.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::net::address::{Address, AddressError, is_host_name};

/// The far end of an outgoing connection: an [`Address`] of connections, or the name of a host and
/// a port. The server looks the name up when it connects.
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
    /// An address.
    Address(Address),
    /// The name of a host: all its addresses are tried, in the system's order.
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

/// The hint for an invalid destination.
const FORMS: &str = "write HOST:8080, 127.0.0.1:8080, [::1]:8080, unix:/path or seqpacket:/path";

impl Destination {
    /// Parses an address of any kind, or the name of a host and a port.
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
