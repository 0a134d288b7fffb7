//! How connections come into the loop: accepted, made to others, or handed back by a blocking
//! handler. A part of [`Reactor`]; knows nothing of what they say.

use std::io;

use mio::Token;

use super::Reactor;
use super::behind::{Behind, ask};
use super::connect::Outcome;
use super::group::{Member, Transfer};
use super::socket::Socket;
use crate::accept::Newcomer;
use crate::exec::{Leaving, RequestPool};
use crate::{Handler, Peer, panics};

impl Reactor {
    /// Lets newcomers in, a bounded burst per listener.
    pub(super) fn accept(&mut self) {
        let member = self.member.as_ref().filter(|_| !self.doors.is_empty());
        if member.is_some_and(Member::may_have_room) {
            self.doors.retry();
        }
        self.doors.begin(self.now);
        self.admit_all();
        if let Some(member) = &self.member {
            // The reactor has still to ask when to look again, and sees what happens meanwhile.
            if self.doors.is_paused() || !self.has_room() {
                member.await_room();
            }
        }
    }

    /// Lets everybody in whom the turn of the listeners gives.
    pub(super) fn admit_all(&mut self) {
        while let Some(newcomer) = self.next_newcomer() {
            self.admit(newcomer);
        }
    }

    fn next_newcomer(&mut self) -> Option<Newcomer<Socket>> {
        let has_room = self.has_room();
        let (counters, _) = self.hub.instruments();
        self.doors.next(has_room, self.now, counters)
    }

    fn admit(&mut self, newcomer: Newcomer<Socket>) {
        let Newcomer { service, socket, peer } = newcomer;
        match &mut self.services[service] {
            Behind::Handlers(service) => {
                let handler = ask(&peer, self.hub.instruments(), || service.accept(&peer));
                if let Some(handler) = handler {
                    self.seat(socket, peer, handler);
                }
            }
            Behind::Requests(service) => {
                let handler = ask(&peer, self.hub.instruments(), || service.accept(&peer));
                if let (Some(handler), Some(pool)) = (handler, &self.requests) {
                    self.hub.instruments().0.opened.add(1);
                    pool.submit(socket.into(), peer, handler);
                }
            }
        }
    }

    /// Gives a newcomer its reactor.
    fn seat(&mut self, socket: Socket, peer: Peer, handler: Box<dyn Handler>) {
        let own = self.len();
        if let Some(member) = &mut self.member {
            if let Some(to) = member.choose(own) {
                member.transfer(to, Transfer { socket, peer, handler });
                return;
            }
        }
        self.register(socket, peer, handler);
    }

    /// Takes in what the other reactors have sent.
    pub(super) fn take_mail(&mut self) {
        let Some(mail) = self.member.as_mut().and_then(Member::take_mail) else { return };
        for Transfer { socket, peer, handler } in mail.transfers {
            self.register(socket, peer, handler);
        }
        self.hub.receive(mail.parcels);
        for sibling in mail.departed {
            self.hub.close_lane(sibling);
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

    fn register(&mut self, mut socket: Socket, peer: Peer, handler: Box<dyn Handler>) {
        match self.watch(&mut socket) {
            Ok(()) => {
                self.hub.open(socket, peer, handler);
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
        let ended = self.requests.as_ref().map(RequestPool::take_ended);
        let Some((true, leaving)) = ended else { return };
        self.doors.retry();
        for Leaving { socket, peer } in leaving {
            let mut socket = socket.into();
            match self.watch(&mut socket) {
                Ok(()) => self.hub.see_off(socket, peer),
                Err(error) => log::debug!("{peer}: cannot be watched: {error}"),
            }
        }
    }

    /// Begins to make the connections that handlers want.
    pub(super) fn dial(&mut self) {
        for dial in self.hub.take_dials() {
            match self.has_room() {
                true => self.connector.dial(dial, self.poller.poll.registry(), self.now),
                false => self.connector.refuse(dial),
            }
        }
    }

    /// Takes in the connections that have been made, and tells of those that cannot be.
    pub(super) fn connect(&mut self) {
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
    pub(super) fn has_room(&self) -> bool {
        let others = self.member.as_ref().map_or(0, Member::others_load);
        self.len() + others < self.limits.connections
    }

    /// Connections: in the loop, with blocking handlers, and in the making.
    pub(super) fn len(&self) -> usize {
        let requests = self.requests.as_ref().map_or(0, RequestPool::len);
        self.hub.len() + requests + self.connector.len() + self.hub.dials()
    }
}
