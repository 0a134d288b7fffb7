//! The state shared by a simulated system and the world: events and threads for each loop,
//! connections being established, and faults to come. Must not know loops.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::account::Account;
use super::socket::MemoryStream;
use crate::accept::PeerPermit;
use crate::exec::{BlockingWorker, Worker};
use crate::hub::Readiness;
use crate::id::Id;
use crate::metrics::counters::Counters;
use crate::net::destination::Destination;
use crate::net::peer::Peer;
use crate::reactor::{Lookup, Source};
use crate::testkit::random::Random;
use crate::testkit::wire::{self, Connecting, Wire};

pub(super) type Shared = Arc<Mutex<Kernel>>;

/// A worker for blocking handlers.
pub(super) type Blocking = BlockingWorker<MemoryStream, Option<PeerPermit>>;

/// No loop is called under the lock.
pub(super) fn lock(kernel: &Mutex<Kernel>) -> MutexGuard<'_, Kernel> {
    kernel.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
pub(super) struct Kernel {
    /// The time since the start, in nanoseconds.
    pub(super) nanos: u64,
    pub(super) loops: Vec<LoopState>,
    /// Connections begun by loops and not established yet.
    pub(super) dials: Vec<PendingDial>,
    /// Connections that failed, until the loop has closed them.
    pub(super) denied: Vec<Arc<Mutex<Wire>>>,
    /// The accounts of connections by id.
    pub(super) accounts: HashMap<Id, Arc<Mutex<Account>>>,
    /// Looked-up names by the address returned for each.
    pub(super) names: HashMap<SocketAddr, Destination>,
    /// Peers refused by the service.
    pub(super) refused: Vec<Peer>,
    /// The connections requested by handlers, in order.
    pub(super) wanted: Vec<Wanted>,
    pub(super) faults: Faults,
    /// A violation of an invariant that belongs to no single connection.
    pub(super) breach: Option<String>,
}

/// The outcome of a connection requested by a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Open,
    Made,
    Unreachable,
    /// The handler was dropped before it was notified.
    Dropped,
}

/// The system's state for one loop.
#[derive(Default)]
pub(super) struct LoopState {
    /// The events of its next polls.
    pub(super) events: VecDeque<(Source, Readiness)>,
    /// A signal interrupts its next poll.
    pub(super) is_interrupted: bool,
    pub(super) waker: Arc<AtomicBool>,
    pub(super) workers: Vec<Worker>,
    pub(super) blocking_workers: Vec<(Blocking, Counters)>,
    /// Name lookups in progress.
    pub(super) lookups: Vec<Lookup>,
    /// Name lookups that take long.
    pub(super) slow_lookups: Vec<Lookup>,
}

/// A connection begun by a loop.
pub(super) struct PendingDial {
    pub(super) to: Destination,
    pub(super) wire: Arc<Mutex<Wire>>,
    pub(super) account: Arc<Mutex<Account>>,
    /// The far end never answers.
    pub(super) is_silent: bool,
}

/// Faults to come.
#[derive(Default)]
pub(super) struct Faults {
    /// Errors for the next calls of `connect`.
    pub(super) connect: VecDeque<io::ErrorKind>,
    /// A thread could not be started.
    pub(super) threads_have_lacked: bool,
    /// The number of threads that cannot be started next.
    pub(super) threads: usize,
    /// The number of sockets that cannot be watched next.
    pub(super) watches: usize,
    /// A socket could not be watched.
    pub(super) have_failed: bool,
}

impl Kernel {
    /// Returns the pending connection at this index.
    pub(super) fn pending(&mut self, at: usize) -> Option<&mut PendingDial> {
        self.dials.retain(|dial| !wire::lock(&dial.wire).server_gone);
        self.dials.get_mut(at)
    }

    /// Returns true if an event of a wire is queued at its loop.
    pub(super) fn is_queued(&self, wire: &Wire) -> bool {
        wire.watched.is_some_and(|(index, source)| {
            self.loops[index].events.iter().any(|(of, _)| *of == source)
        })
    }

    /// Returns the number of connections begun by loops, neither established nor closed.
    pub(super) fn dialing(&self) -> usize {
        let wires = self.dials.iter().map(|dial| &dial.wire).chain(&self.denied);
        wires.filter(|wire| !wire::lock(wire).server_gone).count()
    }

    /// Returns true if a requested connection will be answered.
    pub(super) fn is_dialing(&self) -> bool {
        let is_open = |dial: &PendingDial| !wire::lock(&dial.wire).server_gone;
        self.dials.iter().any(|dial| !dial.is_silent && is_open(dial))
    }

    /// Returns true if another cause than a limit may have ended the connection of a peer before it
    /// was served: its service, a fault, or a blocking handler that has returned.
    pub(super) fn may_refuse(&self, peer: &Peer) -> bool {
        let is_blocking = self.loops.iter().any(|state| !state.blocking_workers.is_empty());
        is_blocking || self.faults.have_failed || self.refused.contains(peer)
    }

    /// Removes a pending connection with this outcome.
    pub(super) fn decide(&mut self, at: usize, how: Connecting) -> PendingDial {
        let dial = self.dials.remove(at);
        let mut wire = wire::lock(&dial.wire);
        wire.connecting = how;
        wire.edge = true;
        drop(wire);
        if how != Connecting::Made {
            self.denied.retain(|wire| !wire::lock(wire).server_gone);
            self.denied.push(Arc::clone(&dial.wire));
        }
        dial
    }
}

impl LoopState {
    /// Queues an event. A poller merges the events of a source.
    pub(super) fn add_event(&mut self, source: Source, readiness: Readiness) {
        match self.events.iter_mut().find(|(of, _)| *of == source) {
            Some((_, of)) => {
                of.readable |= readiness.readable;
                of.writable |= readiness.writable;
                of.read_closed |= readiness.read_closed;
                of.error |= readiness.error;
                of.urgent |= readiness.urgent;
            }
            None => self.events.push_back((source, readiness)),
        }
    }

    /// Delays some lookups, at random or until the faults cease.
    pub(super) fn slow_down(&mut self, random: &mut Random, is_calm: bool) {
        if is_calm || !self.slow_lookups.is_empty() && random.one_in(16) {
            self.lookups.append(&mut self.slow_lookups);
        } else if !self.lookups.is_empty() && random.one_in(3) {
            self.slow_lookups.append(&mut self.lookups);
        }
    }

    pub(super) fn is_woken(&self) -> bool {
        self.waker.load(Ordering::Acquire)
    }
}

impl Faults {
    /// Ends the faults.
    pub(super) fn cease(&mut self) {
        *self = Faults {
            have_failed: self.have_failed,
            threads_have_lacked: self.threads_have_lacked,
            ..Faults::default()
        };
    }

    /// Returns an error if the next thread cannot be started.
    pub(super) fn thread(&mut self) -> io::Result<()> {
        self.threads_have_lacked |= self.threads > 0;
        fail_once(&mut self.threads)
    }

    pub(super) fn watch(&mut self) -> io::Result<()> {
        self.have_failed |= self.watches > 0;
        fail_once(&mut self.watches)
    }
}

fn fail_once(count: &mut usize) -> io::Result<()> {
    match count.checked_sub(1) {
        Some(left) => {
            *count = left;
            Err(io::ErrorKind::OutOfMemory.into())
        }
        None => Ok(()),
    }
}
