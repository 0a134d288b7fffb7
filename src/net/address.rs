//! The addresses of servers, and their text. Opens no socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{fmt, str};

/// An address of a socket, and the kind of the socket. With port 0 the system chooses a port, which
/// [`Server::addresses`](crate::Server::addresses) returns.
///
/// | text | kind |
/// |---|---|
/// | `127.0.0.1:8080`, `[::1]:8080` | TCP |
/// | `unix:/path` | a stream socket in the file system |
/// | `unix:@name` | a stream socket in the abstract namespace of Linux (unix(7)), without a file |
/// | `seqpacket:/path` | a socket of sequenced packets in the file system |
/// | `udp:127.0.0.1:7007`, `udp:[::1]:7007` | UDP |
/// | `unixgram:/path` | a datagram socket in the file system |
///
/// `seqpacket:@name` and `unixgram:@name` work as well. The path of an abstract name begins with a
/// zero byte instead of the `@`; the file `@name` is `unix:./@name`.
///
/// ```
/// use socketserver::Address;
/// use std::path::Path;
///
/// let address: Address = "[::1]:8080".parse()?;
/// assert_eq!(address.to_string(), "[::1]:8080");
/// assert_eq!("unix:/run/web.sock".parse::<Address>()?.to_string(), "unix:/run/web.sock");
/// assert_eq!("unix:@web".parse::<Address>()?, Address::from(Path::new("\0web")));
/// assert_eq!("unix:@web".parse::<Address>()?.to_string(), "unix:@web");
/// assert!("udp:127.0.0.1:7007".parse::<Address>()?.is_datagram());
/// assert!("localhost".parse::<Address>().is_err());
/// # Ok::<(), socketserver::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// for a [`Handler`](crate::Handler) that keep the boundaries of packets. Linux and the BSDs
    /// have them.
    ///
    /// * Each call of [`on_data`](crate::Handler::on_data) receives one packet. The unused rest of
    ///   a packet is dropped, unless the handler has paused or upgraded the connection, or
    ///   [is done](crate::Context::is_done): then the rest is offered again, alone. A
    ///   [`Protocol`](crate::Protocol) works if each of its messages lies within one packet.
    /// * The output of one call of the handler is one packet; so is each
    ///   [`send`](crate::Context::send), [`forward`](crate::Context::forward) and published
    ///   message. Queued packets stay separate. Empty ones are not sent.
    /// * A received packet has at most 64 KiB; a longer one ends the connection with
    ///   [`Close::InputLimit`](crate::Close::InputLimit). A sent packet must fit into the system's
    ///   send buffer; a longer one ends the connection with
    ///   [`Close::PacketTooLong`](crate::Close::PacketTooLong).
    /// * An empty packet is the end of the input, because the system reports both alike (recv(2)).
    SeqPacket(PathBuf),
}

impl Address {
    /// Returns true for an address of datagrams, which needs a
    /// [`DatagramHandler`](crate::DatagramHandler), and false for an address of connections, which
    /// needs a [`Service`](crate::Service).
    #[must_use]
    pub fn is_datagram(&self) -> bool {
        match self {
            Address::Tcp(_) | Address::Unix(_) | Address::SeqPacket(_) => false,
            Address::Udp(_) | Address::UnixGram(_) => true,
        }
    }
}

/// The error for an invalid address. Its text is one line with the problem and a correct form.
///
/// ```
/// use socketserver::{Destination, Listen};
///
/// let error = "localhost".parse::<Listen>().unwrap_err();
/// assert_eq!(error.to_string(), "'localhost' has no port: write localhost:8080");
/// let error = "127.0.0.1:99999".parse::<Destination>().unwrap_err();
/// assert_eq!(error.to_string(), "'127.0.0.1:99999' has a port above 65535");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    given: String,
    problem: Problem,
}

/// The problem of an address. Some have a hint for the message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Empty(&'static str),
    NoPort(String),
    PortTooLarge,
    OnlyNumber,
    NoPath,
    /// Of an abstract address.
    NoName,
    /// A path with a zero byte, which ends a path for the system.
    Zero,
    /// A name where only IP addresses are valid.
    Name,
    ForDatagrams(&'static str),
    /// A network with an address inside of it; with its own.
    InNetwork(String),
    /// Of reliable datagrams.
    Rdm(&'static str),
    Unknown(&'static str),
}

/// The hint for an invalid address.
const FORMS: &str = "write 127.0.0.1:8080, [::1]:8080 or unix:/path (or udp:ADDR, unixgram:/path, \
                     seqpacket:/path)";
/// The problem of an address of reliable datagrams, which Python has a name for.
const NO_RDM: &str = "no system has SOCK_RDM for IP or Unix sockets";

/// The hint for an abstract address where there are none.
const NO_ABSTRACT: &str = "only Linux has abstract names: write ./@NAME for a file";

/// Linux has names of Unix sockets without files.
const HAS_ABSTRACT_NAMES: bool = cfg!(target_os = "linux");

impl AddressError {
    /// Finds the problem of `given`. `forms` is the hint if it is of no known form.
    pub(crate) fn new(given: &str, forms: &'static str) -> AddressError {
        let problem = match given.split_once(':') {
            _ if given.trim().is_empty() => Problem::Empty(forms),
            Some(("unix" | "unixgram" | "seqpacket", "")) => Problem::NoPath,
            Some(("unix" | "unixgram" | "seqpacket", "@")) => Problem::NoName,
            Some(("unix" | "unixgram" | "seqpacket", path)) if path.contains('\0') => Problem::Zero,
            Some(("unix" | "unixgram" | "seqpacket", _)) => Problem::Unknown(NO_ABSTRACT),
            Some(("rdm", _)) => Problem::Rdm(forms),
            Some(("udp", rest)) => problem_of(rest, Problem::Name, forms),
            _ => problem_of(given, Problem::Unknown(forms), forms),
        };
        AddressError { given: given.to_owned(), problem }
    }

    /// Returns the error for a text in none of these forms, which have no port.
    pub(crate) fn without_port(given: &str, forms: &'static str) -> AddressError {
        AddressError { given: given.to_owned(), problem: Problem::Unknown(forms) }
    }

    /// Returns the error for an address with the length of the prefix of a network, `better`.
    pub(crate) fn in_network(given: &str, better: String) -> AddressError {
        AddressError { given: given.to_owned(), problem: Problem::InNetwork(better) }
    }

    /// Returns the error for an address of datagrams where only connections are possible.
    pub(crate) fn for_datagrams(given: &str, forms: &'static str) -> AddressError {
        AddressError { given: given.to_owned(), problem: Problem::ForDatagrams(forms) }
    }
}

/// Finds the problem of an IP address and a port, or of a host and a port. Returns `with_name` if
/// it is a name with a valid port.
fn problem_of(text: &str, with_name: Problem, forms: &'static str) -> Problem {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number(text) {
        return Problem::OnlyNumber;
    }
    match text.parse() {
        Ok(IpAddr::V4(ip)) => return Problem::NoPort(format!("{ip}:8080")),
        Ok(IpAddr::V6(ip)) => return Problem::NoPort(format!("[{ip}]:8080")),
        Err(_) => {}
    }
    match text.rsplit_once(':') {
        None if is_host_name(text) => Problem::NoPort(format!("{text}:8080")),
        Some((host, "")) if is_host(host) => Problem::NoPort(format!("{host}:8080")),
        Some((host, port)) if is_host(host) && is_number(port) => match port.parse::<u16>() {
            Ok(_) => with_name,
            Err(_) => Problem::PortTooLarge,
        },
        _ => Problem::Unknown(forms),
    }
}

fn is_host(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let is_v6 = inside.is_some_and(|inside| inside.parse::<Ipv6Addr>().is_ok());
    is_v6 || text.parse::<Ipv4Addr>().is_ok() || is_host_name(text)
}

/// Returns true if `name` may be the name of a host (RFC 1123, section 2.1). Allows `_` as well,
/// which is common.
pub(crate) fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // A name whose last label is a number is a mistyped address.
    let looks_numeric =
        name.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    // An option of a command line that is misspelt, or in the wrong place.
    let looks_like_option = name.starts_with('-');
    name.len() <= 253
        && !looks_like_option
        && !looks_numeric
        && name.strip_suffix('.').unwrap_or(name).split('.').all(is_label)
}

impl str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let error = || AddressError::new(text, FORMS);
        let inet = |text: &str| text.parse::<SocketAddr>().map_err(|_| error());
        let path = |text: &str| match text.strip_prefix('@') {
            None if text.is_empty() || text.contains('\0') => Err(error()),
            None => Ok(PathBuf::from(text)),
            // Without a name the system would choose one.
            Some(name) if name.is_empty() || !HAS_ABSTRACT_NAMES => Err(error()),
            Some(name) => Ok(PathBuf::from(format!("\0{name}"))),
        };
        // An IPv6 address begins with a bracket, an IPv4 address has no colon before its port.
        match text.split_once(':') {
            Some(("unix", rest)) => path(rest).map(Address::Unix),
            Some(("unixgram", rest)) => path(rest).map(Address::UnixGram),
            Some(("seqpacket", rest)) => path(rest).map(Address::SeqPacket),
            Some(("udp", rest)) => inet(rest).map(Address::Udp),
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
            Address::Unix(path) => write!(f, "unix:{}", Name(path)),
            Address::Udp(address) => write!(f, "udp:{address}"),
            Address::UnixGram(path) => write!(f, "unixgram:{}", Name(path)),
            Address::SeqPacket(path) => write!(f, "seqpacket:{}", Name(path)),
        }
    }
}

/// The text of a path, or of an abstract name.
struct Name<'a>(&'a Path);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string_lossy();
        match text.strip_prefix('\0') {
            Some(name) => write!(f, "@{name}"),
            None if text.starts_with('@') => write!(f, "./{text}"),
            None => f.write_str(&text),
        }
    }
}

/// Returns true for the path of an abstract name, which has no file.
pub(crate) fn is_abstract(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().first() == Some(&0)
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.given.escape_debug();
        match &self.problem {
            Problem::Empty(forms) => write!(f, "the address is empty: {forms}"),
            Problem::NoPort(better) => {
                write!(f, "'{given}' has no port: write {}", better.escape_debug())
            }
            Problem::PortTooLarge => write!(f, "'{given}' has a port above 65535"),
            Problem::OnlyNumber => {
                write!(f, "'{given}' has no IP address: write 127.0.0.1:PORT or 0.0.0.0:PORT")
            }
            Problem::NoPath => write!(f, "'{given}' has no path: write {given}/path"),
            Problem::NoName => write!(f, "'{given}' has no name: write {given}NAME"),
            Problem::Zero => {
                write!(
                    f,
                    "'{given}' has a zero byte: write unix:/path, or unix:@NAME without a file"
                )
            }
            Problem::Name => write!(f, "'{given}' has a name: write its IP address"),
            Problem::ForDatagrams(forms) => {
                write!(f, "'{given}' is for datagrams, which have no connections: {forms}")
            }
            Problem::InNetwork(better) => {
                write!(f, "'{given}' has bits after the prefix: write {better}, or one address")
            }
            Problem::Rdm(forms) => write!(f, "'{given}' is not an address: {NO_RDM}: {forms}"),
            Problem::Unknown(forms) => write!(f, "'{given}' is not an address: {forms}"),
        }
    }
}

impl std::error::Error for AddressError {}

/// As `InvalidInput`.
impl From<AddressError> for std::io::Error {
    fn from(error: AddressError) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
    }
}

/// A stream socket in the file system.
impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Address {
        Address::Unix(path)
    }
}

/// A stream socket in the file system.
impl From<&Path> for Address {
    fn from(path: &Path) -> Address {
        Address::Unix(path.to_owned())
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address)
    }
}
