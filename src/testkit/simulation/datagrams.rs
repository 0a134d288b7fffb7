//! A datagram socket in memory. Must not know handlers.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::reactor::DatagramTransport;
use crate::testkit::random::Random;

/// The state shared by both sides of a socket, in place of the kernel's.
#[derive(Default)]
pub(super) struct DatagramQueue {
    /// Datagrams that arrived and were not received.
    pub(super) waiting: VecDeque<(Peer, Vec<u8>)>,
    /// Datagrams sent by the server.
    pub(super) sent: Vec<(Peer, Vec<u8>)>,
    /// The number of datagrams that the socket accepts before it is full.
    pub(super) room: usize,
    /// Set by a change since the last event: an edge.
    pub(super) edge: bool,
    /// A send failed for lack of room: an event is due once there is room.
    pub(super) is_starved: bool,
    /// Errors for the next calls.
    pub(super) receive_errors: VecDeque<io::ErrorKind>,
    has_failed: bool,
    pub(super) received: u64,
    pub(super) closed: bool,
    /// The number of unreceived datagrams when the socket was closed.
    pub(super) left: usize,
}

/// The server's side.
pub(super) struct MemoryDatagrams(pub(super) Arc<Mutex<DatagramQueue>>);

pub(super) fn lock(queue: &Mutex<DatagramQueue>) -> MutexGuard<'_, DatagramQueue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DatagramQueue {
    /// A datagram arrives, the room changes, or a call fails.
    pub(super) fn happen(&mut self, what: usize, len: usize, random: &mut Random) {
        if self.closed {
            return;
        }
        match what {
            0 | 1 => {
                let port = 1024 + random.below(3) as u16;
                let from = Peer::from(SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), port)));
                self.waiting.push_back((from, vec![b'd'; len]));
                self.edge = true;
            }
            2 => {
                self.room = random.below(4);
                self.edge |= self.is_starved && self.room > 0;
            }
            _ => {
                self.receive_errors.push_back(io::ErrorKind::ConnectionRefused);
                self.edge = true;
            }
        }
    }

    /// From now on the socket accepts everything.
    pub(super) fn heal(&mut self) {
        self.room = usize::MAX;
        self.edge |= self.is_starved;
    }
}

impl MemoryDatagrams {
    pub(super) fn queue(&self) -> MutexGuard<'_, DatagramQueue> {
        lock(&self.0)
    }
}

impl DatagramTransport for MemoryDatagrams {
    fn address(&self) -> Address {
        Address::Udp(SocketAddr::from(([192, 0, 2, 200], 53)))
    }

    fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
        let mut queue = self.queue();
        if let Some(kind) = queue.receive_errors.pop_front() {
            queue.has_failed = true;
            return Err(kind.into());
        }
        let (from, bytes) = queue.waiting.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        queue.received += 1;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        Ok((len, from))
    }

    fn send_to(&self, to: &Peer, bytes: &[u8]) -> io::Result<()> {
        let mut queue = self.queue();
        if queue.room == 0 {
            queue.is_starved = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        queue.room -= 1;
        queue.sent.push((to.clone(), bytes.to_vec()));
        Ok(())
    }

    /// The peers of a simulation are elsewhere.
    fn is_here(&self, _: SocketAddr) -> bool {
        false
    }
}

impl Drop for MemoryDatagrams {
    fn drop(&mut self) {
        let mut queue = self.queue();
        queue.closed = true;
        // After an error a server may assume that no datagram is left.
        queue.left = if queue.has_failed { 0 } else { queue.waiting.len() };
    }
}
