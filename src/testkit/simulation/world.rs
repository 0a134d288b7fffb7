//! The world of a simulation: a server, its clients, and everything between them. Runs a turn and
//! checks the invariants after it. Chooses the events of a turn at random; [`storm`](super::storm)
//! and [`calm`](super::calm) choose the events between turns.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::cast::{Clients, Commands, Panics, Remotes};
use super::datagrams;
use super::events::Ears;
use super::guest::{Farewell, Guest};
use super::kernel::{self, Wanted};
use super::laws;
use super::listener;
use super::script::{Action, End};
use super::server::{Plan, Server};
use super::share::Share;
use super::threads::Threads;
use super::trace::{Trace, What};
use crate::accept::PAUSE_MS;
use crate::close::Close;
use crate::handler::Service;
use crate::limits::Limits;
use crate::mode::Mode;
use crate::net::incoming::Incoming;
use crate::now::{self, NANOS_PER_MS};
use crate::reactor::StopRequest;
use crate::testkit::random::Random;
use crate::testkit::wire::Connecting;

pub(super) struct World<'a> {
    pub(super) random: Random,
    pub(super) server: Server<'a>,
    threads: Threads,
    clients: Clients<'a>,
    pub(super) remotes: Remotes<'a>,
    pub(super) commands: Commands<'a>,
    pub(super) panics: Panics,
    /// Clients send and receive packets.
    pub(super) keeps_boundaries: bool,
    pub(super) guests: Vec<Guest>,
    /// The number of clients yet to connect.
    pub(super) to_come: usize,
    limits: Limits,
    /// The number of addresses that clients connect from.
    addresses: usize,
    has_workers: bool,
    /// Faults have ceased: every connection attempt is answered.
    pub(super) is_calm: bool,
    /// The highest stop request sent to the server.
    pub(super) told: StopRequest,
    /// The time at which the server first came to rest after it, with all loops notified.
    known_ms: Option<u64>,
    pub(super) trace: Trace,
}

/// After this many turns the server is assumed never to come to rest.
const TURNS: usize = 100_000;
impl<'a> World<'a> {
    pub(super) fn new(
        plan: Plan,
        mut random: Random,
        service: Box<dyn Service + 'a>,
        clients: Clients<'a>,
    ) -> World<'a> {
        let (limits, addresses) = (plan.limits.clone(), plan.addresses);
        let has_workers = matches!(plan.mode, Mode::Threads(1..));
        World {
            to_come: 1 + random.below(8),
            server: Server::new(plan, service),
            threads: Threads::default(),
            random,
            clients,
            remotes: Box::new(|_, _| None),
            commands: Box::new(|_, _| {}),
            panics: Panics::Fail,
            keeps_boundaries: false,
            guests: Vec::new(),
            limits,
            addresses,
            has_workers,
            is_calm: false,
            told: StopRequest::None,
            known_ms: None,
            trace: Trace::default(),
        }
    }

    pub(super) fn note(&mut self, who: usize, what: What, number: usize) {
        self.trace.note(self.server.now_ms(), who, what, number);
    }

    /// A client connects and waits in the listen queue.
    pub(super) fn arrive(&mut self) {
        self.to_come -= 1;
        let at = match self.server.queues.len() {
            1 => 0,
            count => self.random.below(4 * count) / (3 * count + 1),
        };
        let script = match at {
            0 => (self.clients)(&mut self.random),
            _ => Box::new(super::script::Mute::default()),
        };
        let who = self.guests.len();
        let host = 1 + self.random.below(self.addresses) as u8;
        let peer = SocketAddr::from((Ipv4Addr::new(192, 0, 2, host), 1024 + who as u16));
        let mut guest = Guest::new(script, peer.into());
        if self.keeps_boundaries {
            guest.keep_boundaries();
        }
        guest.wire().connecting = Connecting::Pending;
        let mut queue = listener::lock(&self.server.queues[at]);
        if !queue.closed {
            let incoming = Incoming::new(peer.into(), listener::address());
            queue.waiting.push_back((guest.stream(), incoming));
            queue.edge = true;
            drop(queue);
            self.guests.push(guest);
            self.note(who, What::Arrives, at);
        }
    }

    /// Performs the next action of a script. Returns true unless it only waits.
    pub(super) fn act(&mut self, who: usize) -> bool {
        let Some(guest) = self.guests.get_mut(who).filter(|guest| guest.is_active()) else {
            return false;
        };
        match guest.script.next(&mut self.random) {
            Action::Send(bytes) => {
                guest.way.push(&bytes);
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

    /// Delivers at most `len` bytes of a client to the server.
    pub(super) fn bring(&mut self, who: usize, len: usize, with_end: bool) {
        let guest = &mut self.guests[who];
        let len = len.min(guest.way.len());
        if len > 0 || with_end && guest.has_end_underway() {
            guest.deliver(len, with_end);
            self.note(who, What::Arrived, len);
        }
    }

    /// A client receives at most `len` bytes, or the packets that begin in them. Returns true if
    /// there were any.
    pub(super) fn take(&mut self, who: usize, len: usize) -> bool {
        let guest = &self.guests[who];
        if guest.has_reset || guest.has_ended {
            return false;
        }
        let pieces = guest.wire().take_output(len);
        for bytes in &pieces {
            // Noted first, because the script panics on wrong bytes.
            self.trace.note_bytes(bytes);
            self.note(who, What::Takes, bytes.len());
            self.guests[who].script.received(bytes);
        }
        !pieces.is_empty()
    }

    /// Runs one turn of the world.
    pub(super) fn turn(&mut self, share: Share) {
        self.note(0, What::Turn, 0);
        self.make_connections(share);
        let World { threads, server, random, trace, is_calm, .. } = self;
        let now_ms = server.now_ms();
        threads
            .work(&server.kernel, random, share, *is_calm, |what| trace.note(now_ms, 0, what, 0));
        let count = self.server.count();
        let from = self.random.below(count);
        for at in 0..count {
            self.turn_loop((from + at) % count, share);
        }
        self.look();
    }

    /// Returns all sources of events of a loop.
    fn ears(&self) -> Ears<'_> {
        let guests = self.guests.iter().filter(|guest| !guest.has_ended);
        let kernel = kernel::lock(&self.server.kernel);
        let dials = kernel.dials.iter().map(|dial| &dial.wire).chain(&kernel.denied);
        let wires = guests.map(|guest| &guest.wire).chain(dials).map(Arc::clone).collect();
        Ears {
            kernel: &self.server.kernel,
            wires,
            queues: &self.server.queues,
            datagrams: self.server.datagrams.as_ref(),
        }
    }

    /// Runs one turn of a loop with the due events, if there is a reason, or at random: a poll may
    /// also return without events.
    fn turn_loop(&mut self, index: usize, share: Share) {
        if !self.server.is_running(index) {
            return;
        }
        let mut random = self.random.clone();
        self.ears().deliver(index, &mut random, share);
        self.random = random;
        let has_events = !kernel::lock(&self.server.kernel).loops[index].events.is_empty();
        let has_reason = has_events || self.server.is_due(index);
        let is_run = match share {
            Share::All => has_reason,
            Share::Some if has_reason => !self.random.one_in(4),
            Share::Some => self.random.one_in(4),
        };
        if is_run {
            if let Err(error) = self.server.turn(index) {
                self.fail(0, &format!("a loop failed: {error}"));
            }
            self.look_at_refusals();
        }
    }

    /// Checks that the server had a reason for every refusal.
    fn look_at_refusals(&mut self) {
        for who in 0..self.guests.len() {
            if !self.guests[who].is_refused() {
                continue;
            }
            self.guests[who].is_refusal_seen = true;
            let may_refuse = match &self.guests[who].peer {
                Some(peer) => kernel::lock(&self.server.kernel).may_refuse(peer),
                None => true,
            };
            if self.told == StopRequest::None
                && !may_refuse
                && let Err(breach) = laws::may_be_refused(&self.guests, who, &self.limits)
            {
                self.fail(who, &breach);
            }
        }
    }

    /// Returns true if no work is left at the current time.
    pub(super) fn is_quiet(&mut self) -> bool {
        let ears = self.ears();
        let mut running = (0..self.server.count()).filter(|index| self.server.is_running(*index));
        let have_news = running.any(|index| ears.have_news(index));
        let is_dialing = kernel::lock(&self.server.kernel).is_dialing();
        let is_due = (0..self.server.count()).any(|index| self.server.is_due(index));
        !have_news
            && !is_dialing
            && !self.threads.are_busy(&self.server.kernel, self.is_calm)
            && !is_due
    }

    /// Establishes the connections begun by loops, refuses them, or leaves them pending.
    fn make_connections(&mut self, share: Share) {
        let mut at = 0;
        loop {
            let mut kernel = kernel::lock(&self.server.kernel);
            let Some(dial) = kernel.pending(at) else { return };
            dial.is_silent = !self.is_calm && (dial.is_silent || self.random.one_in(16));
            if dial.is_silent || !share.takes(&mut self.random) {
                at += 1;
                continue;
            }
            let to = dial.to.clone();
            drop(kernel);
            let script = (self.remotes)(&to, &mut self.random);
            let how = match script {
                Some(_) => Connecting::Made,
                None => Connecting::Failed(std::io::ErrorKind::ConnectionRefused),
            };
            let dial = kernel::lock(&self.server.kernel).decide(at, how);
            match script {
                Some(script) => {
                    self.guests.push(Guest::called(script, dial.wire, dial.account));
                    self.note(self.guests.len() - 1, What::Called, 0);
                }
                None => self.note(0, What::Denied, 0),
            }
        }
    }

    /// Runs turns until no work is left at the current time, and checks that nothing was forgotten.
    pub(super) fn settle(&mut self) {
        for _ in 0..TURNS {
            self.turn(Share::All);
            if self.is_quiet() {
                self.check_rest();
                return;
            }
        }
        self.fail(0, "the server does not come to rest");
    }

    /// Runs everything due until then, each at its time.
    pub(super) fn advance(&mut self, until_ms: u64) {
        loop {
            self.settle();
            match self.server.next_ms() {
                Some(due_ms) if due_ms <= until_ms => self.pass(due_ms),
                _ => return,
            }
        }
    }

    /// Advances the clock, unless it is later already. Earlier events reach the pollers first.
    pub(super) fn pass(&mut self, until_ms: u64) {
        for index in 0..self.server.count() {
            let mut random = self.random.clone();
            self.ears().deliver(index, &mut random, Share::All);
            self.random = random;
        }
        let nanos = &mut kernel::lock(&self.server.kernel).nanos;
        *nanos = (*nanos).max(until_ms.saturating_mul(NANOS_PER_MS));
    }

    fn check_rest(&mut self) {
        self.server.check_rest();
        let now_ms = self.server.now_ms();
        if self.told != StopRequest::None && !self.server.is_over() {
            let known_ms = *self.known_ms.get_or_insert(now_ms);
            if known_ms.saturating_add(now::millis(self.limits.drain)) < now_ms {
                self.fail(0, "the server runs beyond its drain time");
            }
        }
        let waits = self.server.queues.iter().any(|queue| {
            let queue = listener::lock(queue);
            !queue.closed && !queue.waiting.is_empty()
        });
        let has_room = self.server.len() < self.limits.connections;
        let is_looked_at = self.server.due_ms(0).is_some_and(|ms| ms <= now_ms + PAUSE_MS);
        if waits && has_room && !is_looked_at {
            self.fail(0, "a client waits to be accepted, but no turn is due");
        }
        for (who, guest) in self.guests.iter().enumerate() {
            let account = guest.account();
            let is_live = account.opened && account.closed.is_none() && !guest.has_ended;
            let is_due = account.timers.values().any(|timer| timer.latest_ms <= now_ms);
            if is_live && is_due && !account.is_over() {
                drop(account);
                self.fail(who, "its timer has not fired");
            }
        }
    }

    /// Stops the server by `ServerHandle::stop`, or ends it by `ServerHandle::abort`.
    pub(super) fn notify(&mut self, request: StopRequest) {
        if request <= self.told {
            return;
        }
        self.told = request;
        match request {
            StopRequest::None => {}
            StopRequest::Stop | StopRequest::Drain => {
                self.note(0, What::Stop, 0);
                self.server.handle.stop();
            }
            StopRequest::Abort => {
                self.note(0, What::Abort, 0);
                self.server.handle.abort();
            }
        }
    }

    /// Checks the invariants of all clients.
    fn look(&mut self) {
        if let Some(breach) = kernel::lock(&self.server.kernel).breach.take() {
            self.fail(0, &breach);
        }
        self.look_at_limits();
        self.look_at_listeners();
        let now_ms = self.server.now_ms();
        for who in 0..self.guests.len() {
            let guest = &mut self.guests[who];
            if guest.has_ended {
                continue;
            }
            let is_new = !guest.is_taken_in && guest.account().opened;
            if is_new {
                guest.take_in(now_ms);
            }
            guest.look(now_ms);
            let breach = guest.account().breach.take();
            let has_gone = guest.wire().server_gone;
            if is_new {
                self.note(who, What::Accepted, 0);
            }
            if let Some(breach) = breach {
                self.fail(who, &breach);
            }
            if has_gone {
                self.take(who, usize::MAX);
                self.bid_farewell(who);
            }
        }
    }

    /// Checks the limits on connections, for all loops together.
    fn look_at_limits(&self) {
        let dialing = kernel::lock(&self.server.kernel).dialing();
        if self.told == StopRequest::None
            && let Err(breach) = laws::limits_hold(&self.guests, dialing, &self.limits)
        {
            self.fail(0, &breach);
        }
    }

    /// Checks that a stopping server admits all waiting connections and datagrams.
    fn look_at_listeners(&self) {
        if self.told != StopRequest::Drain {
            return;
        }
        let datagrams = self.server.datagrams.as_ref();
        let datagrams = datagrams.map_or(0, |queue| datagrams::lock(queue).left);
        let waiting = self.server.queues.iter().map(|queue| {
            let queue = listener::lock(queue);
            if queue.has_failed { 0 } else { queue.left }
        });
        let waiting: usize = waiting.sum();
        if datagrams + waiting > 0 {
            self.fail(0, &format!("a stop dropped {datagrams} datagrams and {waiting} clients"));
        }
    }

    fn bid_farewell(&mut self, who: usize) {
        let guest = &self.guests[who];
        let kernel = kernel::lock(&self.server.kernel);
        let at = Farewell {
            now_ms: kernel.nanos / NANOS_PER_MS,
            is_cut: self.told != StopRequest::None,
            may_be_left: self.has_workers,
            is_queued: kernel.is_queued(&guest.wire()),
            threads_have_lacked: kernel.faults.threads_have_lacked,
        };
        drop(kernel);
        match guest.end(&self.limits, at) {
            Ok(End::Cut(Close::Panicked)) if self.panics == Panics::Fail => {
                self.fail(who, "a handler or its offloaded work panicked");
            }
            Ok(end) => {
                let what = match end {
                    End::Whole(_) => What::EndsWhole,
                    End::Cut(_) => What::EndsCut,
                    End::Unserved => What::Unserved,
                };
                self.guests[who].has_ended = true;
                self.note(who, what, 0);
                self.guests[who].script.ended(&end);
            }
            Err(breach) => self.fail(who, &breach),
        }
    }

    #[allow(clippy::panic, reason = "a simulation reports a breach by a panic")]
    pub(super) fn fail(&self, who: usize, breach: &str) -> ! {
        panic!("client {who}: {breach}")
    }

    /// Checks the end of the simulation: all handlers are dropped, and the counters add up.
    pub(super) fn finish(mut self) -> Trace {
        kernel::lock(&self.server.kernel).accounts.clear();
        for (who, guest) in self.guests.iter().enumerate() {
            if Arc::strong_count(&guest.account) > 1 {
                self.fail(who, "its handler was not dropped");
            }
        }
        if let Err(breach) =
            self.server.check_counts(self.has_workers && self.told != StopRequest::None)
        {
            self.fail(0, &breach);
        }
        let wanted = std::mem::take(&mut kernel::lock(&self.server.kernel).wanted);
        let is_lost = |wanted: &Wanted| match wanted {
            Wanted::Open => true,
            Wanted::Dropped => self.told == StopRequest::None,
            Wanted::Made | Wanted::Unreachable => false,
        };
        if let Some(number) = wanted.iter().position(is_lost) {
            self.fail(
                0,
                &format!("requested connection {number} was neither established nor refused"),
            );
        }
        std::mem::take(&mut self.trace)
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("end of the trace:\n{}", self.trace.tail(60));
        }
    }
}
