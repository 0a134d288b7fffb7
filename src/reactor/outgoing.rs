//! Datagrams that a socket did not take yet: a queue with an end, in size and in time.

use std::collections::VecDeque;
use std::io;

use super::system::DatagramTransport;
use crate::net::peer::Peer;
use crate::now::Now;

/// Datagrams that may wait for one socket, whatever their size.
const QUEUE_MAX: usize = 1024;
/// How long one may wait. A peer that takes nothing for so long does not want it any more.
const WAIT_MS: u64 = 30_000;
/// How long to wait between two tries. A socket that is full itself reports when it is not; whether
/// a Unix socket also reports that its peer's has room is the system's affair.
const RETRY_MS: u64 = 20;
/// Peers that said no in one round; then the rest waits for the next.
const BLOCKED_MAX: usize = 16;

pub(super) struct Outgoing {
    queue: VecDeque<QueuedDatagram>,
    /// The size of all of them.
    len: usize,
    /// What may wait when another one comes.
    len_max: usize,
    retry_at_ms: u64,
}

struct QueuedDatagram {
    to: Peer,
    bytes: Box<[u8]>,
    until_ms: u64,
}

/// What became of a datagram.
pub(super) enum Sent {
    Gone,
    Waits,
}

impl Outgoing {
    pub(super) fn new(len_max: usize) -> Outgoing {
        Outgoing { queue: VecDeque::new(), len: 0, len_max, retry_at_ms: 0 }
    }

    /// Sends, or keeps until the socket takes it.
    ///
    /// # Errors
    ///
    /// It is lost: the socket said no, or too many wait already.
    pub(super) fn send(
        &mut self,
        socket: &impl DatagramTransport,
        to: &Peer,
        bytes: &[u8],
        now: Now,
    ) -> io::Result<Sent> {
        // Those who wait for the same peer go first.
        if !self.queue.iter().any(|datagram| datagram.to == *to) {
            match send(socket, to, bytes) {
                Err(error) if is_full(&error) => {}
                done => return done.map(|()| Sent::Gone),
            }
        }
        if self.queue.len() >= QUEUE_MAX || self.len > self.len_max {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "too many wait to be sent"));
        }
        if self.queue.is_empty() {
            self.retry_at_ms = now.millis() + RETRY_MS;
        }
        self.len += bytes.len();
        let until_ms = now.millis() + WAIT_MS;
        self.queue.push_back(QueuedDatagram { to: to.clone(), bytes: bytes.into(), until_ms });
        Ok(Sent::Waits)
    }

    /// When to try again.
    pub(super) fn next_ms(&self) -> Option<u64> {
        (!self.queue.is_empty()).then_some(self.retry_at_ms)
    }

    /// The socket has room.
    pub(super) fn note_writable(&mut self) {
        self.retry_at_ms = 0;
    }

    /// Tries what waits, if it is time to; tells of each that is gone or lost.
    pub(super) fn retry(
        &mut self,
        socket: &impl DatagramTransport,
        now: Now,
        mut tell: impl FnMut(io::Result<()>),
    ) {
        if self.next_ms().is_none_or(|at_ms| at_ms > now.millis()) {
            return;
        }
        self.retry_at_ms = now.millis() + RETRY_MS;
        let mut blocked: Vec<Peer> = Vec::new();
        let len = &mut self.len;
        self.queue.retain(|datagram| {
            // Those behind one that must wait wait too, so that the order stays.
            let must_wait = blocked.len() >= BLOCKED_MAX || blocked.contains(&datagram.to);
            let sent = if must_wait {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                send(socket, &datagram.to, &datagram.bytes)
            };
            let stays = match sent {
                Ok(()) => {
                    tell(Ok(()));
                    false
                }
                Err(error) if is_full(&error) && now.millis() < datagram.until_ms => {
                    if !must_wait {
                        blocked.push(datagram.to.clone());
                    }
                    true
                }
                Err(error) => {
                    tell(Err(error));
                    false
                }
            };
            if !stays {
                *len -= datagram.bytes.len();
            }
            stays
        });
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.queue.len()
    }
}

fn send(socket: &impl DatagramTransport, to: &Peer, bytes: &[u8]) -> io::Result<()> {
    let mut sent = socket.send_to(to, bytes);
    // An ICMP error that an earlier datagram brought about (udp(7)) is told to whoever calls next,
    // and is gone then.
    if sent.as_ref().is_err_and(|error| {
        matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted)
    }) {
        sent = socket.send_to(to, bytes);
    }
    sent
}

/// The socket is full, or the queue behind it (ENOBUFS, on BSD): later, perhaps.
fn is_full(error: &io::Error) -> bool {
    const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(ENOBUFS)
}
