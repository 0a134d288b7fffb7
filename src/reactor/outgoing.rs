//! Datagrams that a socket did not accept yet: a queue bounded in size and in time.

use std::collections::VecDeque;
use std::io;

use super::system::DatagramTransport;
use crate::net::peer::Peer;
use crate::now::Now;

/// The most datagrams that may wait for one socket, whatever their size.
const QUEUE_MAX: usize = 1024;
/// The longest time that a datagram waits.
const WAIT_MS: u64 = 30_000;
/// The pause between two tries. A socket that is full itself reports when it is writable again, but
/// a Unix socket may not report that its peer's queue has room.
const RETRY_MS: u64 = 20;
/// The most full peers in one round; the rest waits for the next round.
const BLOCKED_MAX: usize = 16;

pub(super) struct Outgoing {
    queue: VecDeque<QueuedDatagram>,
    /// The number of queued bytes.
    len: usize,
    /// The most queued bytes before another datagram is added.
    len_max: usize,
    retry_at_ms: u64,
}

struct QueuedDatagram {
    to: Peer,
    bytes: Box<[u8]>,
    until_ms: u64,
}

/// The result of sending a datagram.
pub(super) enum Sent {
    Gone,
    Waits,
}

impl Outgoing {
    pub(super) fn new(len_max: usize) -> Outgoing {
        Outgoing { queue: VecDeque::new(), len: 0, len_max, retry_at_ms: 0 }
    }

    /// Sends a datagram, or queues it until the socket accepts it.
    ///
    /// # Errors
    ///
    /// If the datagram is lost: the socket refused it, or the queue is full.
    pub(super) fn send(
        &mut self,
        socket: &impl DatagramTransport,
        to: &Peer,
        bytes: &[u8],
        now: Now,
    ) -> io::Result<Sent> {
        // Datagrams queued for the same peer go first.
        if !self.queue.iter().any(|datagram| datagram.to == *to) {
            match send(socket, to, bytes) {
                Err(error) if is_full(&error) => {}
                done => return done.map(|()| Sent::Gone),
            }
        }
        if self.queue.len() >= QUEUE_MAX || self.len > self.len_max {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "the send queue is full"));
        }
        if self.queue.is_empty() {
            self.retry_at_ms = now.millis() + RETRY_MS;
        }
        self.len += bytes.len();
        let until_ms = now.millis() + WAIT_MS;
        self.queue.push_back(QueuedDatagram { to: to.clone(), bytes: bytes.into(), until_ms });
        Ok(Sent::Waits)
    }

    /// Returns the time of the next try.
    pub(super) fn next_ms(&self) -> Option<u64> {
        (!self.queue.is_empty()).then_some(self.retry_at_ms)
    }

    /// Notes that the socket has room.
    pub(super) fn note_writable(&mut self) {
        self.retry_at_ms = 0;
    }

    /// Sends queued datagrams, if it is time; calls `tell` for each that was sent or lost.
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
            // A blocked datagram blocks later ones to its peer, which keeps the order.
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

    /// Returns the number of queued datagrams.
    pub(super) fn count(&self) -> usize {
        self.queue.len()
    }
}

fn send(socket: &impl DatagramTransport, to: &Peer, bytes: &[u8]) -> io::Result<()> {
    let mut sent = socket.send_to(to, bytes);
    // An ICMP error of an earlier datagram (udp(7)) is returned by the next call, and then cleared.
    if sent.as_ref().is_err_and(|error| {
        matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted)
    }) {
        sent = socket.send_to(to, bytes);
    }
    sent
}

/// Returns true if the socket or the device queue (ENOBUFS, on BSD) is full.
fn is_full(error: &io::Error) -> bool {
    const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(ENOBUFS)
}
