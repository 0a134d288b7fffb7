//! Admission: connections are accepted while there is room, and get their handler from the service
//! behind the listener. It ends in the hub, in another loop, or in the pool of blocking handlers.
//! Knows nothing of what connections say.

use std::collections::VecDeque;
use std::io;

use super::core::{Core, Phase};
use super::group::{Member, Transfer};
use super::part::Part;
use super::service::{ServiceKind, ask};
use super::source::Source;
use super::system::System;
use crate::accept::{AcceptOutcome, Accepted, Acceptors, ConnectionLimit, PeerPermit};
use crate::close::Close;
use crate::exec::{BlockingPool, Leaving};
use crate::limits::Limits;

/// The pool of the blocking handlers of a loop.
pub(super) type Blocking<S> = BlockingPool<<S as System>::BlockingSocket, Option<PeerPermit>>;

/// The listeners of a loop, the services behind them, and the connections that are not served yet.
pub(super) struct Admission<'s, S: System> {
    services: Vec<ServiceKind<'s>>,
    acceptors: Acceptors<S::Listener>,
    limit: ConnectionLimit,
    /// Connections that were in a listener's queue when the server stopped, and wait for room as
    /// there.
    backlog: VecDeque<Accepted<S::Socket>>,
    /// If there are blocking handlers.
    blocking: Option<Blocking<S>>,
    /// When the listeners are closed, of a server that stops and lets handshakes end first.
    closes_ms: Option<u64>,
}

/// How long handshakes may take to end when a server stops: well below the second after which a peer
/// sends its SYN again (RFC 6298, section 2).
const LAST_HANDSHAKES_MS: u64 = 300;

impl<'s, S: System> Admission<'s, S> {
    /// Has the listeners watched, each of which comes with the index of its service;
    /// `kernel_queue` connections may wait in one from before its queue was set.
    pub(super) fn new(
        system: &S,
        limits: &Limits,
        services: Vec<ServiceKind<'s>>,
        mut listeners: Vec<(S::Listener, usize)>,
        kernel_queue: u32,
        blocking: Option<Blocking<S>>,
    ) -> io::Result<Admission<'s, S>> {
        for (index, (listener, _)) in listeners.iter_mut().enumerate() {
            system.register_listener(listener, Source::Listener(index))?;
        }
        let descriptors = match listeners.is_empty() {
            true => None,
            false => system.descriptors(),
        };
        Ok(Admission {
            services,
            limit: ConnectionLimit::new(limits, descriptors),
            acceptors: Acceptors::new(listeners, limits, kernel_queue),
            backlog: VecDeque::new(),
            blocking,
            closes_ms: None,
        })
    }

    /// Notes an event of the listener of that index.
    pub(super) fn note(&mut self, index: usize) {
        self.acceptors.note(index);
    }

    pub(super) fn listens(&self) -> bool {
        !self.acceptors.is_empty()
    }

    /// Returns the number of connections of this loop.
    fn own_load(&self, core: &Core<S>) -> usize {
        core.len() + self.counted()
    }

    /// Returns the number of its connections for which [`Limits::connections`] has room: those in
    /// the backlog wait for it.
    fn counted(&self) -> usize {
        self.acceptors.over_limit() + self.blocking.as_ref().map_or(0, BlockingPool::len)
    }

    fn has_room(&mut self, core: &mut Core<S>) -> bool {
        let load = self.own_load(core) + core.others_load();
        let now = core.now;
        self.limit.allows(load, now, core.counters())
    }

    /// Admits what the turn of the acceptors gives.
    fn admit_all(&mut self, core: &mut Core<S>) {
        loop {
            let has_room = self.has_room(core);
            match self.acceptors.next(has_room, core.now, core.hub.instruments().0) {
                AcceptOutcome::Accepted(accepted) => self.admit(accepted, core),
                AcceptOutcome::OverLimit => {}
                AcceptOutcome::Nothing => return,
            }
        }
    }

    /// Admits connections whose peers had too many when they came, and have no longer.
    fn admit_over_limit(&mut self, core: &mut Core<S>) {
        while let Some(accepted) = self.acceptors.next_over_limit(core.hub.instruments().0) {
            self.admit(accepted, core);
        }
    }

    /// Empties the queues of listeners that are to be closed, into the backlog.
    fn fill_backlog(&mut self, core: &mut Core<S>) {
        loop {
            let load = self.own_load(core) + core.others_load();
            if !self.limit.has_descriptor(load + self.backlog.len()) {
                return;
            }
            match self.acceptors.next(true, core.now, core.hub.instruments().0) {
                AcceptOutcome::Accepted(accepted) => self.backlog.push_back(accepted),
                AcceptOutcome::OverLimit => {}
                AcceptOutcome::Nothing => return,
            }
        }
    }

    /// Admits from the backlog while there is room.
    fn admit_backlog(&mut self, core: &mut Core<S>) {
        if self.backlog.is_empty() {
            return;
        }
        if let Some(member) = &core.member {
            member.await_room();
        }
        while self.has_room(core) {
            let Some(accepted) = self.backlog.pop_front() else { return };
            self.admit(accepted, core);
        }
    }

    fn admit(&mut self, accepted: Accepted<S::Socket>, core: &mut Core<S>) {
        let Accepted { service, socket, incoming, permit } = accepted;
        let given = incoming.clone();
        match &mut self.services[service] {
            ServiceKind::Handlers(service) => {
                let peer = incoming.peer();
                let handler = ask(peer, core.hub.instruments(), || service.accept(given));
                if let Some(handler) = handler {
                    self.place(Transfer { socket, incoming, handler, permit }, core);
                }
            }
            ServiceKind::Blocking(service) => {
                let peer = incoming.peer();
                let handler = ask(peer, core.hub.instruments(), || service.accept(given));
                if let (Some(handler), Some(pool)) = (handler, &mut self.blocking) {
                    core.counters().opened.add(1);
                    pool.submit(socket.into(), incoming, handler, permit);
                    let system = &core.system;
                    pool.start_missing(core.now, |number, worker| {
                        system.start_blocking_worker(number, worker)
                    });
                }
            }
        }
    }

    /// Gives a connection its loop.
    fn place(&self, transfer: Transfer<S::Socket>, core: &mut Core<S>) {
        let own = self.own_load(core);
        // The other loops of a server that stops may have ended.
        if let (Some(member), Phase::Serving) = (&mut core.member, core.phase) {
            if let Some(to) = member.choose(own) {
                member.transfer(to, transfer);
                return;
            }
        }
        core.open(transfer);
    }

    /// Takes in all that has connected.
    fn take_last(&mut self, core: &mut Core<S>) {
        self.acceptors.begin_last(core.now);
        self.admit_all(core);
        self.fill_backlog(core);
        self.acceptors.recheck_over_limit();
        self.admit_over_limit(core);
    }

    fn close(&mut self, core: &mut Core<S>) {
        self.closes_ms = None;
        self.take_last(core);
        self.acceptors.close(core.counters());
    }

    /// Takes the connections in that a blocking handler has served and whose peers go on sending.
    fn take_leaving(&mut self, core: &mut Core<S>) {
        let Some(pool) = &mut self.blocking else { return };
        let (have_ended, leaving) = pool.take_ended();
        if have_ended {
            self.acceptors.retry();
        }
        for Leaving { socket, incoming, kept } in leaving {
            core.adopt(socket.into(), incoming, kept);
        }
    }
}

impl<S: System> Part<S> for Admission<'_, S> {
    /// Admits a bounded burst from each listener.
    fn turn(&mut self, core: &mut Core<S>) {
        self.take_leaving(core);
        let member = core.member.as_ref().filter(|_| self.listens());
        if member.is_some_and(Member::may_have_room) {
            self.acceptors.retry();
        }
        self.acceptors.begin(core.now);
        self.admit_all(core);
        if self.closes_ms.is_some_and(|closes_ms| closes_ms <= core.now.millis()) {
            self.close(core);
        }
    }

    /// Gives the places of connections that have ended to others, of the same peers first.
    fn take_from_hub(&mut self, core: &mut Core<S>) {
        core.return_permits();
        self.admit_over_limit(core);
        self.admit_backlog(core);
        if core.have_ended {
            self.acceptors.retry();
        }
    }

    /// If there is no room for the connections of other loops, they will tell when one ends.
    fn due_ms(&mut self, core: &mut Core<S>) -> Option<u64> {
        if let Some(closes_ms) = self.closes_ms {
            let has_room = self.has_room(core);
            return Some(
                self.acceptors.next_ms(has_room).map_or(closes_ms, |ms| ms.min(closes_ms)),
            );
        }
        // True unless something waits at a listener.
        let at_most = self.acceptors.next_ms(true)?;
        if self.has_room(core) && !self.acceptors.is_paused() {
            return Some(at_most);
        }
        if let Some(member) = &core.member {
            member.await_room();
        }
        // Once more: one may have ended just before.
        let has_room = self.has_room(core);
        self.acceptors.next_ms(has_room)
    }

    fn len(&self) -> usize {
        self.counted()
    }

    fn is_over(&self, _: &Core<S>) -> bool {
        self.acceptors.is_empty() && self.backlog.is_empty() && self.counted() == 0
    }

    fn stop(&mut self, core: &mut Core<S>) {
        match self.acceptors.refuse_new() {
            true => {
                self.take_last(core);
                self.closes_ms = Some(core.now.millis() + LAST_HANDSHAKES_MS);
            }
            false => self.close(core),
        }
        if let Some(pool) = &self.blocking {
            pool.stop();
        }
    }

    fn abort(&mut self, core: &mut Core<S>) {
        self.closes_ms = None;
        self.acceptors.close(core.counters());
        // There was no room for them.
        core.counters().refused_by_limit.add(self.backlog.len() as u64);
        self.backlog.clear();
        let waiting = self.blocking.as_mut().map_or(0, BlockingPool::abort);
        (0..waiting).for_each(|_| core.counters().close(&Close::Stopping));
    }
}
