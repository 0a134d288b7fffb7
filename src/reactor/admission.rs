//! Admission: accepts connections while there is room, and gets a handler for each from the service
//! of its listener. The connection then moves to the hub, to another loop, or to the pool of
//! blocking handlers. Must not know any protocol.

use std::collections::VecDeque;
use std::io;

use super::core::Core;
use super::group::{Member, Transfer};
use super::part::Part;
use super::service::{ServiceKind, ask};
use super::source::Source;
use super::system::System;
use crate::accept::{AcceptOutcome, Accepted, Acceptors, ConnectionLimit, PeerPermit, Places};
use crate::close::Close;
use crate::exec::{BlockingPool, Leaving};
use crate::limits::Limits;

/// The pool of the blocking handlers of a loop.
pub(super) type Blocking<S> = BlockingPool<<S as System>::BlockingSocket, Option<PeerPermit>>;

/// The listeners of a loop, their services, and the connections that are not served yet.
pub(super) struct Admission<'s, S: System> {
    services: Vec<ServiceKind<'s>>,
    acceptors: Acceptors<S::Listener>,
    limit: ConnectionLimit,
    /// Connections taken from the listen queues at a stop, waiting for room.
    backlog: VecDeque<Accepted<S::Socket>>,
    /// The pool, if there are blocking handlers.
    blocking: Option<Blocking<S>>,
    /// A connection waits that there is no room for.
    wants_room: bool,
    /// When the next loop is asked for a connection that gives way.
    asks_again_ms: u64,
    /// When the listeners close, after a stop that lets handshakes complete.
    closes_ms: Option<u64>,
}

/// The time that handshakes may take after a stop: well below the second after which a peer repeats
/// its SYN (RFC 6298, section 2).
const LAST_HANDSHAKES_MS: u64 = 300;

/// The time that other loops have to answer: long after one of their connections has given way.
const ASK_AGAIN_MS: u64 = 100;

impl<'s, S: System> Admission<'s, S> {
    /// Registers the listeners, each with the index of its service. `kernel_queue` is the length of
    /// the listen queue before it was set.
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
        let places: Vec<Places> = services.iter().map(ServiceKind::places).collect();
        let own = places.iter().fold(0, |own: usize, it| own.saturating_add(it.own));
        let descriptors = match listeners.is_empty() {
            true => None,
            false => system.descriptors(),
        };
        Ok(Admission {
            services,
            limit: ConnectionLimit::new(limits, descriptors, own),
            acceptors: Acceptors::new(listeners, &places, limits, kernel_queue),
            backlog: VecDeque::new(),
            blocking,
            wants_room: false,
            asks_again_ms: 0,
            closes_ms: None,
        })
    }

    /// Notes an event of the listener at this index.
    pub(super) fn note(&mut self, index: usize) {
        self.acceptors.note(index);
    }

    pub(super) fn listens(&self) -> bool {
        !self.acceptors.is_empty()
    }

    /// Returns the number of places that the connections of this loop take.
    fn own_load(&self, core: &Core<S>) -> usize {
        core.load() + self.counted()
    }

    /// Returns the number of places that its connections take of [`Limits::connections`]. Those in
    /// the backlog take none.
    fn counted(&self) -> usize {
        self.acceptors.places_over_limit() + self.blocking.as_ref().map_or(0, BlockingPool::len)
    }

    fn has_room(&mut self, places: usize, core: &mut Core<S>) -> bool {
        let load = self.own_load(core) + core.others_load();
        let now = core.now;
        self.limit.allows(load, places, now, core.counters())
    }

    /// Returns the time of the next look at a listener, in milliseconds.
    fn next_ms(&mut self, core: &mut Core<S>) -> Option<u64> {
        let load = self.own_load(core) + core.others_load();
        let Admission { acceptors, limit, .. } = self;
        let now = core.now;
        let counters = core.counters();
        acceptors.next_ms(|places| limit.allows(load, places, now, counters))
    }

    /// Admits the connections accepted in this turn.
    fn admit_all(&mut self, core: &mut Core<S>) {
        loop {
            let load = self.own_load(core) + core.others_load();
            let Admission { acceptors, limit, .. } = self;
            let now = core.now;
            let counters = core.counters();
            let has_room = |places| limit.allows(load, places, now, counters);
            match acceptors.next(has_room, now, counters) {
                AcceptOutcome::Accepted(accepted) => {
                    self.limit.note_admitted();
                    self.asks_again_ms = 0;
                    self.admit(accepted, core);
                }
                AcceptOutcome::OverLimit => {}
                AcceptOutcome::Nothing => return,
            }
        }
    }

    /// Asks a connection to give way if one waits that there is no room for.
    fn make_room(&mut self, core: &mut Core<S>) {
        self.wants_room = false;
        if !core.phase.is_serving() {
            return;
        }
        let load = self.own_load(core) + core.others_load();
        let Admission { acceptors, limit, .. } = self;
        let (now, system) = (core.now, &core.system);
        let (counters, _) = core.hub.instruments();
        self.wants_room = acceptors.want_room(
            |places| limit.allows(load, places, now, counters),
            |index, listener| system.watch_again(listener, Source::Listener(index)),
        );
        if self.wants_room && self.ask_one(core) {
            self.limit.expect_place();
        }
    }

    /// Asks a connection to give way. Returns false if none can.
    fn ask_one(&mut self, core: &mut Core<S>) -> bool {
        let Some(member) = &mut core.member else { return core.hub.make_room() };
        let now_ms = core.now.millis();
        if self.asks_again_ms <= now_ms {
            self.asks_again_ms = now_ms + ASK_AGAIN_MS;
            match member.next_to_ask() {
                Some(to) => member.ask(to),
                None if core.hub.make_room() => {}
                None => member.ask_next(),
            }
        }
        true
    }

    /// Returns the time at which a connection may be asked to give way, in milliseconds.
    fn ask_due_ms(&self, core: &Core<S>) -> Option<u64> {
        match &core.member {
            _ if !self.wants_room => None,
            Some(_) => Some(self.asks_again_ms),
            None => core.hub.room_due_ms(),
        }
    }

    /// Returns the time of the next attempt to accept, in milliseconds. Without room because of
    /// other loops' connections, a wake-up is requested for their end.
    fn accept_due_ms(&mut self, core: &mut Core<S>) -> Option<u64> {
        // Waiting for room matters only if a connection is in a queue.
        let at_most = self.acceptors.next_ms(|_| true)?;
        if self.next_ms(core) == Some(at_most) && !self.acceptors.is_paused() {
            return Some(at_most);
        }
        if let Some(member) = &core.member {
            member.await_room();
        }
        // Check again: a connection may have ended in between.
        self.next_ms(core)
    }

    /// Admits connections whose peers are no longer over their limit.
    fn admit_over_limit(&mut self, core: &mut Core<S>) {
        while let Some(accepted) = self.acceptors.next_over_limit(core.hub.instruments().0) {
            self.admit(accepted, core);
        }
    }

    /// Moves the queues of listeners that are about to close to the backlog.
    fn fill_backlog(&mut self, core: &mut Core<S>) {
        self.acceptors.start_over();
        loop {
            let load = self.own_load(core) + core.others_load();
            if !self.limit.has_descriptor(load + self.backlog.len()) {
                return;
            }
            match self.acceptors.next(|_| true, core.now, core.hub.instruments().0) {
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
        while let Some(places) = self.backlog.front().map(|accepted| accepted.places) {
            if !self.has_room(places, core) {
                return;
            }
            let Some(accepted) = self.backlog.pop_front() else { return };
            self.admit(accepted, core);
        }
    }

    fn admit(&mut self, accepted: Accepted<S::Socket>, core: &mut Core<S>) {
        let Accepted { service, places, own_place, socket, incoming, permit } = accepted;
        let given = incoming.clone();
        match &mut self.services[service] {
            ServiceKind::Handlers(service) => {
                let peer = incoming.peer();
                let handler = ask(peer, core.hub.instruments(), || service.accept(given));
                if let Some(handler) = handler {
                    let transfer =
                        Transfer { socket, incoming, handler, permit, places, own_place };
                    self.place(transfer, core);
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

    /// Assigns a connection to a loop.
    fn place(&self, transfer: Transfer<S::Socket>, core: &mut Core<S>) {
        let own = self.own_load(core);
        // After a stop the other loops may have ended.
        if let (Some(member), true) = (&mut core.member, core.phase.is_serving())
            && let Some(to) = member.choose(own)
        {
            member.transfer(to, transfer);
            return;
        }
        core.open(transfer);
    }

    /// Admits all connections that have been established.
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

    /// Adopts connections of blocking handlers that have returned while the peer still sends.
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
        self.make_room(core);
        if self.closes_ms.is_some_and(|closes_ms| closes_ms <= core.now.millis()) {
            self.close(core);
        }
    }

    /// Reuses the places of closed connections, first for the same peers.
    fn take_from_hub(&mut self, core: &mut Core<S>) {
        self.admit_over_limit(core);
        self.admit_backlog(core);
        if core.have_ended {
            self.acceptors.retry();
        }
    }

    fn due_ms(&mut self, core: &mut Core<S>) -> Option<u64> {
        if let Some(closes_ms) = self.closes_ms {
            return Some(self.next_ms(core).map_or(closes_ms, |ms| ms.min(closes_ms)));
        }
        match (self.accept_due_ms(core), self.ask_due_ms(core)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
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
        // There was no room for these.
        core.counters().refused_by_limit.add(self.backlog.len() as u64);
        self.backlog.clear();
        let waiting = self.blocking.as_mut().map_or(0, BlockingPool::abort);
        (0..waiting).for_each(|_| core.counters().close(&Close::Stopping));
    }
}
