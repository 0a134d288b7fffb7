//! The connection attempts of a loop: names are looked up, and their addresses race.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use slab::Slab;

use super::attempt::{Attempt, Outcome, Progress};
use super::core::Core;
use super::favourites::Favourites;
use super::lookup::{Answer, Question};
use super::outbound::Outbound;
use super::part::Part;
use super::resolve::Resolver;
use super::source::Source;
use super::system::System;
use crate::accept::Reservations;
#[cfg(feature = "backplane")]
use crate::backplane::line;
use crate::handler::effect::{Dial, Purpose};
use crate::id::Id;
use crate::mailbox::Doorbell;
use crate::net::address::Address;
use crate::net::destination::Destination;
use crate::net::incoming::Incoming;
use crate::net::peer::Peer;
use crate::net::to_destination::sealed::Target;
use crate::now::Now;
use crate::{now, panics};

/// The attempts of a loop, over sockets of type `T`.
pub(super) struct Connector<T> {
    /// Each with a serial number, because a key may be reused before the answer of an abandoned
    /// lookup arrives.
    attempts: Slab<(u64, Attempt<T>)>,
    /// The number of attempts begun.
    count: u64,
    resolver: Resolver,
    favourites: Favourites,
    timeout: Option<Duration>,
    outcomes: Vec<Outcome<T>>,
}

impl<T> Connector<T> {
    pub(super) fn new(bell: &Doorbell, timeout: Option<Duration>) -> Connector<T> {
        Connector {
            attempts: Slab::new(),
            count: 0,
            resolver: Resolver::new(bell),
            favourites: Favourites::default(),
            timeout,
            outcomes: Vec::new(),
        }
    }

    /// Begins an attempt, on a place that `host` has reserved if there is one.
    fn dial(
        &mut self,
        dial: Dial,
        host: Option<Id>,
        outbound: &impl Outbound<Socket = T>,
        now: Now,
    ) {
        let timeout = match dial.purpose {
            Purpose::Service => self.timeout,
            // Then the exchange wants another one, whatever the limits of services.
            #[cfg(feature = "backplane")]
            Purpose::Backplane => Some(Duration::from_millis(line::SILENCE_MS)),
        };
        let end_ms = match timeout {
            Some(timeout) => now.millis().saturating_add(now::millis(timeout)),
            None => u64::MAX,
        };
        self.count += 1;
        let entry = self.attempts.vacant_entry();
        let key = entry.key();
        let attempt = Attempt::new(dial.handler, host, Source::Dial(key), end_ms, now);
        let attempt = match &dial.to {
            Target::Destination(Destination::Host { name, port }) => {
                attempt.of_name((name.clone(), *port))
            }
            _ => attempt,
        };
        entry.insert((self.count, attempt));
        match dial.to {
            Target::Destination(Destination::Address(address)) => {
                let addresses = VecDeque::from([address]);
                self.advance(key, |attempt| attempt.resolve(Ok(addresses), outbound, now));
            }
            Target::Destination(Destination::Host { name, port }) => {
                let question = Question { ticket: (key, self.count), name, port };
                self.resolver.ask(question, outbound, now);
            }
            Target::Socket(socket) => self.advance(key, |attempt| attempt.adopt(socket, outbound)),
            Target::Invalid(error) => {
                let error = io::Error::new(io::ErrorKind::InvalidInput, error);
                self.advance(key, |attempt| attempt.resolve(Err(error), outbound, now));
            }
        }
    }

    /// Fails a request: there is no room for another connection.
    fn refuse(&mut self, dial: Dial) {
        let what = "no room for another connection (Limits::connections)";
        let (handler, peer) = (dial.handler, Peer::unresolved());
        let socket = Err(io::Error::other(what));
        self.outcomes.push(Outcome { handler, host: None, peer, socket });
    }

    /// Advances an attempt, and removes it if it has ended.
    fn advance(&mut self, key: usize, step: impl FnOnce(&mut Attempt<T>) -> Progress) {
        let Some((_, attempt)) = self.attempts.get_mut(key) else { return };
        if step(attempt) == Progress::Ended {
            let (_, mut attempt) = self.attempts.remove(key);
            attempt.teach(&mut self.favourites);
            self.outcomes.push(attempt.into_outcome());
        }
    }

    /// Notes an event of an attempt.
    pub(super) fn note<S: System<Socket = T>>(&mut self, key: usize, core: &Core<S>) {
        self.advance(key, |attempt| attempt.note(&core.system, core.now));
    }

    /// Takes the answers of the resolver, expires late attempts if `may_expire` is true, and goes
    /// on with the others.
    fn step(&mut self, may_expire: bool, outbound: &impl Outbound<Socket = T>, now: Now) {
        self.take_answers(outbound, now);
        if may_expire {
            self.expire(now);
        }
        for key in self.keys(|attempt| attempt.due_ms() <= now.millis()) {
            self.advance(key, |attempt| attempt.go_on(outbound, now));
        }
    }

    fn take_answers(&mut self, outbound: &impl Outbound<Socket = T>, now: Now) {
        for Answer { ticket: (key, serial), addresses } in self.resolver.answers(outbound, now) {
            let asked = self.attempts.get(key).filter(|(own, _)| *own == serial);
            let Some(name) = asked.and_then(|(_, attempt)| attempt.name()) else { continue };
            let addresses = addresses
                .map(|addresses| {
                    let mut addresses = addresses.into_iter().map(Address::Tcp).collect();
                    self.favourites.move_to_front(name, &mut addresses, now);
                    addresses
                })
                .map_err(|error| io::Error::new(io::ErrorKind::NotFound, error));
            self.advance(key, |attempt| attempt.resolve(addresses, outbound, now));
        }
    }

    fn expire(&mut self, now: Now) {
        for key in self.keys(|attempt| attempt.is_late(now)) {
            let Some((serial, _)) = self.attempts.get(key) else { continue };
            let had_no_thread = self.resolver.forget((key, *serial));
            self.advance(key, |attempt| attempt.expire(had_no_thread));
        }
    }

    /// Ends the attempts whose places belong to connections that have ended: nothing else waits for
    /// them, and a silent address would keep the place until the timeout.
    fn end_orphans(&mut self, reserved: &Reservations) {
        for key in self.keys(|attempt| attempt.is_orphan(reserved)) {
            let Some((serial, _)) = self.attempts.get(key) else { continue };
            self.resolver.forget((key, *serial));
            self.advance(key, Attempt::give_up);
        }
    }

    fn keys(&self, which: impl Fn(&Attempt<T>) -> bool) -> Vec<usize> {
        let attempts = self.attempts.iter().filter(|(_, (_, attempt))| which(attempt));
        attempts.map(|(key, _)| key).collect()
    }

    /// Returns the time of the next expiry, start or retry.
    fn next_ms(&self) -> Option<u64> {
        if !self.outcomes.is_empty() {
            return Some(0);
        }
        let attempts = self.attempts.iter().map(|(_, (_, attempt))| attempt.due_ms());
        attempts.chain(self.resolver.retry_ms()).filter(|ms| *ms < u64::MAX).min()
    }
}

impl<S: System> Part<S> for Connector<S::Socket> {
    fn turn(&mut self, core: &mut Core<S>) {
        self.step(!core.has_unseen_events, &core.system, core.now);
    }

    /// Hands over the outcomes, after earlier calls made by workers, begins the connections
    /// requested by handlers, and takes back the places of connections that have ended.
    fn take_from_hub(&mut self, core: &mut Core<S>) {
        hand_over(std::mem::take(&mut self.outcomes), core);
        for dial in std::mem::take(core.hub.dials_mut()) {
            let host = core.reserved.take(dial.from);
            // Only an event ends a successful attempt, so all of these still count as attempts.
            let load = core.load() + self.attempts.len() + core.others_load();
            let has_room = match dial.purpose {
                Purpose::Service => host.is_some() || load < core.limits.connections,
                #[cfg(feature = "backplane")]
                Purpose::Backplane => true,
            };
            match has_room {
                true => self.dial(dial, host, &core.system, core.now),
                false => self.refuse(dial),
            }
        }
        // After the requests of this turn: those that have ended may have made some of them.
        core.return_permits();
        if core.have_ended {
            self.end_orphans(&core.reserved);
        }
    }

    fn due_ms(&mut self, _: &mut Core<S>) -> Option<u64> {
        self.next_ms()
    }

    /// Counts attempts and pending outcomes: a handler that retries whenever a connection fails is
    /// cut with the rest when the drain ends.
    fn len(&self) -> usize {
        self.attempts.len() + self.outcomes.len()
    }

    fn is_over(&self, _: &Core<S>) -> bool {
        self.attempts.is_empty() && self.outcomes.is_empty()
    }

    fn abort(&mut self, _: &mut Core<S>) {
        self.resolver.forget_all();
        let attempts = std::mem::take(&mut self.attempts);
        let handlers = attempts.into_iter().map(|(_, (_, attempt))| attempt.into_handler());
        let outcomes = std::mem::take(&mut self.outcomes);
        for handler in handlers.chain(outcomes.into_iter().map(|outcome| outcome.handler)) {
            panics::drop_quietly(handler);
        }
    }
}

/// Opens the established connections, and notifies the handlers of the failed ones.
fn hand_over<S: System>(outcomes: Vec<Outcome<S::Socket>>, core: &mut Core<S>) {
    for Outcome { handler, host, peer, socket } in outcomes {
        // The socket is registered as an attempt.
        let renamed = socket.and_then(|mut socket| {
            core.system.rename(&mut socket, Source::Connection(core.hub.next_id()))?;
            Ok(socket)
        });
        match renamed {
            Ok(socket) => {
                core.counters().connected.add(1);
                let incoming = match S::local_address(&socket) {
                    Some(local) => Incoming::new(peer, local),
                    None => peer.into(),
                };
                let id = core.hub.open(socket, incoming, handler);
                if let Some(host) = host {
                    core.reserved.settle(id, host);
                }
            }
            Err(error) => {
                log::debug!("{peer}: cannot connect: {error}");
                let before = core.hub.dials();
                core.hub.unreachable(handler, &peer, error);
                if let Some(host) = host {
                    core.reserved.give_back(host);
                    // Its handler may try another address, on the same place.
                    for dial in core.hub.dials_mut().iter_mut().skip(before) {
                        dial.from = host;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
