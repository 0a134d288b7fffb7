//! The numbers of a server and their meaning. Counts nothing itself.

#[cfg(feature = "backplane")]
pub(crate) mod backplane;
pub(crate) mod counters;
mod prometheus;
pub(crate) mod stopwatch;

use std::time::Duration;

#[cfg(feature = "backplane")]
use self::backplane::BackplaneMetrics;
use crate::close::{Close, Timeout};

/// A snapshot of the activity of a server since it was bound, as returned by
/// [`ServerHandle::metrics`](crate::ServerHandle::metrics).
///
/// Everything is counted in every mode, and summed over all threads of the server. A worker process
/// counts its own activity only. All numbers except [`open`](Metrics::open) only grow. They are
/// read one after the other while the server runs, so two of them may be a moment apart.
///
/// ```
/// use socketserver::testkit::Network;
/// use socketserver::{Close, Context, Handler, Limits};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
///         cx.write(input);
///         Ok(input.len())
///     }
/// }
///
/// let mut network = Network::new(Limits::default());
/// let client = network.connect(Echo);
/// network.send(client, b"hello");
/// network.settle();
/// let metrics = network.metrics();
/// assert_eq!((metrics.open(), metrics.bytes_in, metrics.bytes_out), (1, 5, 5));
///
/// network.shut(client);
/// network.settle();
/// assert_eq!(network.metrics().closed(&Close::Eof), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Connections taken from the listen queues, including those refused afterwards.
    pub accepted: u64,
    /// Connections closed at once because the [`Service`](crate::Service) refused them.
    pub refused_by_service: u64,
    /// Connections closed at once because their peer already had
    /// [`Limits::connections_per_peer`](crate::Limits::connections_per_peer).
    pub refused_by_limit: u64,
    /// Connections closed at once because the service panicked.
    pub refused_by_panic: u64,
    /// Connections closed at once because the system could not watch them (ENOSPC, ENOMEM).
    pub refused_by_system: u64,
    /// Outgoing connections that were made.
    pub connected: u64,
    /// Outgoing connections that could not be made.
    pub unreachable: u64,
    /// Connections that were given a handler: accepted and not refused, or outgoing.
    pub opened: u64,
    pub(crate) closed: [u64; REASONS.len()],
    /// Bytes read from connections. Those of a [`BlockingHandler`](crate::BlockingHandler) are
    /// added when its connection ends.
    pub bytes_in: u64,
    /// Bytes that the sockets of connections accepted for sending. Those of a
    /// [`BlockingHandler`](crate::BlockingHandler) are added when its connection ends.
    pub bytes_out: u64,
    /// Calls of handlers, of any method.
    pub calls: u64,
    /// Complete messages that [`Framed`](crate::Framed) handed to message handlers. Handlers of raw
    /// bytes add nothing.
    pub messages: u64,
    /// Calls of [`Context::publish`](crate::Context::publish) and
    /// [`ServerHandle::publish`](crate::ServerHandle::publish) that were carried out.
    pub published: u64,
    /// Panics of handlers, services and offloaded work. Each is caught and logged as an error.
    pub panics: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// The number of times that a call of a service or handler, or all calls of one turn together,
    /// held the loop for longer than [`Limits::slow_call`](crate::Limits::slow_call).
    pub slow_calls: u64,
    /// The longest of these times, slow or not; zero if calls are not timed.
    pub longest_call: Duration,
    /// The longest delay of the loop after the due time of an event: a timer, a deadline, or a
    /// connection that waited for the next turn.
    pub longest_lag: Duration,
    /// Calls of handlers and offloaded work given to workers.
    pub jobs: u64,
    /// Calls that kept a worker busy for longer than
    /// [`Limits::slow_call`](crate::Limits::slow_call). No other connection waited for them.
    pub slow_jobs: u64,
    /// The number of times that accepting paused because the process was out of descriptors or
    /// memory.
    pub accept_pauses: u64,
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams that the system accepted for sending.
    pub datagrams_out: u64,
    /// Datagrams that were too long or could not be sent.
    pub datagrams_lost: u64,
    /// Why a load balancer should send no clients to the server now, in one line: it stops, or its
    /// [`Backplane`](crate::Backplane) has no connection. `None` if it should.
    pub unready: Option<String>,
    /// The numbers of the backplane, if the server has one.
    #[cfg(feature = "backplane")]
    pub backplane: Option<BackplaneMetrics>,
}

/// The reasons of [`Close`], in the order of [`reason`].
pub(crate) const REASONS: [&str; 16] = [
    "done",
    "eof",
    "stopping",
    "timeout_first_byte",
    "timeout_message",
    "timeout_idle",
    "timeout_write_stall",
    "timeout_rate",
    "malformed",
    "input_limit",
    "slow_consumer",
    "packet_too_long",
    "io",
    "panicked",
    "failed",
    "crowded",
];

/// Returns the index of `why` in [`REASONS`].
pub(crate) fn reason(why: &Close) -> usize {
    match why {
        Close::Done => 0,
        Close::Eof => 1,
        Close::Stopping => 2,
        Close::Timeout(Timeout::FirstByte) => 3,
        Close::Timeout(Timeout::Message) => 4,
        Close::Timeout(Timeout::Idle) => 5,
        Close::Timeout(Timeout::WriteStall) => 6,
        Close::Timeout(Timeout::Rate) => 7,
        Close::Malformed { .. } => 8,
        Close::InputLimit => 9,
        Close::SlowConsumer => 10,
        Close::PacketTooLong { .. } => 11,
        Close::Io(_) => 12,
        Close::Panicked => 13,
        Close::Failed(_) => 14,
        Close::Crowded => 15,
    }
}

impl Metrics {
    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        // The two counts may be read while they grow.
        self.opened.saturating_sub(self.closed.iter().sum())
    }

    /// Returns the number of connections that ended for the reason `why`, whatever its details: the
    /// code and the text of a [`Close::Malformed`] make no difference.
    ///
    /// ```
    /// use socketserver::{Close, Metrics, Timeout};
    ///
    /// let metrics = Metrics::default();
    /// assert_eq!(metrics.closed(&Close::Timeout(Timeout::Idle)), 0);
    /// ```
    #[must_use]
    pub fn closed(&self, why: &Close) -> u64 {
        self.closed.get(reason(why)).copied().unwrap_or_default()
    }

    /// Returns all reasons for which connections end, each with the number of connections.
    ///
    /// ```
    /// use socketserver::Metrics;
    ///
    /// let metrics = Metrics::default();
    /// assert!(metrics.closes().any(|(why, count)| why == "timeout_idle" && count == 0));
    /// ```
    pub fn closes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.closed)
    }
}
