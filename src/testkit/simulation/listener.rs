//! A listener in memory: its queue of connections, and its errors. Must not know services.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::socket::MemoryStream;
use crate::accept::Accept;
use crate::net::address::Address;
use crate::net::incoming::Incoming;
use crate::testkit::wire::Connecting;

/// The state shared by both sides of a listener, in place of the kernel's.
#[derive(Default)]
pub(super) struct ListenQueue {
    /// Connections that wait for being accepted.
    pub(super) waiting: VecDeque<(MemoryStream, Incoming)>,
    /// Errors, by their numbers, that the next calls of `accept` return instead.
    pub(super) codes: VecDeque<i32>,
    /// A connection arrived since the last event: an edge.
    pub(super) edge: bool,
    pub(super) closed: bool,
    /// The number of accepted connections.
    pub(super) accepted: u64,
    /// The length of the queue when it was closed.
    pub(super) left: usize,
    /// A call has failed for another reason than an empty queue.
    pub(super) has_failed: bool,
}

/// The server's side of a listener.
pub(super) struct MemoryListener(pub(super) Arc<Mutex<ListenQueue>>);

/// Returns the address that all listeners have.
pub(super) fn address() -> Address {
    Address::from(SocketAddr::from(([192, 0, 2, 200], 80)))
}

pub(super) fn lock(queue: &Mutex<ListenQueue>) -> MutexGuard<'_, ListenQueue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Accept for MemoryListener {
    type Socket = MemoryStream;

    fn accept(&self) -> io::Result<(MemoryStream, Incoming)> {
        let mut queue = lock(&self.0);
        if let Some(code) = queue.codes.pop_front() {
            queue.has_failed = true;
            return Err(io::Error::from_raw_os_error(code));
        }
        let accepted = queue.waiting.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        queue.accepted += 1;
        accepted.0.wire().connecting = Connecting::Made;
        Ok(accepted)
    }

    /// No connection arrives during a turn.
    fn refuse_new(&self) -> bool {
        false
    }

    fn address(&self) -> Address {
        address()
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        queue.closed = true;
        queue.left = queue.waiting.len();
        let left = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(left);
    }
}
