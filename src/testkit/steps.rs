//! The second part of [`Network`]: connections that handlers request, and the single steps of a
//! turn, for callers that choose which steps run, and when.

use std::io;
#[cfg(feature = "backplane")]
use std::iter;
#[cfg(feature = "backplane")]
use std::time::Duration;

use super::network::{Client, Network};
use super::wire::lock;
#[cfg(feature = "backplane")]
use crate::backplane::config::Backplane;
#[cfg(feature = "backplane")]
use crate::backplane::exchange::Exchange;
#[cfg(feature = "backplane")]
use crate::backplane::presence::Presence;
#[cfg(feature = "backplane")]
use crate::backplane::sharing::Sharing;
use crate::handler::Handler;
use crate::handler::effect::{Dial, Effect, Stopping};
#[cfg(feature = "backplane")]
use crate::handler::notification::Ticket;
#[cfg(feature = "backplane")]
use crate::id::Id;
use crate::net::destination::Destination;
use crate::net::peer::Peer;
use crate::net::to_destination::sealed::Target;
use crate::now::Now;

/// Requested connections.
impl Network {
    /// Returns the destinations of [requested](crate::Context::connect) connections, the oldest
    /// first.
    #[must_use]
    pub fn wanted(&self) -> Vec<Destination> {
        self.dials.iter().map(|(_, to, _)| to.clone()).collect()
    }

    /// Establishes the connection that was requested first. Returns its far end.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    /// use std::io;
    ///
    /// struct Backend;
    ///
    /// impl Handler for Backend {
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
    ///         assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    ///     }
    /// }
    ///
    /// /// Connects to its backend for each byte.
    /// struct Front;
    ///
    /// impl Handler for Front {
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         input.iter().for_each(|_| cx.connect("backend:8080", Backend));
    ///         Ok(input.len())
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Front);
    /// network.send(client, b"..");
    /// network.settle();
    /// assert_eq!(network.wanted()[0].to_string(), "backend:8080");
    /// let backend = network.grant();
    /// network.deny(io::ErrorKind::ConnectionRefused.into());
    /// network.settle();
    /// assert!(!network.is_closed(backend));
    /// ```
    ///
    /// # Panics
    ///
    /// If no connection is requested; the same holds for [`deny`](Network::deny).
    pub fn grant(&mut self) -> Client {
        let (reactor, handler) = self.dial();
        self.open(reactor, handler)
    }

    /// Shares topics with other nodes: the first reactor requests a connection to the engine.
    #[cfg(feature = "backplane")]
    pub(super) fn share_topics(&mut self, backplane: Backplane) {
        let home = Sharing::Home(Box::new(backplane));
        let branches: Vec<Sharing> = self.hubs.iter().skip(1).map(|_| home.branch()).collect();
        for (hub, sharing) in self.hubs.iter_mut().zip(iter::once(home).chain(branches)) {
            hub.share_topics(sharing);
        }
    }

    /// Returns its requests about names.
    #[cfg(feature = "backplane")]
    pub(super) fn presence(&self) -> Option<&Presence<(Id, Ticket)>> {
        self.hubs.first()?.shared_topics()?.presence()
    }

    /// Returns the exchange of its shared topics.
    #[cfg(feature = "backplane")]
    pub(super) fn exchange(&self) -> Option<&Exchange> {
        self.hubs.first()?.shared_topics()?.exchange()
    }

    /// Fails the connection that was requested first. [`grant`](Network::grant) has an example.
    pub fn deny(&mut self, error: io::Error) {
        let (reactor, handler) = self.dial();
        self.hubs[reactor].unreachable(handler, &Peer::unresolved(), error);
    }

    #[allow(clippy::expect_used, reason = "a wrong test fails by a panic")]
    fn dial(&mut self) -> (usize, Box<dyn Handler>) {
        let (reactor, _, handler) = self.dials.pop_front().expect("no connection was requested");
        (reactor, handler)
    }
}

/// Steps.
impl Network {
    /// Delivers the pending event of a connection. Returns true if there was one.
    pub(super) fn deliver(&mut self, client: Client) -> bool {
        let Some(end) = self.ends.get(client.0) else { return false };
        let mut wire = lock(&end.wire);
        if !std::mem::take(&mut wire.edge) || wire.server_gone {
            return false;
        }
        let readiness = wire.readiness();
        // If the room is gone again, a later event reports it.
        wire.starved &= !readiness.writable;
        self.hubs[end.reactor].note(end.id, readiness);
        true
    }

    /// Delivers the events that were added by the test.
    pub(super) fn deliver_stray(&mut self) {
        for (client, readiness) in self.stray.drain(..) {
            let end = &self.ends[client.0];
            self.hubs[end.reactor].note(end.id, readiness);
        }
    }

    /// Delivers notifications of other threads.
    pub(super) fn deliver_mail(&mut self) {
        for (to, note) in self.mail.take_all() {
            self.hubs[0].obey(Effect::Notify(to, note));
        }
    }

    /// Runs one task to its end and returns the result to its reactor.
    pub(super) fn work(&mut self, at: usize) {
        let (reactor, mut task) = self.tasks.remove(at);
        task.run();
        self.hubs[reactor].take_back(task);
    }

    /// Runs one turn of one reactor.
    pub(super) fn run(&mut self, reactor: usize) {
        let now = self.now();
        self.hubs[reactor].note_time(now);
        self.hubs[reactor].turn();
        self.take_wishes(reactor);
    }

    fn take_wishes(&mut self, reactor: usize) {
        let hub = &mut self.hubs[reactor];
        self.tasks.extend(hub.take_tasks().into_iter().map(|task| (reactor, task)));
        for Dial { to, handler, .. } in std::mem::take(hub.dials_mut()) {
            let error = match to {
                Target::Destination(to) => {
                    self.dials.push_back((reactor, to, handler));
                    continue;
                }
                Target::Socket(_) => {
                    let what = "a network in memory has no sockets of the system";
                    io::Error::new(io::ErrorKind::Unsupported, what)
                }
                Target::Invalid(error) => io::Error::new(io::ErrorKind::InvalidInput, error),
            };
            hub.unreachable(handler, &Peer::unresolved(), error);
        }
    }

    /// Stops the reactors. The messages that the stop of one causes go before that of the next.
    pub(super) fn stop_all(&mut self, stopping: Stopping) {
        for index in 0..self.hubs.len() {
            self.hubs[index].stop(stopping);
            self.carry();
        }
    }

    /// Moves messages between the reactors. Returns true if there were any.
    pub(super) fn carry(&mut self) -> bool {
        let mut has_mail = false;
        for from in 0..self.hubs.len() {
            let outboxes = self.hubs[from].outboxes();
            let mail: Vec<_> = outboxes.map(|(to, outbox)| (to, std::mem::take(outbox))).collect();
            for (to, parcels) in mail {
                has_mail = true;
                self.hubs[to].receive(parcels.into_iter().map(|parcel| (from, parcel)));
            }
        }
        has_mail
    }

    /// Sets the time of the next turn.
    #[cfg(feature = "backplane")]
    pub(super) fn set_elapsed(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    pub(super) fn now(&self) -> Now {
        Now::new(self.elapsed, 784_111_777 + self.elapsed.as_secs())
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns true if no work is left at the current time, apart from messages between reactors.
    pub(super) fn is_quiet(&self) -> bool {
        let has_news = self.ends.iter().any(|end| {
            let wire = lock(&end.wire);
            wire.edge && !wire.server_gone
        });
        let is_due = self.next_ms().is_some_and(|due_ms| due_ms <= self.now_ms());
        !has_news && !self.mail.must_wait(|_| true) && self.tasks.is_empty() && !is_due
    }

    /// In debug builds, checks that no connection was forgotten: none has readable input or
    /// writable output.
    pub(super) fn check_rest(&self) {
        #[cfg(debug_assertions)]
        for hub in &self.hubs {
            hub.check_rest(
                |socket| lock(&socket.0).is_readable(),
                |socket| lock(&socket.0).is_writable_and_told(),
            );
        }
    }
}
