//! Delivers poller events to a loop, in any order, and each once. Knows wires and queues; must not
//! know loops.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::datagrams::{self, DatagramQueue};
use super::kernel::{self, Shared};
use super::listener::{self, ListenQueue};
use super::share::Share;
use crate::hub::Readiness;
use crate::reactor::Source;
use crate::testkit::random::Random;
use crate::testkit::wire::{self, Wire};

/// All sources of events of a loop.
pub(super) struct Ears<'w> {
    pub(super) kernel: &'w Shared,
    pub(super) wires: Vec<Arc<Mutex<Wire>>>,
    /// These belong to the first loop.
    pub(super) queues: &'w [Arc<Mutex<ListenQueue>>],
    pub(super) datagrams: Option<&'w Arc<Mutex<DatagramQueue>>>,
}

impl Ears<'_> {
    /// Returns true if a loop has undelivered events.
    pub(super) fn have_news(&self, index: usize) -> bool {
        let kernel = kernel::lock(self.kernel);
        let state = &kernel.loops[index];
        if state.is_woken() || !state.events.is_empty() {
            return true;
        }
        let of_wires = self.wires.iter().any(|wire| event_of(&wire::lock(wire), index).is_some());
        let of_queues = self.queues.iter().any(|queue| {
            let queue = listener::lock(queue);
            queue.edge && !queue.closed
        });
        let of_datagrams = self.datagrams.iter().any(|queue| {
            let queue = datagrams::lock(queue);
            queue.edge && !queue.closed
        });
        of_wires || index == 0 && (of_queues || of_datagrams)
    }

    /// Delivers the due events of a loop, or some of them, for its next turn.
    pub(super) fn deliver(&self, index: usize, random: &mut Random, share: Share) {
        let mut events = Vec::new();
        for wire in &self.wires {
            let mut wire = wire::lock(wire);
            let Some((source, readiness)) = event_of(&wire, index) else { continue };
            if share.takes(random) {
                wire.edge = false;
                // If the room is gone again, a later event reports it.
                wire.starved &= !readiness.writable;
                events.push((source, readiness));
            }
        }
        if index == 0 {
            self.hear_of_sockets(random, share, &mut events);
        }
        let mut kernel = kernel::lock(self.kernel);
        let state = &mut kernel.loops[index];
        if state.is_woken() && share.takes(random) {
            state.waker.store(false, Ordering::Release);
            events.push((Source::Waker, Readiness { readable: true, ..Readiness::default() }));
        }
        // Start anywhere and wrap around: events come in any order.
        let from = random.below(events.len().max(1));
        events.rotate_left(from);
        for (source, readiness) in events {
            state.add_event(source, readiness);
        }
    }

    fn hear_of_sockets(
        &self,
        random: &mut Random,
        share: Share,
        events: &mut Vec<(Source, Readiness)>,
    ) {
        for (index, queue) in self.queues.iter().enumerate() {
            let mut queue = listener::lock(queue);
            if queue.edge && !queue.closed && share.takes(random) {
                queue.edge = false;
                let readiness = Readiness { readable: true, ..Readiness::default() };
                events.push((Source::Listener(index), readiness));
            }
        }
        if let Some(queue) = self.datagrams {
            let mut queue = datagrams::lock(queue);
            if queue.edge && !queue.closed && share.takes(random) {
                queue.edge = false;
                let (readable, writable) = (!queue.waiting.is_empty(), queue.room > 0);
                queue.is_starved &= !writable;
                let readiness = Readiness { readable, writable, ..Readiness::default() };
                events.push((Source::Datagram(0), readiness));
            }
        }
    }
}

/// Returns the due event of a wire that a loop watches.
fn event_of(wire: &Wire, index: usize) -> Option<(Source, Readiness)> {
    let (of, source) = wire.watched?;
    let is_due = of == index && wire.edge && !wire.server_gone;
    is_due.then(|| (source, wire.readiness()))
}
