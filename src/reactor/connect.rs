//! Connections in the making: names are looked up, addresses tried one after the other, each with
//! its share of the time.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use slab::Slab;

use super::core::Core;
use super::lookup::Answer;
use super::part::Part;
use super::resolve::Resolver;
use super::source::Source;
use super::system::System;
use crate::handler::Handler;
use crate::handler::context::Dial;
use crate::mailbox::Doorbell;
use crate::net::address::Address;
use crate::net::destination::Destination;
use crate::net::peer::Peer;
use crate::now::Now;
use crate::{now, panics};

pub(super) struct Connector<S: System> {
    attempts: Slab<Attempt<S::Socket>>,
    /// Attempts begun so far.
    count: u64,
    resolver: Resolver,
    timeout: Option<Duration>,
    outcomes: Vec<Outcome<S::Socket>>,
}

/// One connection in the making.
struct Attempt<T> {
    handler: Box<dyn Handler>,
    /// Tells it from others that had its key: a lookup may end long after it was given up.
    serial: u64,
    stage: Stage<T>,
    /// What is left to try.
    addresses: VecDeque<Address>,
    /// The peer of the address that is tried, or of the last one that was.
    peer: Peer,
    /// Why the last address failed.
    error: Option<io::Error>,
    /// When to give up on what it waits for and try the next address.
    until_ms: u64,
    /// When to give up.
    end_ms: u64,
}

/// What an attempt waits for.
enum Stage<T> {
    Lookup,
    Connecting(T),
    /// The peer cannot take it just now: try again.
    Retry {
        to: Address,
        at_ms: u64,
    },
}

/// How long to wait until the same address is tried again.
const RETRY_MS: u64 = 10;

/// How an attempt ended.
struct Outcome<T> {
    handler: Box<dyn Handler>,
    peer: Peer,
    socket: io::Result<T>,
}

impl<S: System> Connector<S> {
    pub(super) fn new(bell: &Doorbell, timeout: Option<Duration>) -> Connector<S> {
        Connector {
            attempts: Slab::new(),
            count: 0,
            resolver: Resolver::new(bell),
            timeout,
            outcomes: Vec::new(),
        }
    }

    /// Begins to connect.
    fn dial(&mut self, dial: Dial, system: &S, now: Now) {
        let end_ms = match self.timeout {
            Some(timeout) => now.millis().saturating_add(now::millis(timeout)),
            None => u64::MAX,
        };
        self.count += 1;
        let key = self.attempts.insert(Attempt {
            handler: dial.handler,
            serial: self.count,
            stage: Stage::Lookup,
            addresses: VecDeque::new(),
            peer: Peer::Unresolved,
            error: None,
            until_ms: end_ms,
            end_ms,
        });
        match dial.to {
            Destination::Address(address) => {
                self.attempts[key].addresses.push_back(address);
                self.try_next(key, system, now);
            }
            Destination::Host { name, port } => {
                self.resolver.ask((key, self.count), name, port, system);
            }
        }
    }

    /// Refuses to: there is no room for another connection.
    fn refuse(&mut self, dial: Dial) {
        let what = "no room for another connection (Limits::connections)";
        let (handler, peer) = (dial.handler, Peer::Unresolved);
        self.outcomes.push(Outcome { handler, peer, socket: Err(io::Error::other(what)) });
    }

    /// Takes note of an event of an attempt.
    pub(super) fn note(&mut self, key: usize, core: &Core<S>) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        // Else it is the event of a socket that was given up.
        let Stage::Connecting(socket) = &attempt.stage else { return };
        match S::is_connected(socket) {
            Ok(true) => self.finish(key),
            Ok(false) => {}
            Err(error) => {
                attempt.error = Some(error);
                self.try_next(key, &core.system, core.now);
            }
        }
    }

    /// Takes the answers of the resolver.
    fn take_answers(&mut self, system: &S, now: Now) {
        for Answer { ticket: (key, serial), addresses } in self.resolver.answers(system) {
            let attempt = self.attempts.get_mut(key);
            let Some(attempt) = attempt.filter(|attempt| attempt.serial == serial) else {
                continue;
            };
            match addresses {
                Ok(addresses) => {
                    attempt.addresses = addresses.into_iter().map(Address::Tcp).collect();
                }
                Err(error) => {
                    attempt.error = Some(io::Error::new(io::ErrorKind::NotFound, error));
                }
            }
            self.try_next(key, system, now);
        }
    }

    /// Gives up what has had its time.
    fn expire(&mut self, system: &S, now: Now) {
        let is_late = |attempt: &Attempt<_>| attempt.until_ms <= now.millis();
        let late: Vec<usize> =
            self.attempts.iter().filter(|(_, a)| is_late(a)).map(|(key, _)| key).collect();
        for key in late {
            let attempt = &mut self.attempts[key];
            attempt.error = Some(io::ErrorKind::TimedOut.into());
            if let Stage::Lookup = attempt.stage {
                self.resolver.forget((key, attempt.serial));
            }
            self.try_next(key, system, now);
        }
    }

    /// Tries addresses again whose peer could not take a connection.
    fn retry(&mut self, system: &S, now: Now) {
        let is_due = |attempt: &Attempt<_>| attempt.retry_ms().is_some_and(|ms| ms <= now.millis());
        let due: Vec<usize> =
            self.attempts.iter().filter(|(_, a)| is_due(a)).map(|(key, _)| key).collect();
        for key in due {
            let attempt = &mut self.attempts[key];
            let stage = std::mem::replace(&mut attempt.stage, Stage::Lookup);
            let Stage::Retry { to, .. } = stage else { continue };
            if let Err(error) = attempt.connect(to, key, system, now) {
                attempt.error = Some(error);
                self.try_next(key, system, now);
            }
        }
    }

    /// Tries the next address, and the one after it if that fails at once.
    fn try_next(&mut self, key: usize, system: &S, now: Now) {
        let attempt = &mut self.attempts[key];
        // Its socket is closed first.
        attempt.stage = Stage::Lookup;
        while let Some(address) = attempt.addresses.pop_front() {
            if attempt.end_ms <= now.millis() {
                attempt.error = Some(io::ErrorKind::TimedOut.into());
                break;
            }
            match attempt.connect(address, key, system, now) {
                Ok(()) => {
                    let left_ms = attempt.end_ms.saturating_sub(now.millis());
                    let share_ms = left_ms / (attempt.addresses.len() as u64 + 1);
                    attempt.until_ms = now.millis().saturating_add(share_ms.max(1));
                    return;
                }
                Err(error) => attempt.error = Some(error),
            }
        }
        self.finish(key);
    }

    /// Ends an attempt: its socket is connected, or there is none.
    fn finish(&mut self, key: usize) {
        let Attempt { handler, peer, stage, error, .. } = self.attempts.remove(key);
        let socket = match stage {
            Stage::Connecting(socket) => Ok(socket),
            _ => Err(error.unwrap_or_else(|| io::ErrorKind::NotFound.into())),
        };
        self.outcomes.push(Outcome { handler, peer, socket });
    }

    /// Hands over the connections that have been made, and tells the handlers of those that cannot
    /// be.
    fn hand_over(&mut self, core: &mut Core<S>) {
        for Outcome { handler, peer, socket } in std::mem::take(&mut self.outcomes) {
            // The socket was watched as an attempt.
            let renamed = socket.and_then(|mut socket| {
                core.system.rename(&mut socket, Source::Connection(core.hub.next_id()))?;
                Ok(socket)
            });
            match renamed {
                Ok(socket) => {
                    core.counters().connected.add(1);
                    core.hub.open(socket, peer, handler);
                }
                Err(error) => {
                    log::debug!("{peer}: cannot be connected to: {error}");
                    core.hub.unreachable(handler, &peer, &error);
                }
            }
        }
    }
}

impl<S: System> Part<S> for Connector<S> {
    fn turn(&mut self, core: &mut Core<S>) {
        self.take_answers(&core.system, core.now);
        if !core.has_unseen_events {
            self.expire(&core.system, core.now);
        }
        self.retry(&core.system, core.now);
    }

    /// Hands over what has come of attempts, behind the calls that workers have made before, and
    /// begins to make the connections that handlers want.
    fn take_from_hub(&mut self, core: &mut Core<S>) {
        self.hand_over(core);
        for dial in core.hub.take_dials() {
            let load = core.len() + Part::<S>::len(self) + core.others_load();
            match load < core.limits.connections {
                true => self.dial(dial, &core.system, core.now),
                false => self.refuse(dial),
            }
        }
    }

    fn due_ms(&mut self, _: &mut Core<S>) -> Option<u64> {
        if !self.outcomes.is_empty() {
            return Some(0);
        }
        let due = |attempt: &Attempt<_>| {
            attempt.retry_ms().map_or(attempt.until_ms, |ms| ms.min(attempt.until_ms))
        };
        self.attempts.iter().map(|(_, attempt)| due(attempt)).filter(|ms| *ms < u64::MAX).min()
    }

    /// Attempts, and those whose outcome was not handed over.
    fn len(&self) -> usize {
        self.attempts.len() + self.outcomes.len()
    }

    fn is_over(&self, _: &Core<S>) -> bool {
        self.attempts.is_empty() && self.outcomes.is_empty()
    }

    fn abort(&mut self, _: &mut Core<S>) {
        let attempts = std::mem::take(&mut self.attempts);
        let handlers = attempts.into_iter().map(|(_, attempt)| attempt.handler);
        let outcomes = std::mem::take(&mut self.outcomes);
        for handler in handlers.chain(outcomes.into_iter().map(|outcome| outcome.handler)) {
            panics::drop_quietly(handler);
        }
    }
}

impl<T> Attempt<T> {
    /// Begins to connect to one address.
    fn connect<S>(&mut self, to: Address, key: usize, system: &S, now: Now) -> io::Result<()>
    where
        S: System<Socket = T>,
    {
        if let Some(peer) = peer_of(&to) {
            self.peer = peer;
        }
        self.stage = match system.connect(&to, Source::Dial(key)) {
            Ok(socket) => Stage::Connecting(socket),
            // The queue of a Unix socket is full, which says nothing of its server (unix(7)).
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.error = Some(error);
                Stage::Retry { to, at_ms: now.millis() + RETRY_MS }
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    fn retry_ms(&self) -> Option<u64> {
        match self.stage {
            Stage::Retry { at_ms, .. } => Some(at_ms),
            Stage::Lookup | Stage::Connecting(_) => None,
        }
    }
}

fn peer_of(address: &Address) -> Option<Peer> {
    match address {
        Address::Tcp(address) => Some((*address).into()),
        Address::Unix(_) | Address::SeqPacket(_) => Some(Peer::Unix),
        _ => None,
    }
}
