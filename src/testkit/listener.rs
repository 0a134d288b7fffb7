//! A listener in memory: who waits at it, and the errors of the system. Knows no service.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::wire::{MemorySocket, Wire};
use crate::accept::Accept;
use crate::net::address::Address;
use crate::net::peer::Peer;

/// What both sides of a listener share: the part of the kernel.
#[derive(Default)]
pub(super) struct ListenQueue {
    /// Who has connected and has not been accepted, by number.
    pub(super) waiting: VecDeque<(usize, Arc<Mutex<Wire>>)>,
    /// What the next calls of `accept` give instead: errors by their numbers.
    pub(super) codes: VecDeque<i32>,
    /// Somebody came since the last event: an edge.
    pub(super) edge: bool,
    pub(super) closed: bool,
}

/// The server's side of a listener.
pub(super) struct MemoryListener(pub(super) Arc<Mutex<ListenQueue>>);

/// The server's end of a connection, and whose it is.
pub(super) struct Accepted {
    pub(super) who: usize,
    pub(super) socket: MemorySocket,
}

pub(super) fn lock(queue: &Mutex<ListenQueue>) -> MutexGuard<'_, ListenQueue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Accept for MemoryListener {
    type Socket = Accepted;

    fn accept(&self) -> io::Result<(Accepted, Peer)> {
        let mut queue = lock(&self.0);
        if let Some(code) = queue.codes.pop_front() {
            return Err(io::Error::from_raw_os_error(code));
        }
        match queue.waiting.pop_front() {
            Some((who, wire)) => {
                let port = 1024 + (who % 60_000) as u16;
                let peer = Peer::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), port));
                Ok((Accepted { who, socket: MemorySocket(wire) }, peer))
            }
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn address(&self) -> Address {
        Address::from(std::net::SocketAddr::from(([192, 0, 2, 2], 80)))
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        lock(&self.0).closed = true;
    }
}
