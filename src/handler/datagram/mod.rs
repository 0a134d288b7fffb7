//! The contract between a server and its datagram handlers. Must not know sockets or clocks.

mod timers;

use std::fmt;
use std::time::Duration;

pub(crate) use self::timers::DatagramTimers;
use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::now::{self, Now};

/// The handler of a datagram address (`udp:`, `unixgram:`), called for each datagram of every peer.
/// There is one handler for all peers, and nothing opens or closes.
///
/// It is called by one thread at a time, so its fields need no lock. A call should return soon,
/// because it blocks the loop. A panic loses the datagram and nothing else.
///
/// A datagram whose sender is the address of a datagram socket of the server is dropped and counted
/// as lost: an answer to it would be answered, without an end, and the sender can be forged. So two
/// handlers of one server cannot send each other datagrams; they can share a value, such as an
/// `Arc<Mutex<T>>`.
///
/// The sender of a datagram over IP can be forged. Replies that are larger than the request, or
/// that are sent to every request, let an attacker direct traffic at others: verify the sender
/// first, or serve only known peers.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of datagrams",
    label = "`DatagramHandler` is not implemented for this",
    note = "a closure needs both types: `|datagram: &[u8], cx: &mut DatagramContext<'_>| cx.reply(datagram)`"
)]
pub trait DatagramHandler: Send {
    /// Handles one datagram. It may be empty, and is never truncated.
    fn on_datagram(&mut self, datagram: &[u8], cx: &mut DatagramContext<'_>);

    /// Called first, when the server starts: the place to set timers.
    fn on_start(&mut self, cx: &mut DatagramContext<'_>) {
        let _ = cx;
    }

    /// Called when a timer or an interval is due; `key` was passed to
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

/// The effects of a handler's call, until they are applied. All handlers of a server share one,
/// empty between two calls.
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

/// The capacity that a record keeps after a huge datagram, in bytes.
const KEPT: usize = 1024 * 1024;

impl DatagramRecord {
    /// Passes the datagrams to `send`, in order.
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
/// touches a socket. Datagrams are sent when the handler has returned. Like all datagrams they may
/// be lost, for example because the socket and its queue are full.
///
/// ```
/// use socketserver::testkit::Datagrams;
/// use socketserver::{DatagramContext, DatagramHandler, Peer};
/// use std::time::Duration;
///
/// const RETRY: u64 = 1;
///
/// /// Repeats a question every second until the answer arrives.
/// struct Question {
///     server: Peer,
/// }
///
/// impl DatagramHandler for Question {
///     fn on_start(&mut self, cx: &mut DatagramContext<'_>) {
///         cx.send_to(self.server.clone(), b"question");
///         cx.set_timer(RETRY, Duration::from_secs(1));
///     }
///
///     fn on_timer(&mut self, _: u64, cx: &mut DatagramContext<'_>) {
///         self.on_start(cx);
///     }
///
///     fn on_datagram(&mut self, _: &[u8], cx: &mut DatagramContext<'_>) {
///         cx.cancel_timer(RETRY);
///         cx.reply(b"thanks");
///     }
/// }
///
/// let server = Peer::unix_named("/run/server.sock");
/// let mut question = Datagrams::new(Question { server: server.clone() });
/// question.advance(Duration::from_secs(2));
/// assert_eq!(question.sent().len(), 3);
/// question.receive(server.clone(), b"answer");
/// question.advance(Duration::from_secs(10));
/// assert_eq!(question.sent(), [(server, b"thanks".to_vec())]);
/// ```
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
    /// [`on_timer`](DatagramHandler::on_timer) the peer is unresolved, and a reply is dropped.
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

    /// Sends one datagram to the sender, from the address that it was sent to. A sender without a
    /// name ([`Peer::unix`]) cannot be answered: then nothing happens.
    ///
    /// On a host with several addresses, a socket bound to all of them (`udp:0.0.0.0:…`) replies
    /// from an address chosen by the system. Where that matters, listen on each address by itself.
    ///
    /// On Linux, a Unix datagram counts against the send buffer of its sender until it is read. A
    /// peer that has connected its socket to the server's and never reads can therefore block the
    /// replies to all others, until it reads or ends. [`Listen::mode`](crate::Listen::mode) limits
    /// the users that may send, [`Listen::send_buffer`](crate::Listen::send_buffer) sets the size
    /// of the buffer.
    pub fn reply(&mut self, bytes: &[u8]) {
        self.send_to(self.peer.clone(), bytes);
    }

    /// Sends one datagram to any peer, from the same socket. A datagram to a peer of another
    /// address family is lost.
    pub fn send_to(&mut self, to: Peer, bytes: &[u8]) {
        if to != Peer::unix() && to != Peer::unresolved() {
            self.record.bytes.extend_from_slice(bytes);
            self.record.queued.push((to, self.record.bytes.len()));
        }
    }

    /// Calls [`DatagramHandler::on_timer`] with `key` once, `delay` from now. A handler may have
    /// any number of timers, each with its own key; setting a key again replaces its timer.
    pub fn set_timer(&mut self, key: u64, delay: Duration) {
        let at_ms = self.in_ms(delay);
        self.record.timers.push(TimerEffect::Set { key, at_ms, period_ms: None });
    }

    /// Calls [`DatagramHandler::on_timer`] with `key` every `period`, without drift, as
    /// [`Context::set_interval`](crate::Context::set_interval) does. [`DatagramHandler`] has an
    /// example.
    pub fn set_interval(&mut self, key: u64, period: Duration) {
        let period = period.max(Duration::from_millis(1));
        let (at_ms, period_ms) = (self.in_ms(period), Some(now::millis(period)));
        self.record.timers.push(TimerEffect::Set { key, at_ms, period_ms });
    }

    /// Cancels a timer or an interval. A key without a timer has no effect.
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
