//! The listeners of a server, and the connections that wait because their peer has too many.

use std::io;

use super::acceptor::{Acceptor, Need, State};
use super::own_places::{OwnPlace, OwnPlaces};
use super::peer_limit::{PeerLimit, PeerPermit, TooMany};
use super::socket::Accept;
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::net::incoming::Incoming;
use crate::now::Now;

/// An accepted connection that has no handler yet.
pub(crate) struct Accepted<S> {
    /// The index of the service that the listener belongs to.
    pub(crate) service: usize,
    /// The places that it takes: one, unless it has one of its own, and those that it reserves.
    pub(crate) places: usize,
    pub(crate) own_place: Option<OwnPlace>,
    pub(crate) socket: S,
    pub(crate) incoming: Incoming,
    /// `None` if the connections of each peer are not limited.
    pub(crate) permit: Option<PeerPermit>,
}

/// The places for the connections of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    /// Those that each connection takes.
    pub(crate) each: usize,
    /// Those that no other service's connections take.
    pub(crate) own: usize,
}

/// The result of one step of a turn.
pub(crate) enum AcceptOutcome<S> {
    Accepted(Accepted<S>),
    /// An accepted connection whose peer has too many: [kept](Acceptors::next_over_limit) until the
    /// end of the next turn.
    OverLimit,
    /// No acceptor has another connection in this turn.
    Nothing,
}

/// The acceptors of a server.
///
/// A turn [begins](Acceptors::begin) and then returns the [next](Acceptors::next) connection, one
/// at a time, in bounded bursts from each listener.
pub(crate) struct Acceptors<L: Accept> {
    acceptors: Vec<Acceptor<L>>,
    peer_limit: PeerLimit,
    /// Connections accepted in this turn from peers that already have too many.
    over_limit: Vec<Accepted<L::Socket>>,
    /// The same from the previous turn: checked again at the end of this one.
    last_over_limit: Vec<Accepted<L::Socket>>,
    /// The index of the acceptor that is accepting its burst.
    at: usize,
    burst: usize,
    /// The length of the longest queue of a listener.
    queue: usize,
}

impl<L: Accept> Acceptors<L> {
    /// Creates the acceptors of `listeners`, each with the index of its service; `places` are those
    /// of each service. Up to `kernel_queue` connections may wait in a listener
    /// that was opened before [`Limits::listen_queue`] was set.
    pub(crate) fn new(
        listeners: Vec<(L, usize)>,
        places: &[Places],
        limits: &Limits,
        kernel_queue: u32,
    ) -> Acceptors<L> {
        let places: Vec<(usize, OwnPlaces)> =
            places.iter().map(|it| (it.each, OwnPlaces::new(it.own))).collect();
        let places = |service: usize| places.get(service).cloned();
        let places = |service| places(service).unwrap_or((1, OwnPlaces::new(0)));
        let acceptors: Vec<Acceptor<L>> =
            listeners.into_iter().map(|(l, s)| Acceptor::new(l, s, places(s))).collect();
        Acceptors {
            at: acceptors.len(),
            acceptors,
            peer_limit: PeerLimit::new(limits),
            over_limit: Vec::new(),
            last_over_limit: Vec::new(),
            burst: limits.accept_burst,
            // Linux queues one more than the backlog.
            queue: limits.listen_queue.max(kernel_queue) as usize + 1,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.acceptors.is_empty()
    }

    /// Records an event of listener `index`. A closed listener may still have one.
    pub(crate) fn note(&mut self, index: usize) {
        if let Some(acceptor) = self.acceptors.get_mut(index) {
            acceptor.state = State::Reported;
        }
    }

    /// Returns true if an acceptor waits for descriptors or memory.
    pub(crate) fn is_paused(&self) -> bool {
        self.acceptors.iter().any(|acceptor| matches!(acceptor.state, State::Paused { .. }))
    }

    /// Returns the time of the next look without an event, in milliseconds. `has_room` tells if
    /// there is room for a connection that takes this number of places.
    pub(crate) fn next_ms(&self, mut has_room: impl FnMut(usize) -> bool) -> Option<u64> {
        match self.over_limit() {
            0 => self.acceptors.iter().filter_map(|it| it.due_ms(&mut has_room)).min(),
            _ => Some(0),
        }
    }

    /// Ends all pauses: a connection has closed, so there is a descriptor again.
    pub(crate) fn retry(&mut self) {
        for acceptor in &mut self.acceptors {
            if matches!(acceptor.state, State::Paused { .. }) {
                acceptor.state = State::Ready;
            }
        }
    }

    /// Begins a turn.
    pub(crate) fn begin(&mut self, now: Now) {
        self.at = 0;
        self.recheck_over_limit();
        for acceptor in &mut self.acceptors {
            acceptor.begin(self.burst, now);
        }
    }

    /// Makes the listeners refuse new peers, if the system can. Returns true if handshakes that
    /// have begun can still end on some listener.
    pub(crate) fn refuse_new(&self) -> bool {
        self.acceptors.iter().fold(false, |any, acceptor| acceptor.refuse_new() | any)
    }

    /// Begins the last turn. The peers in a listener's queue have connected already: closing the
    /// listener would reset them.
    pub(crate) fn begin_last(&mut self, now: Now) {
        self.burst = self.queue;
        self.begin(now);
        for acceptor in &mut self.acceptors {
            acceptor.state = State::Ready;
        }
    }

    /// Returns to the listeners without room for their connections.
    pub(crate) fn start_over(&mut self) {
        self.at = 0;
    }

    /// Returns the next connection of this turn, if there is room for it: `has_room` tells if there
    /// is for a number of places.
    pub(crate) fn next(
        &mut self,
        mut has_room: impl FnMut(usize) -> bool,
        now: Now,
        counters: &Counters,
    ) -> AcceptOutcome<L::Socket> {
        while let Some(acceptor) = self.acceptors.get_mut(self.at) {
            // Without room, connections wait in the queue of the listener, and the acceptor stays
            // ready. The connections of another one may need fewer places.
            if !acceptor.may_accept() || !acceptor.has_room(&mut has_room) {
                self.at += 1;
                continue;
            }
            let Some((socket, incoming)) = acceptor.try_accept(self.burst, now, counters) else {
                continue;
            };
            counters.accepted.add(1);
            let permit = self.peer_limit.acquire(incoming.peer());
            let (service, (places, own_place)) = (acceptor.service, acceptor.take_place());
            let accepted = Accepted { service, places, own_place, socket, incoming, permit: None };
            return match permit {
                Ok(permit) => AcceptOutcome::Accepted(Accepted { permit, ..accepted }),
                Err(TooMany) => {
                    self.over_limit.push(accepted);
                    AcceptOutcome::OverLimit
                }
            };
        }
        AcceptOutcome::Nothing
    }

    /// Returns true if a connection waits that there is no room for. Calls `watch` for a listener,
    /// with its index, if only an event can tell.
    pub(crate) fn want_room(
        &mut self,
        mut has_room: impl FnMut(usize) -> bool,
        mut watch: impl FnMut(usize, &mut L) -> io::Result<()>,
    ) -> bool {
        let mut wants = false;
        for (index, acceptor) in self.acceptors.iter_mut().enumerate() {
            match acceptor.need(&mut has_room) {
                Need::Nothing => {}
                Need::Look => acceptor.watch_again(|listener| watch(index, listener)),
                Need::Room => wants = true,
            }
        }
        wants
    }

    /// Returns the number of connections accepted from peers that had too many.
    pub(crate) fn over_limit(&self) -> usize {
        self.over_limit.len() + self.last_over_limit.len()
    }

    /// Returns the number of places for those connections.
    pub(crate) fn places_over_limit(&self) -> usize {
        self.over_limit.iter().chain(&self.last_over_limit).map(|accepted| accepted.places).sum()
    }

    /// Marks the connections over the limit for another check at the end of this turn.
    pub(crate) fn recheck_over_limit(&mut self) {
        self.last_over_limit.append(&mut self.over_limit);
    }

    /// Returns, at the end of a turn, the next connection whose peer had too many in the previous
    /// turn and no longer has. A peer may reconnect immediately: its new connection is accepted
    /// before the end of the old one is read, which happens in the next turn. Closes the other
    /// connections.
    pub(crate) fn next_over_limit(&mut self, counters: &Counters) -> Option<Accepted<L::Socket>> {
        while let Some(accepted) = self.last_over_limit.pop() {
            match self.peer_limit.acquire(accepted.incoming.peer()) {
                Ok(permit) => return Some(Accepted { permit, ..accepted }),
                Err(TooMany) => {
                    counters.refused_by_limit.add(1);
                    let peer = accepted.incoming.peer();
                    log::debug!("{peer}: refused: too many connections of this peer");
                }
            }
        }
        None
    }

    /// Closes the listeners, and the connections that are over the limit.
    pub(crate) fn close(&mut self, counters: &Counters) {
        counters.refused_by_limit.add(self.over_limit() as u64);
        self.acceptors.clear();
        self.over_limit.clear();
        self.last_over_limit.clear();
    }
}
