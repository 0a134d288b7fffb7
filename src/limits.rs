//! Every bound of a server in one place. Knows numbers only.

use std::str::FromStr;
use std::time::Duration;
use std::{error, fmt};

use crate::setters::setters;

/// The output for which every peer has room, in bytes. More may wait in the system until the peer
/// has read, and a reset would destroy it there. Linux' smallest receive buffer is 2,304 bytes,
/// half of them for its own use (tcp(7), `tcp_adv_win_scale`).
pub(crate) const SMALLEST_ROOM: u64 = 1024;

/// Every bound of a server, with its unit, its default, and the origin of the default.
///
/// Limits of a single protocol, such as those of the head and body of an HTTP request, belong to
/// that protocol.
///
/// ```
/// use socketserver::Limits;
/// use std::time::Duration;
///
/// let limits = Limits::default().idle(Some(Duration::from_secs(5)));
/// assert!(limits.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most connections open at once, with those that handlers make and those for which a
    /// service has [reserved](crate::Service::places) places. At this number the server stops
    /// accepting: new connections wait in the listen queue until others end. An idle one whose
    /// handler permits it ends for each that waits: see
    /// [`on_crowded`](crate::Handler::on_crowded). Connections of a service with
    /// [places of its own](crate::Service::own_places) may come on top. Default 65,536; fewer if
    /// the process may not have that many descriptors. In
    /// [`Mode::Processes`](crate::Mode::Processes) this is the limit of each worker process, and so
    /// are all others.
    pub connections: usize,
    /// The most connections of one peer open at once; further ones are accepted and closed. A peer
    /// is identified by [`Peer::subscriber`](crate::Peer::subscriber), for all listeners together;
    /// connections over Unix sockets are not counted. Default `None`, no limit, because many people
    /// may share an address (nginx `limit_conn`, off as well).
    pub connections_per_peer: Option<usize>,
    /// The most connections that wait in the kernel to be accepted, per listener. The kernel
    /// reduces it to its own maximum (`net.core.somaxconn`). Default 4,096, the maximum of Linux;
    /// Python's 5 resets clients under any load.
    pub listen_queue: u32,
    /// The most connections accepted from one listener in one turn, so that a flood of new
    /// connections does not starve the existing ones. Default 64 (nginx 1 or all, HAProxy 4, Redis
    /// 10 to 1,000).
    pub accept_burst: usize,
    /// The most bytes read from one connection, or received by one datagram socket, in one turn. A
    /// connection with more input then waits until all others with events were served. One such
    /// connection is served each turn, and one more for each 64 with events: however many peers
    /// send without a pause, they delay others by the budget of one. Default 64 KiB, one read.
    pub read_budget: usize,
    /// The longest datagram, in bytes; a longer one is dropped, never truncated. Default 256 KiB:
    /// more than UDP can carry, and more than Unix senders send by default
    /// (`net.core.wmem_default`).
    pub datagram: usize,
    /// The most bytes of input kept for a handler that has not used them yet. With more,
    /// [`on_reject`](crate::Handler::on_reject) is called and the connection ends. Default 64 KiB
    /// (asyncio's stream limit).
    pub pending_input: usize,
    /// The low watermark, in bytes. When the output of a connection's own handler has fallen to it,
    /// the connection is read again, and [`on_drain`](crate::Handler::on_drain) tells the handler.
    /// A connection that [forwards](crate::Context::forward) to another one is read again when the
    /// total output of that one has fallen to it. Default 32 KiB (Netty).
    pub output_low: usize,
    /// The high watermark, in bytes. A connection with this much unsent output of its own handler
    /// is not read, and its handler sees [`is_done`](crate::Context::is_done). Output that other
    /// connections send, forward or publish to it never pauses its input. A connection that
    /// forwards to one with this much output is paused. Default 64 KiB (Netty, asyncio).
    pub output_high: usize,
    /// The hard limit of output, in bytes. A connection with more unsent output of its own handler
    /// is closed as a slow consumer when the handler writes more. One with more output of any
    /// origin is closed when other connections send more. A single write may have any size if the
    /// output before it is below the limit. Datagrams are dropped when more output waits for their
    /// socket. Default 1 MiB.
    pub output_hard: usize,
    /// The policy that replaces closing if the additional output was published to a topic. Default:
    /// close as well.
    pub slow_consumer: SlowConsumer,
    /// The number of threads that do the work that handlers [offload](crate::Context::offload), in
    /// modes without workers of their own. They start with the first work. Default 4 (libuv).
    pub offload_workers: usize,
    /// How long a call of a handler or a service may hold the loop. Longer calls are counted and
    /// logged: at first with the connection only if the turn served just one; for 60 s from then
    /// on, each call is timed separately. `None` saves the reading of the clock at the end of each
    /// turn. Default 100 ms (asyncio's `slow_callback_duration`; Redis' `slowlog` 10 ms).
    pub slow_call: Option<Duration>,
    /// The time to make an outgoing connection, over all addresses of a name. Default 10 s (curl
    /// 300 s, HAProxy's examples 5 s).
    pub connect: Option<Duration>,
    /// The time in which a new connection must send its first byte. Default 60 s (nginx
    /// `client_header_timeout`).
    pub first_byte: Option<Duration>,
    /// The time in which a message must become complete, counted from its first byte and not
    /// extended by further ones. Of a message that a protocol delivers in pieces, as HTTP does with
    /// bodies, each piece counts. After this time, [`on_reject`](crate::Handler::on_reject) is
    /// called, and the connection ends. Default 30 s (Apache `RequestReadTimeout` 20 to 40 s).
    pub message: Option<Duration>,
    /// How long a connection may be idle. Default 75 s (nginx `keepalive_timeout`).
    pub idle: Option<Duration>,
    /// How long a peer may accept no output. Default 60 s (nginx `send_timeout`).
    pub write_stall: Option<Duration>,
    /// How long a connection that the server has closed waits for the next byte of its peer, or for
    /// the end. Its input is discarded, so that a reset does not destroy the last answer (RFC 9112,
    /// section 9.6). Also, how long input that has arrived is still offered to the handler after a
    /// write has failed. Default 5 s (nginx `lingering_timeout`).
    pub linger: Duration,
    /// How long a closed connection may linger in all, whatever its peer sends. Default 30 s (nginx
    /// `lingering_time`).
    pub linger_total: Duration,
    /// The most bytes offered to the handler after a write has failed. Lingering is limited by time
    /// only. Default 256 KiB.
    pub linger_bytes: usize,
    /// How long a server serves on after a stop was requested, as if it was not, so that whatever
    /// sends it connections learns of the stop first: see
    /// [`ServerHandle::is_stopping`](crate::ServerHandle::is_stopping). A second signal and
    /// [`ServerHandle::abort`](crate::ServerHandle::abort) end the delay and the server. Default 0:
    /// only a load balancer needs it (Kubernetes' `preStop` hook).
    pub drain_delay: Duration,
    /// How long a stopping server waits for its connections to end. Default 30 s.
    pub drain: Duration,
}

setters!(Limits {
    connections: usize,
    connections_per_peer: Option<usize>,
    listen_queue: u32,
    accept_burst: usize,
    read_budget: usize,
    datagram: usize,
    pending_input: usize,
    output_low: usize,
    output_high: usize,
    output_hard: usize,
    slow_consumer: SlowConsumer,
    offload_workers: usize,
    slow_call: Option<Duration>,
    connect: Option<Duration>,
    first_byte: Option<Duration>,
    message: Option<Duration>,
    idle: Option<Duration>,
    write_stall: Option<Duration>,
    linger: Duration,
    linger_total: Duration,
    linger_bytes: usize,
    drain_delay: Duration,
    drain: Duration,
});

/// The policy for a member of a topic that reads more slowly than others publish, once its output
/// is above [`Limits::output_hard`].
///
/// Only published bytes are ever dropped, and only those of entire calls of
/// [`publish`](crate::Context::publish). Output of a handler to its own peer arrives, or the
/// connection ends. Nothing marks the place of dropped messages, so a peer that must know what it
/// has missed needs numbers in them, or [`Close`](SlowConsumer::Close).
///
/// Written as text it is `close`, `drop-newest` or `drop-oldest`:
///
/// ```
/// use socketserver::SlowConsumer;
///
/// assert_eq!("drop-oldest".parse(), Ok(SlowConsumer::DropOldest));
/// assert_eq!(SlowConsumer::Close.to_string(), "close");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// Closes the member, which may reconnect and start afresh (Redis, NATS).
    #[default]
    Close,
    /// Drops the new message, and keeps those that wait (ZeroMQ).
    DropNewest,
    /// Drops the messages that have waited longest, and keeps the new one.
    DropOldest,
}

impl fmt::Display for SlowConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SlowConsumer::Close => "close",
            SlowConsumer::DropNewest => "drop-newest",
            SlowConsumer::DropOldest => "drop-oldest",
        })
    }
}

impl FromStr for SlowConsumer {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<SlowConsumer, OptionError> {
        match text {
            "close" => Ok(SlowConsumer::Close),
            "drop-newest" => Ok(SlowConsumer::DropNewest),
            "drop-oldest" => Ok(SlowConsumer::DropOldest),
            _ => Err(OptionError::new(text, "close, drop-newest, drop-oldest")),
        }
    }
}

/// The text of a [`SlowConsumer`] or a [`Mode`](crate::Mode) that could not be understood. Says in
/// one line which texts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError {
    given: String,
    expected: &'static str,
}

impl OptionError {
    pub(crate) fn new(given: &str, expected: &'static str) -> OptionError {
        OptionError { given: given.to_owned(), expected }
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not one of {}", self.given.escape_debug(), self.expected)
    }
}

impl error::Error for OptionError {}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 65_536,
            connections_per_peer: None,
            listen_queue: 4096,
            accept_burst: 64,
            read_budget: 64 * 1024,
            datagram: 256 * 1024,
            pending_input: 64 * 1024,
            output_low: 32 * 1024,
            output_high: 64 * 1024,
            output_hard: 1024 * 1024,
            slow_consumer: SlowConsumer::Close,
            offload_workers: 4,
            slow_call: Some(Duration::from_millis(100)),
            connect: Some(Duration::from_secs(10)),
            first_byte: Some(Duration::from_secs(60)),
            message: Some(Duration::from_secs(30)),
            idle: Some(Duration::from_secs(75)),
            write_stall: Some(Duration::from_secs(60)),
            linger: Duration::from_secs(5),
            linger_total: Duration::from_secs(30),
            linger_bytes: 256 * 1024,
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Checks that these limits are consistent. A server refuses to start with limits that are not.
    ///
    /// # Errors
    ///
    /// Returns one line that names the field and the condition.
    ///
    /// ```
    /// use socketserver::Limits;
    ///
    /// let limits = Limits::default().output_low(2).output_high(1);
    /// assert_eq!(limits.check(), Err("output_low must be less than output_high"));
    /// ```
    pub fn check(&self) -> Result<(), &'static str> {
        let rules = [
            (self.connections > 0, "connections must be at least 1"),
            (self.connections <= 1 << 24, "connections must be at most 16,777,216"),
            (
                self.connections_per_peer != Some(0),
                "connections_per_peer must be at least 1, or None",
            ),
            (self.listen_queue > 0, "listen_queue must be at least 1"),
            (self.accept_burst > 0, "accept_burst must be at least 1"),
            (self.offload_workers > 0, "offload_workers must be at least 1"),
            (self.read_budget > 0, "read_budget must be at least 1"),
            (self.datagram > 0, "datagram must be at least 1"),
            (self.datagram <= 1 << 30, "datagram must be at most 1 GiB"),
            (self.pending_input > 0, "pending_input must be at least 1"),
            (self.pending_input <= 1 << 30, "pending_input must be at most 1 GiB"),
            (self.output_high <= 1 << 30, "output_high must be at most 1 GiB"),
            (self.output_low < self.output_high, "output_low must be less than output_high"),
            (self.output_high <= self.output_hard, "output_high must be at most output_hard"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(rule),
            None => Ok(()),
        }
    }
}
