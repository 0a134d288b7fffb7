//! How connections come into the loop: accepted, made to others, or handed back by a blocking
//! handler. A part of [`Reactor`]; knows nothing of what they say.

use std::io;

use mio::Token;

use super::Reactor;
use super::behind::{Behind, ask};
use super::connect::Outcome;
use super::farewell::Farewell;
use super::socket::Socket;
use crate::accept::Newcomer;
use crate::exec::{Leaving, RequestPool};
use crate::{Handler, Peer, panics};

impl Reactor {
    /// Lets newcomers in, a bounded burst per listener.
    pub(super) fn accept(&mut self) {
        self.doors.begin(self.now);
        self.admit_all();
    }

    /// Lets everybody in whom the turn of the listeners gives.
    pub(super) fn admit_all(&mut self) {
        while let Some(newcomer) = self.doors.next(self.has_room(), self.now) {
            self.admit(newcomer);
        }
    }

    fn admit(&mut self, newcomer: Newcomer<Socket>) {
        let Newcomer { service, socket, peer } = newcomer;
        match &mut self.services[service] {
            Behind::Handlers(service) => {
                if let Some(handler) = ask(&peer, || service.accept(&peer)) {
                    self.register(socket, peer, handler);
                }
            }
            Behind::Requests(service) => {
                let handler = ask(&peer, || service.accept(&peer));
                if let (Some(handler), Some(pool)) = (handler, &self.requests) {
                    pool.submit(socket.into(), peer, handler);
                }
            }
        }
    }

    fn register(&mut self, mut socket: Socket, peer: Peer, handler: Box<dyn Handler>) {
        let token = Token(self.hub.next_id().to_token());
        match socket.register(self.poller.poll.registry(), token) {
            Ok(()) => {
                self.hub.open(socket, peer, handler);
            }
            // The poller has no room for this one (ENOSPC, ENOMEM); the others stay.
            Err(error) => {
                log::warn!("{peer}: cannot be watched: {error}");
                panics::drop_quietly(handler);
            }
        }
    }

    /// Takes in those whom a blocking handler has served and who go on sending.
    pub(super) fn take_leaving(&mut self) {
        let ended = self.requests.as_ref().map(RequestPool::take_ended);
        let Some((true, leaving)) = ended else { return };
        self.doors.retry();
        for Leaving { socket, peer } in leaving {
            self.register(socket.into(), peer, Box::new(Farewell));
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
        self.len() < self.limits.connections
    }

    /// Connections: in the loop, with blocking handlers, and in the making.
    pub(super) fn len(&self) -> usize {
        let requests = self.requests.as_ref().map_or(0, RequestPool::len);
        self.hub.len() + requests + self.connector.len() + self.hub.dials()
    }
}
