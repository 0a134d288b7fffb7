//! Who is let in, and when: listeners between their events. Pure: it is handed its listeners, the
//! room there is and the time. Must not know a poller, nor what becomes of those who came.

mod door;
mod per_peer;
mod room;

use std::io;

use self::door::{Accepting, Door, Look};
use self::per_peer::TooMany;
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::now::Now;

pub(crate) use self::door::concerns_one_peer;
pub(crate) use self::per_peer::{Entry, PerPeer};
pub(crate) use self::room::{Descriptors, Room};

/// How long to wait when the system is out of descriptors or memory.
pub(crate) const PAUSE_MS: u64 = 100;

/// What listens: a socket, or one in memory.
pub(crate) trait Acceptor {
    type Socket;

    /// The next one in the queue. `WouldBlock` if there is none, and an event will tell when there
    /// is.
    fn accept(&self) -> io::Result<(Self::Socket, Peer)>;

    /// Where it listens.
    fn address(&self) -> Address;
}

/// Somebody who has been let in.
pub(crate) struct Newcomer<S> {
    /// The index of the service behind the listener.
    pub(crate) service: usize,
    pub(crate) socket: S,
    pub(crate) peer: Peer,
    /// If the connections of a peer are counted.
    pub(crate) entry: Option<Entry>,
}

/// What the turn of the listeners gives next.
pub(crate) enum Arrival<S> {
    Came(Newcomer<S>),
    /// Somebody who has too many connections: [held](Doors::next_held) until the end of the next turn.
    Held,
    Nobody,
}

/// The listeners of a server.
///
/// A turn [begins](Doors::begin), and then gives one [newcomer](Doors::next) after the
/// other, a bounded burst from each listener.
pub(crate) struct Doors<L: Acceptor> {
    doors: Vec<Door<L>>,
    per_peer: PerPeer,
    /// Who came in this turn and has too many connections already.
    held: Vec<Newcomer<L::Socket>>,
    /// The same of the turn before: asked again at the end of this one.
    due: Vec<Newcomer<L::Socket>>,
    /// The one whose burst it is.
    at: usize,
    burst: usize,
    /// How many may be in a listener's queue.
    queue: usize,
}

impl<L: Acceptor> Doors<L> {
    /// Listeners, each with the index of its service; `kernel_queue` may wait in one before
    /// [`Limits::listen_queue`] was set.
    pub(crate) fn new(doors: Vec<(L, usize)>, limits: &Limits, kernel_queue: u32) -> Doors<L> {
        let doors: Vec<Door<L>> = doors.into_iter().map(|(l, s)| Door::new(l, s)).collect();
        Doors {
            at: doors.len(),
            doors,
            per_peer: PerPeer::new(limits),
            held: Vec::new(),
            due: Vec::new(),
            burst: limits.accept_burst,
            // Linux lets in one more than it was told.
            queue: limits.listen_queue.max(kernel_queue) as usize + 1,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.doors.is_empty()
    }

    /// The listener of that index has news. `false` if there is none.
    pub(crate) fn note(&mut self, index: usize) -> bool {
        let door = self.doors.get_mut(index);
        door.map(|door| door.accepting = Accepting::Ready).is_some()
    }

    /// Whether none of them has anything to look at, now or later. True in most turns.
    pub(crate) fn are_idle(&self) -> bool {
        self.held() == 0 && self.doors.iter().all(|door| door.accepting == Accepting::Idle)
    }

    /// Whether one of them waits for descriptors or memory.
    pub(crate) fn is_paused(&self) -> bool {
        self.doors.iter().any(|door| matches!(door.accepting, Accepting::Paused { .. }))
    }

    /// When to look without an event, in milliseconds.
    pub(crate) fn next_ms(&self, has_room: bool) -> Option<u64> {
        let due = |door: &Door<L>| match door.accepting {
            Accepting::Idle => None,
            Accepting::Ready => has_room.then_some(0),
            Accepting::Paused { until_ms } => Some(until_ms),
        };
        match self.held() {
            0 => self.doors.iter().filter_map(due).min(),
            _ => Some(0),
        }
    }

    /// A connection has closed, so there is a descriptor again.
    pub(crate) fn retry(&mut self) {
        for door in &mut self.doors {
            if matches!(door.accepting, Accepting::Paused { .. }) {
                door.accepting = Accepting::Ready;
            }
        }
    }

    /// Begins a turn.
    pub(crate) fn begin(&mut self, now: Now) {
        self.at = 0;
        self.make_due();
        for door in &mut self.doors {
            door.begin(self.burst, now);
        }
    }

    /// Begins the last turn. Whoever is in a listener's queue has connected already: closing the
    /// listener would reset them.
    pub(crate) fn begin_last(&mut self, now: Now) {
        self.burst = self.queue;
        self.begin(now);
        for door in &mut self.doors {
            door.accepting = Accepting::Ready;
        }
    }

    /// The next newcomer of this turn, if there is room for one.
    pub(crate) fn next(
        &mut self,
        has_room: bool,
        now: Now,
        counters: &Counters,
    ) -> Arrival<L::Socket> {
        while let Some(door) = self.doors.get_mut(self.at) {
            if !door.may_look() {
                self.at += 1;
                continue;
            }
            // Without room they wait in the listener's queue, which stays marked.
            if !has_room {
                return Arrival::Nobody;
            }
            match door.look(self.burst, now, counters) {
                Look::Came(socket, peer) => {
                    counters.accepted.add(1);
                    let service = door.service;
                    return match self.per_peer.enter(&peer) {
                        Ok(entry) => Arrival::Came(Newcomer { service, socket, peer, entry }),
                        Err(TooMany) => {
                            self.held.push(Newcomer { service, socket, peer, entry: None });
                            Arrival::Held
                        }
                    };
                }
                Look::Nobody => {}
            }
        }
        Arrival::Nobody
    }

    /// How many have been accepted and not let in yet.
    pub(crate) fn held(&self) -> usize {
        self.held.len() + self.due.len()
    }

    /// Whoever is held is asked again at the end of this turn.
    pub(crate) fn make_due(&mut self) {
        self.due.append(&mut self.held);
    }

    /// At the end of a turn: the next of those who had too many connections when they came in the
    /// turn before. Who ends one connection and begins another at once is seen to come before the
    /// end is seen, but that was there first: the next look at the events has shown it. Those who
    /// still have too many are closed.
    pub(crate) fn next_held(&mut self, counters: &Counters) -> Option<Newcomer<L::Socket>> {
        while let Some(newcomer) = self.due.pop() {
            let Newcomer { service, socket, peer, .. } = newcomer;
            match self.per_peer.enter(&peer) {
                Ok(entry) => return Some(Newcomer { service, socket, peer, entry }),
                Err(TooMany) => {
                    counters.refused_by_limit.add(1);
                    log::debug!("{peer}: refused: too many connections of this peer");
                }
            }
        }
        None
    }

    /// Closes the listeners.
    pub(crate) fn close(&mut self) {
        self.doors.clear();
        self.held.clear();
        self.due.clear();
    }
}
