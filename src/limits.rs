//! Every bound of a server in one place. Knows numbers only.

use std::str::FromStr;
use std::time::Duration;
use std::{error, fmt};

use crate::setters::setters;

/// Every bound of a server: its unit is in the type, its default beside it, and where the
/// default comes from.
///
/// What a protocol limits for itself (the head and body of an HTTP request, say) lives with that
/// protocol.
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
    /// Connections open at once. Above it nobody is accepted: newcomers wait in the listen queue
    /// until somebody leaves. Default 65,536; fewer if the process may not have so many descriptors.
    pub connections: usize,
    /// Connections from one peer open at once; newcomers above it are accepted and closed. A peer is
    /// what [`Peer::subscriber`](crate::Peer::subscriber) says, whichever listener it comes to;
    /// connections over Unix sockets are not counted. `None`: as many as it likes, the default, because many people
    /// may share an address (nginx `limit_conn`, off as well).
    pub connections_per_peer: Option<usize>,
    /// Connections that may wait in the kernel for being accepted, per listener; the kernel cuts
    /// it to its own maximum (`net.core.somaxconn`). Default 4,096, Linux' own maximum; Python's
    /// 5 resets clients under any load.
    pub listen_queue: u32,
    /// Connections accepted from one listener in one turn, so that a flood of newcomers does not
    /// starve the connected. Default 64 (nginx 1 or all, HAProxy 4, Redis 10 to 1,000).
    pub accept_burst: usize,
    /// Bytes read from one connection, or received by one datagram socket, in one turn. The rest waits
    /// behind everybody who has news, and of those who wait so one is served each turn (one more for
    /// each 64 that have news): however many send without a pause, they hold up others by the budget
    /// of one. Default 64 KiB, one read.
    pub read_budget: usize,
    /// Bytes of the longest datagram; a longer one is lost, never cut short. Default 256 KiB: more
    /// than UDP can carry, and than Unix senders send by default (`net.core.wmem_default`).
    pub datagram: usize,
    /// Bytes of input kept for a handler that has not used them yet. Above it
    /// [`on_reject`](crate::Handler::on_reject) is called, and the connection ends. Default 64 KiB
    /// (asyncio's stream limit).
    pub pending_input: usize,
    /// The low watermark, in bytes. A connection whose handler's own output fell to this is read
    /// again, and the handler is told by [`on_drain`](crate::Handler::on_drain); one that
    /// [forwards](crate::Context::forward) to a connection is read again when all output of that
    /// one fell to this. Default 32 KiB (Netty).
    pub output_low: usize,
    /// The high watermark, in bytes. A connection with this much unsent output of its own handler
    /// is not read, and its handler sees [`is_done`](crate::Context::is_done). Output that others
    /// send, forward or publish to it never pauses its input: forwarding to a connection with this
    /// much output pauses the sender. Default 64 KiB (Netty, asyncio).
    pub output_high: usize,
    /// A connection with more unsent output of its own handler than this is closed as a slow
    /// consumer when the handler writes more, and one with more output of any origin when others
    /// send more. One write of any size passes as long as its predecessors have gone. Datagrams
    /// are lost instead that come when more wait for the socket. Default 1 MiB.
    pub output_hard: usize,
    /// What happens instead if what comes was published to a topic. Default: the same.
    pub slow_consumer: SlowConsumer,
    /// Threads that do what handlers [offload](crate::Context::offload), in modes without
    /// workers of their own. They are started when the first work comes. Default 4 (libuv).
    pub offload_workers: usize,
    /// How long a call of a handler or a service may hold the loop. What holds it longer is counted
    /// and logged: at first with the connection if there was only one in the turn; for 60 s from
    /// then on, each call is timed by itself. `None` saves the look at the clock at the end of each
    /// turn. Default 100 ms (asyncio's `slow_callback_duration`; Redis' `slowlog` 10 ms).
    pub slow_call: Option<Duration>,
    /// How long it may take to make a connection to somebody else, over all addresses of a name.
    /// Default 10 s (curl 300 s, HAProxy's examples 5 s).
    pub connect: Option<Duration>,
    /// How long a new connection may stay silent. Default 60 s (nginx `client_header_timeout`).
    pub first_byte: Option<Duration>,
    /// How long a message may stay incomplete, counted from its first byte and not extended by
    /// further ones. What a protocol hands on in pieces, as HTTP does with bodies, is complete
    /// with each piece. When it has passed, [`on_reject`](crate::Handler::on_reject) is called, and
    /// the connection ends. Default 30 s (Apache `RequestReadTimeout` 20 to 40 s).
    pub message: Option<Duration>,
    /// How long nothing may happen on a connection. Default 75 s (nginx `keepalive_timeout`).
    pub idle: Option<Duration>,
    /// How long a peer may refuse to take any output. Default 60 s (nginx `send_timeout`).
    pub write_stall: Option<Duration>,
    /// How long a connection that we ended may linger, so that its last answer is not destroyed
    /// by a reset (RFC 9112, section 9.6); and how long input that has arrived is still offered to
    /// the handler after a write has failed. Default 2 s (nginx 5 s per wait, 30 s in all).
    pub linger: Duration,
    /// Bytes that are read and discarded while lingering, or offered after a write has failed.
    /// Default 256 KiB.
    pub linger_bytes: usize,
    /// How long a stopping server waits for its connections. Default 30 s.
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
    linger_bytes: usize,
    drain: Duration,
});

/// What becomes of a member of a topic that reads more slowly than others publish, once its
/// output is above [`Limits::output_hard`].
///
/// Only what was published is ever dropped, and only whole calls of
/// [`publish`](crate::Context::publish); what a handler writes to its own peer arrives or the
/// connection ends.
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
pub enum SlowConsumer {
    /// It is closed: it may come back and start afresh (Redis, NATS).
    #[default]
    Close,
    /// It misses what is published now and keeps what waits (ZeroMQ).
    DropNewest,
    /// It loses what has waited longest and gets what is published now.
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
            linger: Duration::from_secs(2),
            linger_bytes: 256 * 1024,
            drain: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Whether these limits make sense together; a server with limits that don't refuses to
    /// start.
    ///
    /// # Errors
    ///
    /// One line that names the field and says what it must be.
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
