//! A network of IP addresses, or all peers of Unix sockets, and its text. Knows no socket.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::net::address::AddressError;
use crate::net::peer::Peer;

/// A set of peers: a network of IP addresses, or all peers of Unix sockets.
///
/// Written as text it is `10.0.0.0/8`, `2001:db8::/32`, one address, or `unix`. The bits after the
/// prefix must be zero, so that a mistake in the length shows.
///
/// ```
/// use socketserver::{Peer, Subnet};
///
/// let office: Subnet = "10.1.0.0/16".parse()?;
/// assert!(office.contains(&"10.1.2.3:4711".parse::<Peer>()?));
/// assert!(!office.contains(&"10.2.2.3:4711".parse::<Peer>()?));
/// assert_eq!(office.to_string(), "10.1.0.0/16");
/// assert_eq!("::1".parse::<Subnet>()?.to_string(), "::1/128");
/// assert!("unix".parse::<Subnet>()?.contains(&Peer::unix()));
/// assert!("10.1.0.0/8".parse::<Subnet>().is_err());
/// # Ok::<(), socketserver::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subnet(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// Addresses with the first `len` bits of `start`; IPv4 addresses as mapped ones.
    Ip {
        start: u128,
        len: u32,
    },
    Unix,
}

impl Subnet {
    /// Returns true if the address of `peer` belongs to the network.
    #[must_use]
    pub fn contains(&self, peer: &Peer) -> bool {
        match (&self.0, peer.ip()) {
            // `::/0` is a network of IPv6 addresses only.
            (Kind::Ip { len, .. }, Some(IpAddr::V4(_))) if *len < MAPPED => false,
            (Kind::Ip { start, len }, Some(ip)) => bits(ip) & mask(*len) == *start,
            (Kind::Unix, None) => peer.is_unix(),
            _ => false,
        }
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn mask(len: u32) -> u128 {
    u128::MAX.checked_shl(128 - len).unwrap_or(0)
}

/// The bits before an IPv4 address in a mapped one.
const MAPPED: u32 = 96;

/// The hint for an invalid network.
const FORMS: &str = "write 10.0.0.0/8, 2001:db8::/32, 127.0.0.1, ::1 or unix";

impl FromStr for Subnet {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Subnet, AddressError> {
        if text == "unix" {
            return Ok(Subnet(Kind::Unix));
        }
        let (ip, len) = parse(text).ok_or_else(|| AddressError::without_port(text, FORMS))?;
        let start = bits(ip) & mask(len);
        let network = Subnet(Kind::Ip { start, len });
        match start == bits(ip) {
            true => Ok(network),
            false => Err(AddressError::in_network(text, network.to_string())),
        }
    }
}

/// Returns the address, and the length of the prefix in a mapped one.
fn parse(text: &str) -> Option<(IpAddr, u32)> {
    let (ip, len) = match text.split_once('/') {
        Some((ip, len)) => (ip, Some(len)),
        None => (text, None),
    };
    let ip: IpAddr = ip.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let len = match len {
        // A length has neither a sign nor a leading zero.
        Some(len) if !len.starts_with(['+', '0']) || len == "0" => len.parse().ok()?,
        Some(_) => return None,
        None => most,
    };
    (len <= most).then_some((ip, 128 - most + len))
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kind::Ip { start, len } = self.0 else { return f.write_str("unix") };
        let ip = Ipv6Addr::from_bits(start);
        match ip.to_ipv4_mapped() {
            Some(ip) if len >= MAPPED => write!(f, "{ip}/{}", len - MAPPED),
            _ => write!(f, "{ip}/{len}"),
        }
    }
}
