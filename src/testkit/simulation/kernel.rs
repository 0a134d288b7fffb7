//! What a simulated system shares with the world around it: for each loop its events and its
//! threads, the connections that loops have begun, and the faults to come. Knows no loop.

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

/// Nothing that is done under the lock calls into a loop.
pub(super) fn lock(kernel: &Mutex<Kernel>) -> MutexGuard<'_, Kernel> {
    kernel.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
pub(super) struct Kernel {
    /// The time since the start.
    pub(super) nanos: u64,
    pub(super) loops: Vec<LoopState>,
    /// Connections that loops have begun and that are not made.
    pub(super) dials: Vec<PendingDial>,
    /// Of the connections that were denied: the loop has yet to hear of it.
    pub(super) denied: Vec<Arc<Mutex<Wire>>>,
    /// The accounts of the connections that have an id.
    pub(super) accounts: HashMap<Id, Arc<Mutex<Account>>>,
    /// Names that were looked up, by the address that was given for each.
    pub(super) names: HashMap<SocketAddr, Destination>,
    /// The peers that the service has refused.
    pub(super) refused: Vec<Peer>,
    /// The connections that handlers wanted, in order.
    pub(super) wanted: Vec<Wanted>,
    pub(super) faults: Faults,
    /// What should never have happened, of no connection in particular.
    pub(super) breach: Option<String>,
}

/// What became of a connection that a handler wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Open,
    Made,
    Unreachable,
    /// Its handler was dropped before it was told anything.
    Dropped,
}

/// What a loop has of the system.
#[derive(Default)]
pub(super) struct LoopState {
    /// The events that its next look gives.
    pub(super) events: VecDeque<(Source, Readiness)>,
    /// Its next look is interrupted by a signal.
    pub(super) is_interrupted: bool,
    pub(super) waker: Arc<AtomicBool>,
    pub(super) workers: Vec<Worker>,
    pub(super) blocking_workers: Vec<(Blocking, Counters)>,
    /// Names that are being looked up.
    pub(super) lookups: Vec<Lookup>,
    /// Those of them whose answers take long.
    pub(super) slow_lookups: Vec<Lookup>,
}

/// A connection that a loop has begun.
pub(super) struct PendingDial {
    pub(super) to: Destination,
    pub(super) wire: Arc<Mutex<Wire>>,
    pub(super) account: Arc<Mutex<Account>>,
    /// The far end does not answer, whatever comes.
    pub(super) is_silent: bool,
}

/// Calls that will fail.
#[derive(Default)]
pub(super) struct Faults {
    /// What the next calls of `connect` give instead.
    pub(super) connect: VecDeque<io::ErrorKind>,
    /// A thread could not be started.
    pub(super) threads_have_lacked: bool,
    /// How many of the next threads cannot be started.
    pub(super) threads: usize,
    /// How many of the next sockets cannot be watched.
    pub(super) watches: usize,
    /// Some could not.
    pub(super) have_failed: bool,
}

impl Kernel {
    /// Returns the connection that loops have begun and not given up, of that index.
    pub(super) fn pending(&mut self, at: usize) -> Option<&mut PendingDial> {
        self.dials.retain(|dial| !wire::lock(&dial.wire).server_gone);
        self.dials.get_mut(at)
    }

    /// Returns true if an event of a wire waits to be taken by its loop.
    pub(super) fn is_queued(&self, wire: &Wire) -> bool {
        wire.watched.is_some_and(|(index, source)| {
            self.loops[index].events.iter().any(|(of, _)| *of == source)
        })
    }

    /// Returns how many connections loops have begun that are not made, and not closed.
    pub(super) fn dialing(&self) -> usize {
        let wires = self.dials.iter().map(|dial| &dial.wire).chain(&self.denied);
        wires.filter(|wire| !wire::lock(wire).server_gone).count()
    }

    /// Returns true if the far end of a connection that is wanted will answer.
    pub(super) fn is_dialing(&self) -> bool {
        let is_open = |dial: &PendingDial| !wire::lock(&dial.wire).server_gone;
        self.dials.iter().any(|dial| !dial.is_silent && is_open(dial))
    }

    /// Returns true if something else than a limit may have ended the connection of a peer before
    /// it was served: its service, a fault, or a blocking handler that is done.
    pub(super) fn may_refuse(&self, peer: &Peer) -> bool {
        let is_blocking = self.loops.iter().any(|state| !state.blocking_workers.is_empty());
        is_blocking || self.faults.have_failed || self.refused.contains(peer)
    }

    /// Decides whether a connection is made, and takes it out.
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
    /// An event that waits to be told of. A poller has one for each source, and tells all of it.
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

    /// Lets some lookups take long: until faults cease, or the dice fall so.
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
    /// No more calls will fail.
    pub(super) fn cease(&mut self) {
        *self = Faults {
            have_failed: self.have_failed,
            threads_have_lacked: self.threads_have_lacked,
            ..Faults::default()
        };
    }

    /// The error of a thread that cannot be started, if it is to fail.
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
