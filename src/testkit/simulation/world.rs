//! The world of a simulation: the server and its clients, and one turn of it.

use std::sync::{Arc, Mutex};

use super::guest::Guest;
use super::observer::Observed;
use super::script::{Action, End};
use super::trace::{Trace, What};
use super::{Clients, Panics, Remotes};
use crate::accept::{AcceptOutcome, Acceptors};
use crate::close::Close;
use crate::handler::{Handler, Service};
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::mode::Mode;
use crate::net::peer::Peer;
use crate::now;
use crate::testkit::listener::{self, Accepted, ListenQueue, MemoryListener};
use crate::testkit::network::Network;
use crate::testkit::random::Random;
use crate::testkit::wire::MemorySocket;

pub(super) struct World<'a> {
    pub(super) random: Random,
    pub(super) network: Network,
    /// What accepting counts; nobody reads it.
    counters: Counters,
    pub(super) doors: Acceptors<MemoryListener>,
    pub(super) queue: Arc<Mutex<ListenQueue>>,
    service: Box<dyn Service + 'a>,
    clients: Clients<'a>,
    pub(super) remotes: Remotes<'a>,
    pub(super) panics: Panics,
    pub(super) guests: Vec<Guest>,
    /// How many more will come.
    pub(super) to_come: usize,
    pub(super) limits: Limits,
    pub(super) phase: Phase,
    /// One reactor had something for another one in the last turn.
    pub(super) has_mail: bool,
    pub(super) trace: Trace,
}

/// How far the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    Draining { until_ms: u64 },
    Aborted,
}

/// Of what is due, how much comes with a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    All,
    /// Each as the dice fall.
    Some,
}

impl<'a> World<'a> {
    pub(super) fn new(
        limits: Limits,
        mode: Mode,
        mut random: Random,
        service: Box<dyn Service + 'a>,
        clients: Clients<'a>,
    ) -> World<'a> {
        let network = match mode {
            Mode::Threads(1..) => Network::with_workers(limits.clone()),
            Mode::Reactors(n) => Network::with_reactors(limits.clone(), n),
            _ => Network::new(limits.clone()),
        };
        let queue = Arc::new(Mutex::new(ListenQueue::default()));
        let door = (MemoryListener(Arc::clone(&queue)), 0);
        World {
            to_come: 1 + random.below(8),
            random,
            network,
            counters: Counters::new(),
            doors: Acceptors::new(vec![door], &limits, 0),
            queue,
            service,
            clients,
            remotes: Box::new(|_, _| None),
            panics: Panics::Fail,
            guests: Vec::new(),
            limits,
            phase: Phase::Serving,
            has_mail: false,
            trace: Trace::default(),
        }
    }

    pub(super) fn note(&mut self, who: usize, what: What, number: usize) {
        self.trace.note(self.network.now_ms(), who, what, number);
    }

    /// Somebody connects, and waits to be accepted.
    pub(super) fn arrive(&mut self) {
        self.to_come -= 1;
        let who = self.guests.len();
        let guest = Guest::new((self.clients)(&mut self.random));
        let mut queue = listener::lock(&self.queue);
        if !queue.closed {
            queue.waiting.push_back((who, Arc::clone(&guest.wire)));
            queue.edge = true;
            drop(queue);
            self.guests.push(guest);
            self.note(who, What::Arrives, 0);
        }
    }

    /// Asks a script what it does, and does it. Tells whether that is anything.
    pub(super) fn act(&mut self, who: usize) -> bool {
        let Some(guest) = self.guests.get_mut(who).filter(|guest| guest.is_active()) else {
            return false;
        };
        match guest.script.next(&mut self.random) {
            Action::Send(bytes) => {
                guest.way.extend(&bytes);
                self.note(who, What::Sends, bytes.len());
            }
            Action::Shut => {
                guest.has_shut = true;
                self.note(who, What::Shuts, 0);
            }
            Action::Reset => {
                guest.reset();
                self.note(who, What::Resets, 0);
            }
            Action::Wait => return false,
        }
        true
    }

    /// Brings at most `len` bytes of a client to the server.
    pub(super) fn bring(&mut self, who: usize, len: usize, with_end: bool) {
        let guest = &mut self.guests[who];
        let len = len.min(guest.way.len());
        if len > 0 || with_end && guest.has_end_underway() {
            guest.deliver(len, with_end);
            self.note(who, What::Arrived, len);
        }
    }

    /// Lets a client take at most `len` bytes. Tells whether there were any.
    pub(super) fn take(&mut self, who: usize, len: usize) -> bool {
        let guest = &self.guests[who];
        if guest.has_reset || guest.has_ended {
            return false;
        }
        let mut wire = guest.wire();
        let len = len.min(wire.to_client.len());
        let bytes: Vec<u8> = wire.to_client.drain(..len).collect();
        wire.note_taken();
        drop(wire);
        if len > 0 {
            // Noted first: a script that sees something else than its model panics.
            self.trace.note_bytes(&bytes);
            self.note(who, What::Takes, len);
            self.guests[who].script.received(&bytes);
        }
        len > 0
    }

    fn is_chosen(&mut self, share: Share) -> bool {
        share == Share::All || !self.random.one_in(3)
    }

    /// One turn of the server, in the order of the reactor: note, accept, collect, turn.
    pub(super) fn turn(&mut self, share: Share) {
        self.note(0, What::Turn, 0);
        let now = self.network.now();
        self.network.hubs.iter_mut().for_each(|hub| hub.note_time(now));
        self.deliver_events(share);
        self.doors.begin(now);
        self.admit_all();
        self.collect(share);
        let before = self.network.connections();
        for reactor in 0..self.network.hubs.len() {
            // Each goes at its own speed.
            if reactor == 0 || self.is_chosen(share) {
                self.network.run(reactor);
            }
        }
        if self.is_chosen(share) {
            self.has_mail = self.network.carry();
        }
        self.dial(share);
        if self.network.connections() < before {
            self.doors.retry();
        }
        if let Phase::Draining { until_ms } = self.phase {
            if until_ms <= self.network.now_ms() {
                self.abort();
            }
        }
        self.look();
        self.admit_held();
    }

    fn deliver_events(&mut self, share: Share) {
        self.network.deliver_stray();
        // From anywhere and around: events come in any order.
        let from = self.random.below(self.guests.len().max(1));
        for at in 0..self.guests.len() {
            let who = (from + at) % self.guests.len();
            let guest = &self.guests[who];
            let (false, Some(client)) = (guest.has_ended, guest.client) else { continue };
            if guest.wire().edge && self.is_chosen(share) && self.network.deliver(client) {
                self.note(who, What::Event, 0);
            }
        }
        if listener::lock(&self.queue).edge && self.is_chosen(share) {
            listener::lock(&self.queue).edge = false;
            self.doors.note(0);
        }
    }

    fn collect(&mut self, share: Share) {
        let at_work = self.network.tasks.len();
        for _ in 0..at_work {
            if self.is_chosen(share) {
                let at = self.random.below(self.network.tasks.len());
                self.network.work(at);
                self.note(0, What::Worker, 0);
            }
        }
    }

    pub(super) fn has_room(&self) -> bool {
        let coming = self.network.dials.len() + self.doors.over_limit();
        self.network.connections() + coming < self.limits.connections
    }

    pub(super) fn admit_all(&mut self) {
        loop {
            match self.doors.next(self.has_room(), self.network.now(), &self.counters) {
                AcceptOutcome::Accepted(newcomer) => self.admit(newcomer),
                AcceptOutcome::OverLimit => {}
                AcceptOutcome::Nothing => return,
            }
        }
    }

    /// Lets those in who had too many connections when they came, and have no longer.
    fn admit_held(&mut self) {
        while let Some(newcomer) = self.doors.next_over_limit(&self.counters) {
            self.admit(newcomer);
        }
    }

    fn admit(&mut self, newcomer: crate::accept::Accepted<Accepted>) {
        let crate::accept::Accepted {
            socket: Accepted { who, socket }, peer, permit: entry, ..
        } = newcomer;
        if let Some(handler) = self.service.accept(&peer) {
            self.guests[who].entry = entry;
            let reactor = self.random.below(self.network.hubs.len());
            self.seat(who, reactor, socket, peer, handler, What::Accepted);
        }
    }

    fn seat(
        &mut self,
        who: usize,
        reactor: usize,
        socket: MemorySocket,
        peer: Peer,
        handler: Box<dyn Handler>,
        what: What,
    ) {
        let account = Arc::clone(&self.guests[who].account);
        let handler = Box::new(Observed::new(handler, account));
        let client = self.network.admit(reactor, socket, peer, handler);
        let now_ms = self.network.now_ms();
        self.guests[who].open(client, now_ms);
        self.note(who, what, 0);
    }

    /// Makes the connections that handlers want, or denies them.
    fn dial(&mut self, share: Share) {
        while !self.network.dials.is_empty() && self.is_chosen(share) {
            let to = self.network.dials[0].1.to.clone();
            let has_room = self.network.connections() < self.limits.connections;
            let script = match has_room && self.phase != Phase::Aborted {
                true => (self.remotes)(&to, &mut self.random),
                false => None,
            };
            match script {
                Some(script) => {
                    let guest = Guest::new(script);
                    let socket = MemorySocket(Arc::clone(&guest.wire));
                    self.guests.push(guest);
                    let Some((reactor, dial)) = self.network.dials.pop_front() else { return };
                    let who = self.guests.len() - 1;
                    self.seat(who, reactor, socket, Peer::Unix, dial.handler, What::Called);
                }
                None => {
                    self.note(0, What::Denied, 0);
                    self.network.deny(std::io::ErrorKind::ConnectionRefused.into());
                }
            }
        }
    }

    /// The server stops as `Remote::stop` has it.
    pub(super) fn stop(&mut self) {
        if self.phase != Phase::Serving {
            return;
        }
        self.note(0, What::Stop, 0);
        self.doors.begin_last(self.network.now());
        self.admit_all();
        self.doors.close();
        self.network.stop();
        let until_ms = self.network.now_ms().saturating_add(now::millis(self.limits.drain));
        self.phase = Phase::Draining { until_ms };
    }

    /// The server ends as `Remote::abort` has it.
    pub(super) fn abort(&mut self) {
        self.note(0, What::Abort, 0);
        self.doors.close();
        self.network.abort();
        self.phase = Phase::Aborted;
    }

    /// Sees what has become of everybody.
    fn look(&mut self) {
        let now_ms = self.network.now_ms();
        let is_cut = self.phase != Phase::Serving;
        let is_closed = listener::lock(&self.queue).closed;
        for who in 0..self.guests.len() {
            let guest = &mut self.guests[who];
            if guest.has_ended {
                continue;
            }
            guest.look(now_ms);
            let breach = guest.account().breach.take();
            let has_gone = guest.wire().server_gone || guest.client.is_none() && is_closed;
            if let Some(breach) = breach {
                self.fail(who, &breach);
            }
            if has_gone {
                self.take(who, usize::MAX);
                self.bid_farewell(who, is_cut);
            }
        }
    }

    fn bid_farewell(&mut self, who: usize, is_cut: bool) {
        let now_ms = self.network.now_ms();
        let guest = &mut self.guests[who];
        match guest.end(&self.limits, now_ms, is_cut) {
            Ok(End::Cut(Close::Panicked)) if self.panics == Panics::Fail => {
                self.fail(who, "a handler panicked, or work that it offloaded");
            }
            Ok(end) => {
                let what = match end {
                    End::Whole(_) => What::EndsWhole,
                    End::Cut(_) => What::EndsCut,
                    End::Unserved => What::Unserved,
                };
                guest.has_ended = true;
                guest.entry = None;
                self.note(who, what, 0);
                self.guests[who].script.ended(&end);
            }
            Err(breach) => self.fail(who, &breach),
        }
    }

    #[allow(clippy::panic, reason = "a simulation that finds something fails by panicking")]
    pub(super) fn fail(&self, who: usize, breach: &str) -> ! {
        panic!("client {who}: {breach}")
    }

    /// Everybody has gone: nothing of them may be left.
    pub(super) fn finish(mut self) -> Trace {
        for who in 0..self.guests.len() {
            let account = &self.guests[who].account;
            if Arc::strong_count(account) > 1 {
                self.fail(who, "its handler was never dropped");
            }
        }
        std::mem::take(&mut self.trace)
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("the end of the trace:\n{}", self.trace.tail(60));
        }
    }
}
