//! How connections come into the loop: accepted, made to others, or handed back by a blocking
//! handler. A part of [`Reactor`]; knows nothing of what they say.

use std::io;

use mio::Token;

use super::Reactor;
use super::behind::{Behind, ask};
use super::connect::Outcome;
use super::group::{Mail, Member, Transfer};
use super::socket::Socket;
use super::stopping::Phase;
use crate::accept::{Arrival, Newcomer};
use crate::exec::{Leaving, RequestPool};
use crate::panics;

impl Reactor {
    /// Lets newcomers in, a bounded burst per listener.
    pub(super) fn accept(&mut self) {
        let member = self.member.as_ref().filter(|_| !self.doors.is_empty());
        if member.is_some_and(Member::may_have_room) {
            self.doors.retry();
        }
        self.doors.begin(self.now);
        self.admit_all();
    }

    /// When to look at the listeners without an event. If that depends on connections of other
    /// reactors, they will tell when one ends.
    pub(super) fn doors_due(&mut self) -> Option<u64> {
        let has_room = self.has_room();
        if has_room && !self.doors.is_paused() {
            return self.doors.next_ms(true);
        }
        if let Some(member) = &self.member {
            member.await_room();
        }
        // Once more: one may have ended just before.
        let has_room = self.has_room();
        self.doors.next_ms(has_room)
    }

    /// Lets everybody in whom the turn of the listeners gives.
    pub(super) fn admit_all(&mut self) {
        loop {
            let has_room = self.has_room();
            let (counters, _) = self.hub.instruments();
            match self.doors.next(has_room, self.now, counters) {
                Arrival::Came(newcomer) => self.admit(newcomer),
                Arrival::Held => {}
                Arrival::Nobody => return,
            }
        }
    }

    /// Takes in whoever is left in the queues of listeners that are to be closed, to be let in when
    /// there is room.
    pub(super) fn park_all(&mut self) {
        while self.room.has_descriptor(self.load() + self.parked.len()) {
            match self.doors.next(true, self.now, self.hub.instruments().0) {
                Arrival::Came(newcomer) => self.parked.push_back(newcomer),
                Arrival::Held => {}
                Arrival::Nobody => return,
            }
        }
    }

    /// Lets those in for whom there is room now.
    pub(super) fn admit_parked(&mut self) {
        if let Some(member) = &self.member {
            member.await_room();
        }
        while self.has_room() {
            let Some(newcomer) = self.parked.pop_front() else { return };
            self.admit(newcomer);
        }
    }

    /// Gives back the places of those who have left, to their peers' newcomers first.
    pub(super) fn settle_places(&mut self) {
        for id in self.hub.take_departed() {
            self.entries.remove(&id);
        }
        self.admit_held();
    }

    /// Lets those in who had too many connections when they came, and have no longer.
    pub(super) fn admit_held(&mut self) {
        while let Some(newcomer) = self.doors.next_held(self.hub.instruments().0) {
            self.admit(newcomer);
        }
    }

    fn admit(&mut self, newcomer: Newcomer<Socket>) {
        let Newcomer { service, socket, peer, entry } = newcomer;
        match &mut self.services[service] {
            Behind::Handlers(service) => {
                let handler = ask(&peer, self.hub.instruments(), || service.accept(&peer));
                if let Some(handler) = handler {
                    self.seat(Transfer { socket, peer, handler, entry });
                }
            }
            Behind::Requests(service) => {
                let handler = ask(&peer, self.hub.instruments(), || service.accept(&peer));
                if let (Some(handler), Some(pool)) = (handler, &mut self.requests) {
                    self.hub.instruments().0.opened.add(1);
                    pool.submit(socket.into(), peer, handler, entry);
                }
            }
        }
    }

    /// Gives a newcomer its reactor.
    fn seat(&mut self, newcomer: Transfer) {
        let own = self.len();
        // The others of a server that stops may have ended.
        if let (Some(member), Phase::Serving) = (&mut self.member, self.phase) {
            if let Some(to) = member.choose(own) {
                member.transfer(to, newcomer);
                return;
            }
        }
        self.register(newcomer);
    }

    /// Takes in what the other reactors have sent.
    pub(super) fn take_mail(&mut self) {
        let Some(member) = &mut self.member else { return };
        for mail in member.take_mail() {
            match mail {
                Mail::Transfer(newcomer) => self.register(newcomer),
                Mail::Parcels(from, parcels) => {
                    self.hub.receive(parcels.into_iter().map(|parcel| (from, parcel)));
                }
                Mail::Departed(sibling) => self.hub.close_lane(sibling),
            }
        }
    }

    /// Sends the other reactors what is for them, and tells how full this one is.
    pub(super) fn exchange(&mut self) {
        let len = self.len();
        let Some(member) = &mut self.member else { return };
        for (to, outbox) in self.hub.outboxes() {
            member.send(to, outbox);
        }
        member.note_len(len);
    }

    fn register(&mut self, newcomer: Transfer) {
        let Transfer { mut socket, peer, handler, entry } = newcomer;
        match self.watch(&mut socket) {
            Ok(()) => {
                let id = self.hub.open(socket, peer, handler);
                self.entries.extend(entry.map(|entry| (id, entry)));
            }
            // The poller has no room for this one (ENOSPC, ENOMEM); the others stay.
            Err(error) => {
                log::warn!("{peer}: cannot be watched: {error}");
                self.hub.instruments().0.refused_by_system.add(1);
                panics::drop_quietly(handler);
            }
        }
    }

    /// Has the poller watch a socket as that of the next connection.
    fn watch(&self, socket: &mut Socket) -> io::Result<()> {
        socket.register(self.poller.poll.registry(), Token(self.hub.next_id().to_token()))
    }

    /// Takes in those whom a blocking handler has served and who go on sending.
    pub(super) fn take_leaving(&mut self) {
        let ended = self.requests.as_mut().map(RequestPool::take_ended);
        let Some((true, leaving)) = ended else { return };
        self.doors.retry();
        for Leaving { socket, peer, kept } in leaving {
            let mut socket = socket.into();
            match self.watch(&mut socket) {
                Ok(()) => {
                    let id = self.hub.see_off(socket, peer);
                    self.entries.extend(kept.map(|entry| (id, entry)));
                }
                Err(error) => log::debug!("{peer}: cannot be watched: {error}"),
            }
        }
    }

    /// Begins to make the connections that handlers want.
    pub(super) fn dial(&mut self) {
        for dial in self.hub.take_dials() {
            match self.load() < self.limits.connections {
                true => self.connector.dial(dial, self.poller.poll.registry(), self.now),
                false => self.connector.refuse(dial),
            }
        }
    }

    /// Takes in the connections that have been made, and tells of those that cannot be.
    pub(super) fn take_connected(&mut self) {
        self.connector.collect(self.poller.poll.registry(), self.now);
        for Outcome { handler, peer, socket } in self.connector.take_outcomes() {
            match socket.and_then(|socket| self.rename(socket)) {
                Ok(socket) => {
                    self.hub.instruments().0.connected.add(1);
                    self.hub.open(socket, peer, handler);
                }
                Err(error) => {
                    log::debug!("{peer}: cannot be connected to: {error}");
                    self.hub.unreachable(handler, &peer, &error);
                }
            }
        }
    }

    /// Gives a socket that was watched as an attempt the name of the connection it becomes.
    fn rename(&self, mut socket: Socket) -> io::Result<Socket> {
        let token = Token(self.hub.next_id().to_token());
        socket.reregister(self.poller.poll.registry(), token)?;
        Ok(socket)
    }

    /// Whether another connection may be accepted: those in the making have their place already.
    pub(super) fn has_room(&mut self) -> bool {
        let load = self.load();
        let (counters, _) = self.hub.instruments();
        self.room.has(load, self.now, counters)
    }

    /// The connections of all reactors.
    fn load(&self) -> usize {
        self.len() + self.member.as_ref().map_or(0, Member::others_load)
    }

    /// Connections: in the loop, with blocking handlers, in the making, and not let in yet.
    pub(super) fn len(&self) -> usize {
        let requests = self.requests.as_ref().map_or(0, RequestPool::len);
        let coming = self.doors.held() + self.connector.len() + self.hub.dials();
        self.hub.len() + requests + coming
    }
}
