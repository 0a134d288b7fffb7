//! What a server has done so far, as numbers. Knows what they mean; counts nothing itself.

pub(crate) mod counters;
mod prometheus;
pub(crate) mod stopwatch;

use std::time::Duration;

use crate::close::{Close, Timeout};

/// What a server has done since it was bound: a snapshot, as
/// [`ServerHandle::metrics`](crate::ServerHandle::metrics) takes it.
///
/// Everything is counted in every mode, and summed over all threads of the server; a worker process
/// counts its own. All numbers but [`open`](Metrics::open) only grow. They are read one after the
/// other while the server goes on, so two of them may be a moment apart.
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
    /// Connections taken from the listen queues. Those that were refused are among them.
    pub accepted: u64,
    /// Connections closed at once because the [`Service`](crate::Service) said no.
    pub refused_by_service: u64,
    /// The same because their peer had
    /// [`Limits::connections_per_peer`](crate::Limits::connections_per_peer) already.
    pub refused_by_limit: u64,
    /// The same because the service panicked.
    pub refused_by_panic: u64,
    /// The same because the system could not watch them (ENOSPC, ENOMEM).
    pub refused_by_system: u64,
    /// Connections made to others.
    pub connected: u64,
    /// Connections to others that could not be made.
    pub unreachable: u64,
    /// Connections that have got a handler: accepted and not refused, or made to others.
    pub opened: u64,
    pub(crate) closed: [u64; REASONS.len()],
    /// Bytes read from connections, those of [`BlockingHandler`](crate::BlockingHandler)s included
    /// when they end.
    pub bytes_in: u64,
    /// Bytes that connections took, counted likewise.
    pub bytes_out: u64,
    /// Calls of handlers, whichever method it was.
    pub calls: u64,
    /// Whole messages that [`Framed`](crate::Framed) has handed to its message handlers. A handler of
    /// raw bytes has none.
    pub messages: u64,
    /// Calls of [`Context::publish`](crate::Context::publish) and
    /// [`ServerHandle::publish`](crate::ServerHandle::publish) that were carried out.
    pub published: u64,
    /// Panics of handlers, services and offloaded work. Each was caught, and logged as an error.
    pub panics: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// How often a call of a service or a handler, or those of one turn together, held the loop for
    /// longer than [`Limits::slow_call`](crate::Limits::slow_call).
    pub slow_calls: u64,
    /// The longest of these times, slow or not; zero if nothing is timed.
    pub longest_call: Duration,
    /// The longest time that the loop came late to what was due: a timer, a deadline, a connection
    /// that had to wait for the next turn.
    pub longest_lag: Duration,
    /// Calls and works that workers were given.
    pub jobs: u64,
    /// Those of the calls that took a worker longer than
    /// [`Limits::slow_call`](crate::Limits::slow_call): nobody else had to wait.
    pub slow_jobs: u64,
    /// How often accepting had to pause for want of descriptors or memory.
    pub accept_pauses: u64,
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams that the system took.
    pub datagrams_out: u64,
    /// Datagrams that were too long, or could not be sent.
    pub datagrams_lost: u64,
}

/// The reasons of [`Close`], in the order of [`reason`].
pub(crate) const REASONS: [&str; 15] = [
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
];

/// Which of [`REASONS`] it is.
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
    }
}

impl Metrics {
    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        // Both are read while they grow.
        self.opened.saturating_sub(self.closed.iter().sum())
    }

    /// Connections that ended for the reason `why`, whatever its particulars: of a
    /// [`Close::Malformed`] the code and the text make no difference.
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

    /// All reasons why connections end, each with how many did.
    ///
    /// ```
    /// use socketserver::Metrics;
    ///
    /// assert!(Metrics::default().closes().any(|(why, count)| why == "timeout_idle" && count == 0));
    /// ```
    pub fn closes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.closed)
    }
}
