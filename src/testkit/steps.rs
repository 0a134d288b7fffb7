//! A turn of a network in its single steps, for those who choose which of them happen, and when.
//! The second part of [`Network`].

use std::io;

use super::network::{Client, Network};
use super::wire::lock;
use crate::handler::context::Dial;
use crate::net::peer::Peer;
use crate::net::to_destination::sealed::Target;
use crate::now::Now;

impl Network {
    /// Delivers the event of a connection, if there is one. Tells whether there was.
    pub(super) fn deliver(&mut self, client: Client) -> bool {
        let Some(end) = self.ends.get(client.0) else { return false };
        let mut wire = lock(&end.wire);
        if !std::mem::take(&mut wire.edge) || wire.server_gone {
            return false;
        }
        let readiness = wire.readiness();
        // The room may be gone again; then it is told another time.
        wire.starved &= !readiness.writable;
        self.hubs[end.reactor].note(end.id, readiness);
        true
    }

    /// Delivers the events that no wire has caused.
    pub(super) fn deliver_stray(&mut self) {
        for (client, readiness) in self.stray.drain(..) {
            let end = &self.ends[client.0];
            self.hubs[end.reactor].note(end.id, readiness);
        }
    }

    /// Has a worker do a task, one of those at work, and hand it back.
    pub(super) fn work(&mut self, at: usize) {
        let (reactor, mut task) = self.tasks.remove(at);
        task.run();
        self.hubs[reactor].take_back(task);
    }

    /// Runs the turn of one reactor itself.
    pub(super) fn run(&mut self, reactor: usize) {
        let now = self.now();
        self.hubs[reactor].note_time(now);
        self.hubs[reactor].turn();
        self.take_wishes(reactor);
    }

    fn take_wishes(&mut self, reactor: usize) {
        let hub = &mut self.hubs[reactor];
        self.tasks.extend(hub.take_tasks().into_iter().map(|task| (reactor, task)));
        for Dial { to, handler } in hub.take_dials() {
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

    /// Carries what the reactors have for one another. Tells whether there was anything.
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

    pub(super) fn now(&self) -> Now {
        Now::new(self.elapsed, 784_111_777 + self.elapsed.as_secs())
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether nothing is left to do at this moment, once everything has been carried.
    pub(super) fn is_quiet(&self) -> bool {
        let has_news = self.ends.iter().any(|end| {
            let wire = lock(&end.wire);
            wire.edge && !wire.server_gone
        });
        let is_due = self.next_ms().is_some_and(|due_ms| due_ms <= self.now_ms());
        !has_news && self.tasks.is_empty() && !is_due
    }

    /// Checks, in debug builds, that nobody has been forgotten now that nothing is left to do: no
    /// input that could be read, no output that could be written.
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
