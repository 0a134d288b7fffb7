//! A datagram socket in memory. Knows no handler.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::reactor::DatagramTransport;
use crate::testkit::random::Random;

/// What both sides share: the part of the kernel.
#[derive(Default)]
pub(super) struct DatagramQueue {
    /// What has come and was not received.
    pub(super) waiting: VecDeque<(Peer, Vec<u8>)>,
    /// What the server has sent.
    pub(super) sent: Vec<(Peer, Vec<u8>)>,
    /// How many more the socket takes before it is full.
    pub(super) room: usize,
    /// Something changed since the last event: an edge.
    pub(super) edge: bool,
    /// The server was refused for want of room, and waits to be told of it.
    pub(super) is_starved: bool,
    /// What the next calls give instead.
    pub(super) receive_errors: VecDeque<io::ErrorKind>,
    has_failed: bool,
    pub(super) received: u64,
    pub(super) closed: bool,
    /// How many had come and were not received when it was closed.
    pub(super) left: usize,
}

/// The server's side.
pub(super) struct MemoryDatagrams(pub(super) Arc<Mutex<DatagramQueue>>);

pub(super) fn lock(queue: &Mutex<DatagramQueue>) -> MutexGuard<'_, DatagramQueue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DatagramQueue {
    /// One comes from a peer, or there is more or less room, or a call fails.
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

    /// From now on all is taken.
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
}

impl Drop for MemoryDatagrams {
    fn drop(&mut self) {
        let mut queue = self.queue();
        queue.closed = true;
        // Of an error a server may take it that there is nothing more.
        queue.left = if queue.has_failed { 0 } else { queue.waiting.len() };
    }
}
