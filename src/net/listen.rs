//! An address, and what is set on its socket before it is bound. Knows which options fit which
//! address; opens nothing.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::net::address::{Address, AddressError};
use crate::net::destination::Destination;

/// An [`Address`] with what is set on its socket before it is bound:
/// see [`ToListen`](crate::ToListen).
///
/// What does not fit the address, and what the system refuses, are errors of `bind`: no option is
/// silently ignored. How many may wait for being accepted is
/// [`Limits::listen_queue`](crate::Limits::listen_queue).
///
/// ```
/// use socketserver::{Address, Listen, Server};
///
/// let address: Address = "127.0.0.1:0".parse().unwrap();
/// let server = Server::bind(Listen::on(address).reuse_port())?;
///
/// let misfit = Listen::try_from("127.0.0.1:0").unwrap().mode(0o660);
/// let error = Server::bind(misfit).unwrap_err();
/// assert_eq!(error.to_string(), "cannot listen on 127.0.0.1:0: mode is for Unix sockets");
/// assert_eq!("localhost:8080".parse::<Listen>().unwrap().to_string(), "localhost:8080");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    pub(crate) place: Destination,
    pub(crate) options: SocketOptions,
}

/// What is set on a socket before it is bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SocketOptions {
    pub(crate) reuse_port: bool,
    pub(crate) dual_stack: bool,
    pub(crate) reuse_address: Option<bool>,
    pub(crate) no_delay: Option<bool>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) recv_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
    pub(crate) device: Option<String>,
    pub(crate) mode: Option<u32>,
}

impl Listen {
    /// On `address`, with nothing but the defaults.
    pub fn on(address: impl Into<Address>) -> Listen {
        Listen::at(Destination::Address(address.into()))
    }

    /// The same for an address that may have the name of a host.
    pub(crate) fn at(place: Destination) -> Listen {
        Listen { place, options: SocketOptions::default() }
    }

    /// Returns true if it is an address of datagrams: see [`Address::is_datagram`].
    #[must_use]
    pub fn is_datagram(&self) -> bool {
        match &self.place {
            Destination::Address(address) => address.is_datagram(),
            Destination::Host { .. } => false,
        }
    }

    /// Shares the port with others of the same user that say so too (`SO_REUSEPORT`, socket(7)):
    /// the system spreads new connections and datagrams among them. TCP and UDP.
    #[must_use]
    pub fn reuse_port(mut self) -> Listen {
        self.options.reuse_port = true;
        self
    }

    /// Takes IPv4 peers at an IPv6 address too (`IPV6_V6ONLY` off, ipv6(7)); `[::]` is then every
    /// address of both families. By default it is not, on every system. A [`Peer`](crate::Peer)
    /// over IPv4 has an IPv4 address.
    #[must_use]
    pub fn dual_stack(mut self) -> Listen {
        self.options.dual_stack = true;
        self
    }

    /// Takes the port though old connections linger in TIME_WAIT (`SO_REUSEADDR`, socket(7)). On
    /// by default for TCP, so that a server can be restarted; off for datagrams, where it would
    /// let another socket take them away. TCP and UDP.
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Listen {
        self.options.reuse_address = Some(on);
        self
    }

    /// Sends small answers at once (`TCP_NODELAY`, tcp(7)). On by default. TCP.
    #[must_use]
    pub fn no_delay(mut self, on: bool) -> Listen {
        self.options.no_delay = Some(on);
        self
    }

    /// Asks a peer that was silent for `idle` whether it is still there, so that one that
    /// vanished is noticed (`SO_KEEPALIVE` and `TCP_KEEPIDLE`, tcp(7)); how often and how many
    /// times is the system's own setting. Whole seconds, from 1 to 32,767. Off by default:
    /// [`Limits::idle`](crate::Limits::idle) ends silent connections sooner. TCP.
    #[must_use]
    pub fn keep_alive(mut self, idle: Duration) -> Listen {
        self.options.keep_alive = Some(idle);
        self
    }

    /// Asks for so many bytes of receive buffer in the kernel for each socket (`SO_RCVBUF`,
    /// socket(7)), which cuts it to its own maximum (`net.core.rmem_max`). By default the system
    /// chooses; for TCP, Linux then no longer adapts it. Not for `unix:` and `seqpacket:`, whose
    /// connections do not inherit it.
    #[must_use]
    pub fn recv_buffer(mut self, bytes: usize) -> Listen {
        self.options.recv_buffer = Some(bytes);
        self
    }

    /// The same for the send buffer (`SO_SNDBUF`, `net.core.wmem_max`). A Unix datagram can be no
    /// larger than its sender's.
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Listen {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// Takes only what comes through the network device of this name (`SO_BINDTODEVICE`,
    /// socket(7)). TCP and UDP.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn device(mut self, name: &str) -> Listen {
        self.options.device = Some(name.to_owned());
        self
    }

    /// The permissions of a Unix socket's file, whatever the umask: writing is what connecting and
    /// sending need. By default they are what the umask leaves.
    ///
    /// There is no moment with wider permissions: those of a listening socket are set before it
    /// listens, and nobody can connect before. For `unixgram:` this is so on Linux, where the file
    /// gets the mode of the unbound socket (less the umask); elsewhere put the file into a folder
    /// that only the right people may enter.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Listen {
        self.options.mode = Some(mode);
        self
    }
}

impl SocketOptions {
    /// Checks that all that is set fits the address.
    ///
    /// # Errors
    ///
    /// One line that names the option.
    pub(crate) fn check(&self, address: &Address) -> Result<(), &'static str> {
        let (inet, path) = match address {
            Address::Tcp(inet) | Address::Udp(inet) => (Some(inet), false),
            Address::Unix(_) | Address::UnixGram(_) | Address::SeqPacket(_) => (None, true),
        };
        let is_tcp = matches!(address, Address::Tcp(_));
        let has_buffers = inet.is_some() || address.is_datagram();
        let is_size = |size: Option<usize>| size.is_none_or(|size| (1..=1 << 30).contains(&size));
        let is_idle = |idle: Duration| (1..=32_767).contains(&idle.as_secs());
        let rules = [
            (!self.reuse_port || inet.is_some(), "reuse_port is for IP addresses"),
            (!self.dual_stack || inet.is_some_and(SocketAddr::is_ipv6), "dual_stack is for IPv6"),
            (self.reuse_address.is_none() || inet.is_some(), "reuse_address is for IP addresses"),
            (self.no_delay.is_none() || is_tcp, "no_delay is for TCP"),
            (self.keep_alive.is_none() || is_tcp, "keep_alive is for TCP"),
            (self.keep_alive.is_none_or(is_idle), "keep_alive must be from 1 s to 32,767 s"),
            (
                self.recv_buffer.is_none() || has_buffers,
                "recv_buffer is not inherited by connections of Unix sockets",
            ),
            (
                self.send_buffer.is_none() || has_buffers,
                "send_buffer is not inherited by connections of Unix sockets",
            ),
            (is_size(self.recv_buffer), "recv_buffer must be from 1 byte to 1 GiB"),
            (is_size(self.send_buffer), "send_buffer must be from 1 byte to 1 GiB"),
            (self.device.is_none() || inet.is_some(), "device is for IP addresses"),
            (self.device.as_deref() != Some(""), "device must have a name"),
            (self.mode.is_none() || path, "mode is for Unix sockets"),
            (self.mode.is_none_or(|mode| mode <= 0o777), "mode must be at most 0o777"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(rule),
            None => Ok(()),
        }
    }
}

impl From<Address> for Listen {
    fn from(address: Address) -> Listen {
        Listen::on(address)
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Listen {
        Listen::on(address)
    }
}

/// What to write for an address to listen on.
const FORMS: &str = "write 127.0.0.1:8080, [::1]:8080, HOST:8080 or unix:/path (or udp:ADDR, \
                     unixgram:/path, seqpacket:/path)";

/// An [`Address`] as text, or the name of a host and a TCP port (`localhost:8080`), which is looked
/// up when the server binds it. The options are their defaults.
impl FromStr for Listen {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Listen, AddressError> {
        match Destination::parse(text) {
            Some(place) => Ok(Listen::at(place)),
            None => Err(AddressError::new(text, FORMS)),
        }
    }
}

impl TryFrom<&str> for Listen {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Listen, AddressError> {
        text.parse()
    }
}

/// The address, without its options.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}
