//! The core of a loop: the system, the hub, the clock, and the phase of the server. All parts of
//! the loop use it. Must not know the parts.

use std::collections::HashMap;
use std::io;

use super::group::{Member, Transfer};
use super::source::Source;
use super::system::System;
use crate::accept::{OwnPlace, PeerPermit, Reservations};
use crate::exec::Task;
use crate::hub::Hub;
use crate::id::Id;
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::net::incoming::Incoming;
use crate::now::Now;
use crate::panics;

/// The phase of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// The server serves as before until this time, and then stops.
    Leaving {
        until_ms: u64,
    },
    /// No listener is open. Connections end one by one; the rest is cut at this time.
    Draining {
        until_ms: u64,
    },
    Aborted,
}

impl Phase {
    /// Returns true before the listeners are closed.
    pub(super) fn is_serving(self) -> bool {
        matches!(self, Phase::Serving | Phase::Leaving { .. })
    }

    /// Returns the time at which the remaining connections are cut.
    pub(super) fn until_ms(self) -> Option<u64> {
        match self {
            Phase::Serving | Phase::Leaving { .. } => None,
            Phase::Draining { until_ms } => Some(until_ms),
            Phase::Aborted => Some(0),
        }
    }
}

pub(super) struct Core<S: System> {
    pub(super) system: S,
    pub(super) hub: Hub<S::Socket>,
    pub(super) now: Now,
    pub(super) limits: Limits,
    pub(super) phase: Phase,
    /// Set if events may be pending in the poller: no deadline expires in this turn.
    pub(super) has_unseen_events: bool,
    /// Set if connections ended in this turn of the hub.
    pub(super) have_ended: bool,
    /// The place in the group of reactors, in [`Mode::Reactors`](crate::Mode::Reactors).
    pub(super) member: Option<Member<S::Socket>>,
    /// The number of connections held by parts of the loop, without the running part.
    pub(super) in_parts: usize,
    /// The permits of the connections in the hub, if connections per peer are limited.
    permits: HashMap<Id, PeerPermit>,
    /// The places reserved by connections in the hub.
    pub(super) reserved: Reservations,
    /// The connections in the hub on places that only their service has.
    own_places: HashMap<Id, OwnPlace>,
}

impl<S: System> Core<S> {
    pub(super) fn new(
        system: S,
        hub: Hub<S::Socket>,
        now: Now,
        limits: Limits,
        member: Option<Member<S::Socket>>,
    ) -> Core<S> {
        Core {
            system,
            hub,
            now,
            limits,
            phase: Phase::Serving,
            has_unseen_events: false,
            have_ended: false,
            member,
            in_parts: 0,
            permits: HashMap::new(),
            reserved: Reservations::default(),
            own_places: HashMap::new(),
        }
    }

    pub(super) fn counters(&mut self) -> &Counters {
        self.hub.instruments().0
    }

    /// Returns true if the hub's turn has left work for a part.
    #[inline]
    pub(super) fn has_left_something(&mut self) -> bool {
        self.have_ended
            || self.hub.has_tasks()
            || self.hub.dials() > 0
            || self.member.is_some() && self.hub.outboxes().next().is_some()
    }

    /// Returns the number of connections of this loop, without those of the running part.
    pub(super) fn len(&self) -> usize {
        self.hub.len() + self.hub.dials() + self.in_parts
    }

    /// Returns the number of places that they take of [`Limits::connections`], with those they have
    /// reserved.
    pub(super) fn load(&self) -> usize {
        // Those that have left the hub in this turn are not counted twice.
        let own = self.own_places.keys().filter(|id| self.hub.has(**id)).count();
        self.len() + self.reserved.len() - self.hub.without_place() - own
    }

    /// Returns the number of places that the connections of the other loops take.
    pub(super) fn others_load(&self) -> usize {
        self.member.as_ref().map_or(0, Member::others_load)
    }

    /// Asks the next loop for a connection that gives way, because this one has none.
    pub(super) fn ask_next(&self) {
        if let Some(member) = &self.member {
            member.ask_next();
        }
    }

    /// Opens a connection accepted here or by another loop for this one.
    pub(super) fn open(&mut self, transfer: Transfer<S::Socket>) {
        let Transfer { mut socket, incoming, handler, permit, places, own_place } = transfer;
        let reserved = if own_place.is_some() { places } else { places.saturating_sub(1) };
        match self.watch(&mut socket) {
            Ok(()) => {
                let id = self.hub.open(socket, incoming, handler);
                self.permits.extend(permit.map(|permit| (id, permit)));
                if reserved > 0 || own_place.is_some() {
                    self.hub.note_departures();
                }
                self.reserved.reserve(id, reserved);
                self.own_places.extend(own_place.map(|place| (id, place)));
            }
            // The poller has no room for this socket (ENOSPC, ENOMEM); the others are not affected.
            Err(error) => {
                log::warn!("{}: cannot watch the socket: {error}", incoming.peer());
                self.counters().refused_by_system.add(1);
                self.free(own_place);
                panics::drop_quietly(handler);
            }
        }
    }

    /// Takes in a connection that was served elsewhere and must linger.
    pub(super) fn adopt(
        &mut self,
        mut socket: S::Socket,
        incoming: Incoming,
        permit: Option<PeerPermit>,
    ) {
        match self.watch(&mut socket) {
            Ok(()) => {
                let id = self.hub.adopt_lingering(socket, incoming);
                self.permits.extend(permit.map(|permit| (id, permit)));
            }
            Err(error) => log::debug!("{}: cannot watch the socket: {error}", incoming.peer()),
        }
    }

    /// Registers a socket under the id of the next connection.
    fn watch(&self, socket: &mut S::Socket) -> io::Result<()> {
        self.system.register(socket, Source::Connection(self.hub.next_id()))
    }

    /// Releases the permits and the places of connections that have left the hub.
    pub(super) fn return_permits(&mut self) {
        for (id, socket) in self.hub.take_departed() {
            self.permits.remove(&id);
            self.reserved.end(id);
            let own_place = self.own_places.remove(&id);
            self.free(own_place);
            // The permit goes first: the peer may reconnect as soon as it sees the end.
            drop(socket);
        }
    }

    fn free(&self, own_place: Option<OwnPlace>) {
        if own_place.is_some() {
            drop(own_place);
            if let Some(member) = &self.member {
                member.note_free_place();
            }
        }
    }

    #[cfg(all(debug_assertions, feature = "testkit"))]
    pub(super) fn check_rest(&self) {
        let (permits, connections) = (self.permits.len(), self.hub.len());
        assert!(permits <= connections, "{permits} permits for {connections} connections");
        let hosts = self.reserved.connections();
        assert!(hosts <= connections, "{hosts} with reserved places of {connections} connections");
    }

    /// Ends the connections of the hub. The parts have already returned all available handlers.
    pub(super) fn abort(&mut self) {
        self.hub.abort();
        let mut told = Vec::new();
        // A handler that is here runs `on_close` in this thread: no worker is awaited any more.
        for mut task in self.hub.take_tasks() {
            if matches!(task, Task::Job(_)) {
                task.run();
            }
            match task {
                Task::Job(job) => told.push(job),
                // It may block, and its result has no receiver.
                Task::Offloaded(offloaded) => panics::drop_quietly(offloaded),
            }
        }
        self.hub.finish_abort(told);
        self.return_permits();
    }
}
