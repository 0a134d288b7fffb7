//! Whom to connect to. Knows how that is written; looks nothing up.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::net::address::{Address, AddressError};

/// Whom to connect to: an [`Address`] of connections, or the name of a host and a port, which is
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let error = match text.parse() {
            Ok(address) => return Ok(Destination::Address(address)),
            Err(error) => error,
        };
        match text.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
            Some((name, Ok(port))) if is_host_name(name) => {
                Ok(Destination::Host { name: name.into(), port })
            }
            _ => Err(error),
        }
    }
}

/// Whether it may be the name of a host (RFC 1123, section 2.1); `_` is common, though it is
/// not allowed.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // What looks like a number is an address that was mistyped, not a name.
    let looks_numeric =
        name.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253
        && !looks_numeric
        && name.strip_suffix('.').unwrap_or(name).split('.').all(is_label)
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
