//! The core of a loop: the system, the hub, the time, and how far the server is. All parts of the
//! loop work on it; it knows none of them.

use std::collections::HashMap;
use std::io;

use super::group::{Member, Transfer};
use super::source::Source;
use super::system::System;
use crate::accept::PeerPermit;
use crate::exec::Task;
use crate::hub::Hub;
use crate::id::Id;
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::net::incoming::Incoming;
use crate::now::Now;
use crate::panics;

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// No listener is open; connections end one by one, the rest at this time.
    Draining {
        until_ms: u64,
    },
    Aborted,
}

impl Phase {
    /// Returns when connections are not waited for any more.
    pub(super) fn until_ms(self) -> Option<u64> {
        match self {
            Phase::Serving => None,
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
    /// Events may wait that have not been noted: nothing times out in this turn.
    pub(super) has_unseen_events: bool,
    /// Connections have ended in this turn of the hub.
    pub(super) have_ended: bool,
    /// In [`Mode::Reactors`](crate::Mode::Reactors): its place among the others.
    pub(super) member: Option<Member<S::Socket>>,
    /// The connections that parts of the loop have, other than the part at work.
    pub(super) in_parts: usize,
    /// Of the connections in the hub, if those of each peer are limited.
    permits: HashMap<Id, PeerPermit>,
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
        }
    }

    pub(super) fn counters(&mut self) -> &Counters {
        self.hub.instruments().0
    }

    /// Returns true if the hub's turn has left something for a part.
    #[inline]
    pub(super) fn has_left_something(&mut self) -> bool {
        self.have_ended
            || self.hub.has_tasks()
            || self.hub.dials() > 0
            || self.member.is_some() && self.hub.outboxes().next().is_some()
    }

    /// Returns the number of connections of this loop, except those of the part at work.
    pub(super) fn len(&self) -> usize {
        self.hub.len() + self.hub.dials() + self.in_parts
    }

    /// Returns the number of connections of the other loops of the server.
    pub(super) fn others_load(&self) -> usize {
        self.member.as_ref().map_or(0, Member::others_load)
    }

    /// Takes in a connection that was accepted, here or by another loop for this one.
    pub(super) fn open(&mut self, transfer: Transfer<S::Socket>) {
        let Transfer { mut socket, incoming, handler, permit } = transfer;
        match self.watch(&mut socket) {
            Ok(()) => {
                let id = self.hub.open(socket, incoming, handler);
                self.permits.extend(permit.map(|permit| (id, permit)));
            }
            // The poller has no room for this one (ENOSPC, ENOMEM); the others stay.
            Err(error) => {
                log::warn!("{}: cannot be watched: {error}", incoming.peer());
                self.counters().refused_by_system.add(1);
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
            Err(error) => log::debug!("{}: cannot be watched: {error}", incoming.peer()),
        }
    }

    /// Has the poller watch a socket as that of the next connection.
    fn watch(&self, socket: &mut S::Socket) -> io::Result<()> {
        self.system.register(socket, Source::Connection(self.hub.next_id()))
    }

    /// Gives back the permits of the connections that have left the hub.
    pub(super) fn return_permits(&mut self) {
        if self.limits.connections_per_peer.is_some() {
            for (id, socket) in self.hub.take_departed() {
                self.permits.remove(&id);
                // In this order: the peer may come again as soon as it sees the end.
                drop(socket);
            }
        }
    }

    #[cfg(debug_assertions)]
    pub(super) fn check_rest(&self) {
        let (permits, connections) = (self.permits.len(), self.hub.len());
        assert!(permits <= connections, "{permits} permits for {connections} connections");
    }

    /// Ends the connections of the hub. The parts have handed back all handlers that can be had.
    pub(super) fn abort(&mut self) {
        self.hub.abort();
        let mut told = Vec::new();
        // A handler that is here is told the end here: no worker is waited for any more.
        for mut task in self.hub.take_tasks() {
            if matches!(task, Task::Job(_)) {
                task.run();
            }
            match task {
                Task::Job(job) => told.push(job),
                // It may block, and nothing is left to hear of its result.
                Task::Offloaded(offloaded) => panics::drop_quietly(offloaded),
            }
        }
        self.hub.finish_abort(told);
        self.return_permits();
    }
}
