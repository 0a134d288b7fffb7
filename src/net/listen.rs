//! An address with the options of its socket. Knows which options fit which address; opens no
//! socket.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::net::address::{Address, AddressError, is_abstract};
use crate::net::destination::Destination;

/// An [`Address`] with options that are set on its socket before it is bound: see
/// [`ToListen`](crate::ToListen).
///
/// An option that does not fit the address or that the system refuses is an error of
/// [`Server::bind`](crate::Server::bind) and [`Server::listen`](crate::Server::listen): no option
/// is silently ignored. The length of the queue of connections that wait for being accepted is
/// [`Limits::listen_queue`](crate::Limits::listen_queue).
///
/// ```
/// use socketserver::{Address, Listen, Server};
/// use std::time::Duration;
///
/// let address: Address = "127.0.0.1:0".parse().unwrap();
/// let server = Server::bind(Listen::on(address).reuse_port())?;
///
/// let options = Listen::try_from("127.0.0.1:0")
///     .unwrap()
///     .reuse_address(true)
///     .no_delay(true)
///     .keep_alive(Duration::from_secs(60))
///     .recv_buffer(256 * 1024)
///     .send_buffer(256 * 1024);
/// let server = Server::bind(options)?;
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

/// The options of a socket that are set before it is bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SocketOptions {
    pub(crate) reuse_port: bool,
    pub(crate) dual_stack: bool,
    pub(crate) reuse_address: Option<bool>,
    pub(crate) no_delay: Option<bool>,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) user_timeout: Option<Duration>,
    pub(crate) recv_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
    pub(crate) device: Option<String>,
    pub(crate) mode: Option<u32>,
}

/// The probes to a silent peer. Without a time, the system's is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct KeepAlive {
    /// The silence before the first probe. Without it there are no probes.
    pub(crate) idle: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    pub(crate) count: Option<u32>,
}

impl Listen {
    /// Creates an address to listen on, with the default options.
    pub fn on(address: impl Into<Address>) -> Listen {
        Listen::at(Destination::Address(address.into()))
    }

    /// Creates an address to listen on, which may have the name of a host.
    pub(crate) fn at(place: Destination) -> Listen {
        Listen { place, options: SocketOptions::default() }
    }

    /// Returns true for an address of datagrams: see [`Address::is_datagram`].
    #[must_use]
    pub fn is_datagram(&self) -> bool {
        match &self.place {
            Destination::Address(address) => address.is_datagram(),
            Destination::Host { .. } => false,
        }
    }

    /// Shares the port with other sockets of the same user that have this option as well
    /// (`SO_REUSEPORT`, socket(7)): the system distributes new connections and datagrams among
    /// them. For TCP and UDP.
    #[must_use]
    pub fn reuse_port(mut self) -> Listen {
        self.options.reuse_port = true;
        self
    }

    /// Accepts IPv4 peers at an IPv6 address (`IPV6_V6ONLY` off, ipv6(7)); `[::]` then stands for
    /// all addresses of both families. Off by default, on every system. A [`Peer`](crate::Peer)
    /// over IPv4 has an IPv4 address. For TCP and UDP over IPv6.
    ///
    /// ```no_run
    /// use socketserver::{Listen, Server};
    ///
    /// let all = Listen::try_from("[::]:0").unwrap().dual_stack();
    /// let server = Server::bind(all)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn dual_stack(mut self) -> Listen {
        self.options.dual_stack = true;
        self
    }

    /// Binds the port even if old connections are in TIME_WAIT (`SO_REUSEADDR`, socket(7)). On by
    /// default for TCP, so that a server can be restarted; off for datagrams, where another socket
    /// could take over the port. For TCP and UDP. [`Listen`] has an example.
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Listen {
        self.options.reuse_address = Some(on);
        self
    }

    /// Sends small packets at once (`TCP_NODELAY`, tcp(7)). On by default. For TCP. [`Listen`] has
    /// an example.
    #[must_use]
    pub fn no_delay(mut self, on: bool) -> Listen {
        self.options.no_delay = Some(on);
        self
    }

    /// Sends probes to a peer that was silent for `idle`, to detect one that has vanished
    /// (`SO_KEEPALIVE` and `TCP_KEEPIDLE`, tcp(7)). The time is cut to whole seconds, and must be
    /// from 1 to 32,767 s; the system sets the interval and the number of probes, unless
    /// [`keep_alive_interval`](Listen::keep_alive_interval) and
    /// [`keep_alive_count`](Listen::keep_alive_count) do. Off by default, because
    /// [`Limits::idle`](crate::Limits::idle) ends silent connections sooner. Outgoing connections
    /// have it: 45 s, then four probes, 15 s apart. For TCP. [`Listen`] has an example.
    #[must_use]
    pub fn keep_alive(mut self, idle: Duration) -> Listen {
        self.options.keep_alive.idle = Some(idle);
        self
    }

    /// Sets the time between two probes (`TCP_KEEPINTVL`, tcp(7)), cut to whole seconds, from 1 to
    /// 32,767 s. Linux has 75 s. Only with [`keep_alive`](Listen::keep_alive). For TCP.
    ///
    /// ```
    /// use socketserver::{Listen, Server};
    /// use std::time::Duration;
    ///
    /// // A peer that has vanished is detected after 45 s + 4 * 15 s.
    /// let listen = Listen::try_from("127.0.0.1:0")
    ///     .unwrap()
    ///     .keep_alive(Duration::from_secs(45))
    ///     .keep_alive_interval(Duration::from_secs(15))
    ///     .keep_alive_count(4);
    /// let server = Server::bind(listen)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn keep_alive_interval(mut self, interval: Duration) -> Listen {
        self.options.keep_alive.interval = Some(interval);
        self
    }

    /// Sets the number of probes without an answer after which the connection ends with
    /// [`Close::Error`](crate::Close::Error) (`TCP_KEEPCNT`, tcp(7)), from 1 to 127. Linux has 9.
    /// Only with [`keep_alive`](Listen::keep_alive). For TCP.
    /// [`keep_alive_interval`](Listen::keep_alive_interval) has an example.
    #[must_use]
    pub fn keep_alive_count(mut self, count: u32) -> Listen {
        self.options.keep_alive.count = Some(count);
        self
    }

    /// Ends a connection with [`Close::Error`](crate::Close::Error) when the peer has not
    /// acknowledged sent bytes, or answered probes, for this time (`TCP_USER_TIMEOUT`, tcp(7)).
    /// From 1 ms to 2,147,483 s. By default the system sends bytes again for some 15 minutes, and
    /// there are no probes meanwhile. For TCP.
    ///
    /// ```
    /// use socketserver::{Listen, Server};
    /// use std::time::Duration;
    ///
    /// let listen = Listen::try_from("127.0.0.1:0").unwrap();
    /// let server = Server::bind(listen.user_timeout(Duration::from_secs(105)))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn user_timeout(mut self, timeout: Duration) -> Listen {
        self.options.user_timeout = Some(timeout);
        self
    }

    /// Sets the size of the receive buffer of each socket in the kernel (`SO_RCVBUF`, socket(7)),
    /// from 1 byte to 1 GiB. The system cuts it to its own maximum (`net.core.rmem_max`). By
    /// default the system chooses; with this option, Linux does not adapt the buffers of TCP. Not
    /// for `unix:` and `seqpacket:`, whose connections do not inherit it. [`Listen`] has an
    /// example.
    #[must_use]
    pub fn recv_buffer(mut self, bytes: usize) -> Listen {
        self.options.recv_buffer = Some(bytes);
        self
    }

    /// Sets the size of the send buffer, as [`recv_buffer`](Listen::recv_buffer) does for the
    /// receive buffer (`SO_SNDBUF`, `net.core.wmem_max`). A Unix datagram cannot be larger than the
    /// send buffer of its sender. [`Listen`] has an example.
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Listen {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// Accepts only connections and datagrams that arrive at the network device with this name
    /// (`SO_BINDTODEVICE`, socket(7)). For TCP and UDP.
    ///
    /// ```no_run
    /// use socketserver::{Listen, Server};
    ///
    /// let local = Listen::try_from("0.0.0.0:0").unwrap().device("lo");
    /// let server = Server::bind(local)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn device(mut self, name: &str) -> Listen {
        self.options.device = Some(name.to_owned());
        self
    }

    /// Sets the permissions of the file of a Unix socket, regardless of the umask. A peer needs the
    /// right to write to connect or to send. By default the umask decides. At most `0o777`.
    ///
    /// There is no moment with wider permissions: those of a listening socket are set before it
    /// listens, and no peer can connect earlier. For `unixgram:` this holds on Linux, where the
    /// file gets the mode of the unbound socket (less the umask); on other systems, put the file
    /// into a folder with the right permissions. [`Listen`] has an example.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Listen {
        self.options.mode = Some(mode);
        self
    }
}

impl SocketOptions {
    /// Checks that all options fit the address.
    ///
    /// # Errors
    ///
    /// A line that names the option.
    pub(crate) fn check(&self, address: &Address) -> Result<(), &'static str> {
        let (inet, unix) = match address {
            Address::Tcp(inet) | Address::Udp(inet) => (Some(inet), None),
            Address::Unix(path) | Address::UnixGram(path) | Address::SeqPacket(path) => {
                (None, Some(path))
            }
        };
        let is_tcp = matches!(address, Address::Tcp(_));
        let has_buffers = inet.is_some() || address.is_datagram();
        let is_size = |size: Option<usize>| size.is_none_or(|size| (1..=1 << 30).contains(&size));
        let is_probe =
            |time: Option<Duration>| time.is_none_or(|time| (1..=32_767).contains(&time.as_secs()));
        let KeepAlive { idle, interval, count } = self.keep_alive;
        let is_timeout = |time: Duration| (1..=2_147_483_000).contains(&time.as_millis());
        let rules = [
            (!self.reuse_port || inet.is_some(), "reuse_port is for IP addresses"),
            (!self.dual_stack || inet.is_some_and(SocketAddr::is_ipv6), "dual_stack is for IPv6"),
            (self.reuse_address.is_none() || inet.is_some(), "reuse_address is for IP addresses"),
            (self.no_delay.is_none() || is_tcp, "no_delay is for TCP"),
            (idle.is_none() || is_tcp, "keep_alive is for TCP"),
            (is_probe(idle), "keep_alive must be from 1 s to 32,767 s"),
            (interval.is_none() || idle.is_some(), "keep_alive_interval needs keep_alive"),
            (is_probe(interval), "keep_alive_interval must be from 1 s to 32,767 s"),
            (count.is_none() || idle.is_some(), "keep_alive_count needs keep_alive"),
            (count.is_none_or(|n| (1..=127).contains(&n)), "keep_alive_count must be 1 to 127"),
            (self.user_timeout.is_none() || is_tcp, "user_timeout is for TCP"),
            (
                self.user_timeout.is_none_or(is_timeout),
                "user_timeout must be from 1 ms to 2,147,483 s",
            ),
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
            (self.mode.is_none() || unix.is_some(), "mode is for Unix sockets"),
            (
                self.mode.is_none() || !unix.is_some_and(|path| is_abstract(path)),
                "mode is for files, and an abstract name has none",
            ),
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

/// The hint for an invalid address to listen on.
const FORMS: &str = "write 127.0.0.1:8080, [::1]:8080, HOST:8080 or unix:/path (or udp:ADDR, \
                     unixgram:/path, seqpacket:/path)";

/// Parses an [`Address`], or the name of a host and a TCP port (`localhost:8080`), which is looked
/// up when the server binds it. The options are the defaults.
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

/// Writes the address without its options.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}
