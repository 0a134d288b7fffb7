//! The contract between a server and the code that is fed its datagrams. Knows no socket and no
//! clock.

use std::fmt;

use crate::net::peer::Peer;
use crate::now::Now;

/// Your object behind a datagram address (`udp:`, `unixgram:`), fed one datagram after the other,
/// whoever sent it. Nobody connects, so there is one for all peers, and nothing to open or close.
///
/// It is called by one thread at a time, so its fields need no lock. A call should return soon:
/// everybody else waits for it. A handler that panics loses the datagram and nothing else.
///
/// Anybody can write any sender into a datagram over IP. An answer that is larger than the
/// question, or that goes out for every question, lets strangers aim your server at others: ask
/// for a sign of life first, or serve people you know.
///
/// Closures are handlers; the types of both parameters must be written, as here:
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of datagrams",
    label = "`DatagramHandler` is not implemented for this",
    note = "a closure needs both types: `|datagram: &[u8], cx: &mut DatagramContext<'_>| cx.reply(datagram)`"
)]
pub trait DatagramHandler: Send {
    /// A datagram has come, whole: it may be empty, and is never cut short.
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

/// What a handler wants sent, until it is. All datagrams of a server share one, empty between
/// two of them.
#[derive(Default)]
pub(crate) struct DatagramOut {
    bytes: Vec<u8>,
    /// To whom, and where in `bytes` it ends.
    queued: Vec<(Peer, usize)>,
}

/// Memory that one huge answer does not keep beyond its own turn.
const KEPT: usize = 1024 * 1024;

impl DatagramOut {
    /// Takes what is to be sent, in order.
    pub(crate) fn drain(&mut self, mut send: impl FnMut(&Peer, &[u8])) {
        let mut start = 0;
        for (to, end) in self.queued.drain(..) {
            send(&to, &self.bytes[start..end]);
            start = end;
        }
        self.clear();
    }

    /// Forgets all of it.
    pub(crate) fn clear(&mut self) {
        self.queued.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
    }
}

/// All a [`DatagramHandler`] may act on. It records and never fails: no method touches a socket.
/// What is recorded is sent when the handler has returned; as is the way of datagrams, it may get
/// lost, here if the socket takes no more and too much waits for it already.
pub struct DatagramContext<'a> {
    peer: &'a Peer,
    now: Now,
    out: &'a mut DatagramOut,
}

impl<'a> DatagramContext<'a> {
    pub(crate) fn new(peer: &'a Peer, now: Now, out: &'a mut DatagramOut) -> DatagramContext<'a> {
        DatagramContext { peer, now, out }
    }

    /// Who sent the datagram.
    #[must_use]
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// When this turn began; the same for all that happens in it.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// Sends one datagram to the sender, from the address that it sent to. A sender without a name
    /// ([`Peer::unix`]) cannot be answered: then nothing happens.
    ///
    /// On a host with several addresses, a socket that is bound to all of them (`udp:0.0.0.0:…`)
    /// answers from the one that the system chooses.
    ///
    /// On Linux, a Unix datagram counts against the send buffer of its sender until it is read. A
    /// peer that has connected its socket to the server's and never reads can so hold up the
    /// answers to all others, until it reads or ends:
    /// [`Listen::mode`](crate::Listen::mode) says who may send,
    /// [`Listen::send_buffer`](crate::Listen::send_buffer) how much fits.
    pub fn reply(&mut self, bytes: &[u8]) {
        self.send_to(self.peer.clone(), bytes);
    }

    /// Sends one datagram to somebody else, from the same socket. Peers of other families than
    /// the socket's cannot be reached: that datagram is lost.
    pub fn send_to(&mut self, to: Peer, bytes: &[u8]) {
        if to != Peer::unix() {
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
