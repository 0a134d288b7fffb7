//! The contract between a server and its datagram handlers. Must not know sockets or clocks.

use std::fmt;

use crate::net::peer::Peer;
use crate::now::Now;

/// The handler of a datagram address (`udp:`, `unixgram:`), called with one datagram after another.
/// There is one handler for all peers, and nothing to open or close.
///
/// It is called by one thread at a time, so its fields need no lock. A call should return soon,
/// because it blocks the loop. A panic loses the datagram and nothing else.
///
/// The sender of a datagram over IP can be forged. Replies that are larger than the request, or
/// that are sent to every request, let an attacker direct traffic at others: verify the sender
/// first, or serve only known peers.
///
/// Closures are handlers:
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
pub trait DatagramHandler: Send {
    /// Handles one datagram. It may be empty, and is never truncated.
    fn on_datagram(&mut self, datagram: &[u8], cx: &mut DatagramContext<'_>);
}

impl<F> DatagramHandler for F
where
    F: FnMut(&[u8], &mut DatagramContext<'_>) + Send,
{
    fn on_datagram(&mut self, datagram: &[u8], cx: &mut DatagramContext<'_>) {
        self(datagram, cx);
    }
}

/// The datagrams that a handler sends. All handlers of a server share one, empty between two calls.
#[derive(Default)]
pub(crate) struct DatagramOut {
    bytes: Vec<u8>,
    /// The destination of each, and the end of its bytes in `bytes`.
    queued: Vec<(Peer, usize)>,
}

/// The capacity that it keeps after a huge datagram.
const KEPT: usize = 1024 * 1024;

impl DatagramOut {
    /// Passes the datagrams to `send`, in order.
    pub(crate) fn drain(&mut self, mut send: impl FnMut(&Peer, &[u8])) {
        let mut start = 0;
        for (to, end) in self.queued.drain(..) {
            send(&to, &self.bytes[start..end]);
            start = end;
        }
        self.clear();
    }

    /// Drops all datagrams.
    pub(crate) fn clear(&mut self) {
        self.queued.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
    }
}

/// The peer of a datagram, and the datagrams to send. It records and never fails: no method touches
/// a socket. Datagrams are sent when the handler has returned. Like any datagram they may be lost,
/// for example because the socket and its queue are full.
pub struct DatagramContext<'a> {
    peer: &'a Peer,
    now: Now,
    out: &'a mut DatagramOut,
}

impl<'a> DatagramContext<'a> {
    pub(crate) fn new(peer: &'a Peer, now: Now, out: &'a mut DatagramOut) -> DatagramContext<'a> {
        DatagramContext { peer, now, out }
    }

    /// Returns the sender of the datagram.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// Returns the time at which this turn began; it is the same for everything in the turn.
    pub fn now(&self) -> Now {
        self.now
    }

    /// Sends one datagram to the sender, from the address that it was sent to. A sender without a
    /// name ([`Peer::Unix`]) cannot be answered: then nothing happens.
    ///
    /// On a host with several addresses, a socket bound to all of them (`udp:0.0.0.0:…`) replies
    /// from an address chosen by the system.
    ///
    /// On Linux, a Unix datagram counts against the send buffer of its sender until it is read. A
    /// peer that has connected its socket to the server's and never reads can therefore block the
    /// replies to all others, until it reads or ends. [`Listen::mode`](crate::Listen::mode) limits
    /// the peers that may send, [`Listen::send_buffer`](crate::Listen::send_buffer) sets the size
    /// of the buffer.
    pub fn reply(&mut self, bytes: &[u8]) {
        self.send_to(self.peer.clone(), bytes);
    }

    /// Sends one datagram to another peer, from the same socket. A datagram to a peer of another
    /// address family is lost.
    pub fn send_to(&mut self, to: Peer, bytes: &[u8]) {
        if to != Peer::Unix {
            self.out.bytes.extend_from_slice(bytes);
            self.out.queued.push((to, self.out.bytes.len()));
        }
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
