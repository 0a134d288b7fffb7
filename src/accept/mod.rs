//! Who is let in, and when: listeners between their events. Pure: it is handed its listeners, the
//! room there is and the time. Must not know a poller, nor what becomes of those who came.

mod door;

use std::io;

use self::door::{Accepting, Door, Look};
use crate::counters::Counters;
use crate::{Address, Limits, Now, Peer};

pub(crate) use self::door::concerns_one_peer;

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
}

/// The listeners of a server.
///
/// A turn [begins](Doors::begin), and then gives one [newcomer](Doors::next) after the
/// other, a bounded burst from each listener.
pub(crate) struct Doors<L> {
    doors: Vec<Door<L>>,
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
        self.doors.iter().all(|door| door.accepting == Accepting::Idle)
    }

    /// Whether one of them waits for descriptors or memory.
    pub(crate) fn is_paused(&self) -> bool {
        self.doors.iter().any(|door| matches!(door.accepting, Accepting::Paused { .. }))
    }

    /// When to look without an event, in milliseconds.
    pub(crate) fn next_ms(&self, has_room: impl Fn() -> bool) -> Option<u64> {
        let due = |door: &Door<L>| match door.accepting {
            Accepting::Idle => None,
            Accepting::Ready => has_room().then_some(0),
            Accepting::Paused { until_ms } => Some(until_ms),
        };
        self.doors.iter().filter_map(due).min()
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
    ) -> Option<Newcomer<L::Socket>> {
        while let Some(door) = self.doors.get_mut(self.at) {
            if !door.may_look() {
                self.at += 1;
                continue;
            }
            // Without room they wait in the listener's queue, which stays marked.
            if !has_room {
                return None;
            }
            match door.look(self.burst, now, counters) {
                Look::Came(socket, peer) => {
                    counters.accepted.add(1);
                    return Some(Newcomer { service: door.service, socket, peer });
                }
                Look::Nobody => {}
            }
        }
        None
    }

    /// Closes the listeners.
    pub(crate) fn close(&mut self) {
        self.doors.clear();
    }
}
