//! The contract between a server and the code that handles its datagrams. Knows no socket and no
//! clock.

mod timers;

use std::fmt;
use std::time::Duration;

pub(crate) use self::timers::DatagramTimers;
use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::now::{self, Now};

/// The handler of a datagram address (`udp:`, `unixgram:`): it is called for each datagram,
/// whichever peer has sent it. There are no connections, so one handler serves all peers of an
/// address, and nothing opens or closes.
///
/// It is called by one thread at a time, so its fields need no lock. A call should return soon:
/// everything else in its loop waits meanwhile. A handler that panics loses the datagram and
/// nothing else.
///
/// The sender of a datagram over IP can be forged. An answer that is larger than the question, or
/// that goes out for every question, lets strangers aim a server at others: ask for a sign of life
/// first, or serve known peers only.
///
/// Closures are handlers, with both types written out:
///
/// ```
/// use socketserver::{DatagramContext, Peer, testkit};
///
/// let mut shout = |datagram: &[u8], cx: &mut DatagramContext<'_>| {
///     cx.reply(&datagram.to_ascii_uppercase());
/// };
/// let from = Peer::unix_named("/run/client.sock");
/// let sent = testkit::datagram(&mut shout, from.clone(), b"hello");
/// assert_eq!(sent, [(from, b"HELLO".to_vec())]);
/// ```
///
/// A handler that also sends by itself sets timers:
///
/// ```
/// use socketserver::testkit::Datagrams;
/// use socketserver::{DatagramContext, DatagramHandler, Peer};
/// use std::time::Duration;
///
/// /// Sends a beat to its last client, every second.
/// #[derive(Default)]
/// struct Beat(Option<Peer>);
///
/// impl DatagramHandler for Beat {
///     fn on_start(&mut self, cx: &mut DatagramContext<'_>) {
///         cx.set_interval(0, Duration::from_secs(1));
///     }
///
///     fn on_datagram(&mut self, _: &[u8], cx: &mut DatagramContext<'_>) {
///         self.0 = Some(cx.peer().clone());
///     }
///
///     fn on_timer(&mut self, _: u64, cx: &mut DatagramContext<'_>) {
///         if let Some(peer) = &self.0 {
///             cx.send_to(peer.clone(), b"beat");
///         }
///     }
/// }
///
/// let mut beat = Datagrams::new(Beat::default());
/// let client = Peer::unix_named("/run/client.sock");
/// beat.receive(client.clone(), b"subscribe");
/// beat.advance(Duration::from_secs(2));
/// assert_eq!(beat.sent(), [(client.clone(), b"beat".to_vec()), (client, b"beat".to_vec())]);
/// ```
pub trait DatagramHandler: Send {
    /// A datagram has arrived, whole: it may be empty, and is never cut short.
    fn on_datagram(&mut self, datagram: &[u8], cx: &mut DatagramContext<'_>);

    /// The server starts. This is the first call, and the place to set timers.
    fn on_start(&mut self, cx: &mut DatagramContext<'_>) {
        let _ = cx;
    }

    /// A timer or an interval is due: the one with this key, see
    /// [`DatagramContext::set_timer`].
    fn on_timer(&mut self, key: u64, cx: &mut DatagramContext<'_>) {
        let _ = (key, cx);
    }
}

impl<F> DatagramHandler for F
where
    F: FnMut(&[u8], &mut DatagramContext<'_>) + Send,
{
    fn on_datagram(&mut self, datagram: &[u8], cx: &mut DatagramContext<'_>) {
        self(datagram, cx);
    }
}

/// The effects of a handler's call, until they are applied. All datagrams of a server share one,
/// empty between two of them.
#[derive(Default)]
pub(crate) struct DatagramRecord {
    bytes: Vec<u8>,
    /// The receivers, and the ends of their datagrams in `bytes`.
    queued: Vec<(Peer, usize)>,
    timers: Vec<TimerEffect>,
}

/// A change of a handler's timers.
enum TimerEffect {
    Set { key: u64, at_ms: u64, period_ms: Option<u64> },
    Cancel(u64),
}

/// Memory that one huge answer does not keep beyond its own turn.
const KEPT: usize = 1024 * 1024;

impl DatagramRecord {
    /// Takes the datagrams to be sent, in order.
    pub(crate) fn drain(&mut self, mut send: impl FnMut(&Peer, &[u8])) {
        let mut start = 0;
        for (to, end) in self.queued.drain(..) {
            send(&to, &self.bytes[start..end]);
            start = end;
        }
        self.clear();
    }

    /// Applies the changes of the timers.
    pub(crate) fn apply_timers(&mut self, timers: &mut DatagramTimers) {
        for effect in self.timers.drain(..) {
            match effect {
                TimerEffect::Set { key, at_ms, period_ms } => timers.set(key, at_ms, period_ms),
                TimerEffect::Cancel(key) => timers.cancel(key),
            }
        }
    }

    /// Drops all effects.
    pub(crate) fn clear(&mut self) {
        self.queued.clear();
        self.timers.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
    }
}

/// The context of a [`DatagramHandler`]'s call. It records effects and never fails: no method
/// touches a socket. Datagrams are sent when the handler has returned. Like all datagrams
/// they may be lost, on this side if the socket takes no more and too many wait for it already.
pub struct DatagramContext<'a> {
    peer: &'a Peer,
    local: &'a Address,
    now: Now,
    record: &'a mut DatagramRecord,
}

impl<'a> DatagramContext<'a> {
    pub(crate) fn new(
        peer: &'a Peer,
        local: &'a Address,
        now: Now,
        record: &'a mut DatagramRecord,
    ) -> DatagramContext<'a> {
        DatagramContext { peer, local, now, record }
    }

    /// Returns the sender of the datagram. In [`on_start`](DatagramHandler::on_start) and
    /// [`on_timer`](DatagramHandler::on_timer) there is none: the peer is unresolved then, and a
    /// reply goes nowhere.
    #[must_use]
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// Returns the address that the socket is bound to.
    #[must_use]
    pub fn local_address(&self) -> &'a Address {
        self.local
    }

    /// Returns the time at which this turn began; it is the same for everything in the turn.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// Sends one datagram to the sender, from the address that it sent to. A sender without a name
    /// ([`Peer::Unix`]) cannot be answered: then nothing happens.
    ///
    /// On a host with several addresses, a socket that is bound to all of them (`udp:0.0.0.0:…`)
    /// answers from the one that the system chooses.
    ///
    /// On Linux, a Unix datagram counts against the send buffer of its sender until it is read. A
    /// peer that has connected its socket to the server's and never reads can so hold up the
    /// answers to all others, until it reads or ends:
    /// [`Listen::mode`](crate::Listen::mode) says which users may send,
    /// [`Listen::send_buffer`](crate::Listen::send_buffer) how much fits.
    pub fn reply(&mut self, bytes: &[u8]) {
        self.send_to(self.peer.clone(), bytes);
    }

    /// Sends one datagram to any peer, from the same socket. Peers of other families than the
    /// socket's cannot be reached: that datagram is lost.
    pub fn send_to(&mut self, to: Peer, bytes: &[u8]) {
        if to != Peer::Unix && to != Peer::Unresolved {
            self.record.bytes.extend_from_slice(bytes);
            self.record.queued.push((to, self.record.bytes.len()));
        }
    }

    /// Calls [`DatagramHandler::on_timer`] with `key` once, `delay` from now. A handler may have
    /// any number of timers, each with a key of its own; setting a key again replaces its timer.
    pub fn set_timer(&mut self, key: u64, delay: Duration) {
        let at_ms = self.in_ms(delay);
        self.record.timers.push(TimerEffect::Set { key, at_ms, period_ms: None });
    }

    /// The same every `period`, without drift: as
    /// [`Context::set_interval`](crate::Context::set_interval).
    pub fn set_interval(&mut self, key: u64, period: Duration) {
        let period = period.max(Duration::from_millis(1));
        let (at_ms, period_ms) = (self.in_ms(period), Some(now::millis(period)));
        self.record.timers.push(TimerEffect::Set { key, at_ms, period_ms });
    }

    /// Cancels a timer or an interval.
    pub fn cancel_timer(&mut self, key: u64) {
        self.record.timers.push(TimerEffect::Cancel(key));
    }

    fn in_ms(&self, delay: Duration) -> u64 {
        now::millis(self.now.elapsed().saturating_add(delay))
    }
}

impl fmt::Debug for DatagramContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramContext")
            .field("peer", &self.peer)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
