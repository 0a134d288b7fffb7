//! Where a server listens. Knows how addresses are written; opens nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fmt, str};

/// Where a server listens, and with which kind of socket. Port 0 lets the system choose;
/// [`Server::addresses`](crate::Server::addresses) tells what it chose.
///
/// | written | kind |
/// |---|---|
/// | `127.0.0.1:8080`, `[::1]:8080` | TCP |
/// | `unix:/path` | stream in the file system |
/// | `seqpacket:/path` | connections that keep the boundaries of packets, in the file system |
/// | `udp:127.0.0.1:7007`, `udp:[::1]:7007` | UDP datagrams |
/// | `unixgram:/path` | datagrams in the file system |
///
/// ```
/// use socketserver::Address;
///
/// let address: Address = "[::1]:8080".parse()?;
/// assert_eq!(address.to_string(), "[::1]:8080");
/// assert_eq!("unix:/run/web.sock".parse::<Address>()?.to_string(), "unix:/run/web.sock");
/// assert!("udp:127.0.0.1:7007".parse::<Address>()?.is_datagram());
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
    /// A UDP port of an IPv4 or IPv6 address.
    Udp(SocketAddr),
    /// A datagram socket in the file system.
    UnixGram(PathBuf),
    /// A socket of sequenced packets (`SOCK_SEQPACKET`, unix(7)) in the file system: connections
    /// for a [`Handler`](crate::Handler), with boundaries. Linux and the BSDs have them.
    ///
    /// * Each packet is offered by one [`on_data`](crate::Handler::on_data), alone. What the handler
    ///   leaves of it is dropped, unless it paused, handed over or
    ///   [is done](crate::Context::is_done): then the rest is offered again, alone too. So a
    ///   [`Protocol`](crate::Protocol) finds its messages if none is spread over several packets.
    /// * What one call of the handler writes is one packet; so is each
    ///   [`send`](crate::Context::send), [`forward`](crate::Context::forward) and published
    ///   message. They stay apart while they wait. Empty ones are not sent.
    /// * A packet that comes may be 64 KiB long; a longer one ends its connection with
    ///   [`Close::InputLimit`](crate::Close::InputLimit). One that is sent may be as long as the
    ///   system's send buffer has room for, or its connection ends with
    ///   [`Close::PacketTooLong`](crate::Close::PacketTooLong).
    /// * An empty packet is the end of the input: the system reports both alike (recv(2)).
    SeqPacket(PathBuf),
}

impl Address {
    /// Whether what comes there are datagrams, for a
    /// [`DatagramHandler`](crate::DatagramHandler), and not connections, for a
    /// [`Service`](crate::Service).
    pub fn is_datagram(&self) -> bool {
        match self {
            Address::Tcp(_) | Address::Unix(_) | Address::SeqPacket(_) => false,
            Address::Udp(_) | Address::UnixGram(_) => true,
        }
    }
}

/// A text that is not an address. Prints the text and the forms that are.
///
/// ```
/// use socketserver::Address;
///
/// let error = "localhost".parse::<Address>().unwrap_err();
/// assert!(error.to_string().contains("write 127.0.0.1:8080, [::1]:8080 or unix:/path"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    given: String,
    expected: &'static str,
}

/// What to write for an address.
const FORMS: &str = "write 127.0.0.1:8080, [::1]:8080 or unix:/path (or udp:ADDR, unixgram:/path, \
                     seqpacket:/path)";
/// What to write instead of an address of reliable datagrams, which Python has a name for.
const NO_RDM: &str = "no system has SOCK_RDM for IP or Unix sockets: write udp:ADDR for datagrams, or \
                      unixgram:/path or seqpacket:/path for reliable ones";

impl str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let error = || AddressError { given: text.to_owned(), expected: FORMS };
        let inet = |text: &str| text.parse::<SocketAddr>().map_err(|_| error());
        let path = |text: &str| match text {
            "" => Err(error()),
            path => Ok(PathBuf::from(path)),
        };
        // An IPv6 address begins with a bracket, an IPv4 address has no colon before its port.
        match text.split_once(':') {
            Some(("unix", rest)) => path(rest).map(Address::Unix),
            Some(("unixgram", rest)) => path(rest).map(Address::UnixGram),
            Some(("seqpacket", rest)) => path(rest).map(Address::SeqPacket),
            Some(("udp", rest)) => inet(rest).map(Address::Udp),
            Some(("rdm", _)) => Err(AddressError { expected: NO_RDM, ..error() }),
            _ => inet(text).map(Address::Tcp),
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
            Address::Udp(address) => write!(f, "udp:{address}"),
            Address::UnixGram(path) => write!(f, "unixgram:{}", path.display()),
            Address::SeqPacket(path) => write!(f, "seqpacket:{}", path.display()),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no address: {}", self.given.escape_debug(), self.expected)
    }
}

impl std::error::Error for AddressError {}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address)
    }
}
