//! What handlers wished for others than their own connection, or of the hub itself. The second
//! half of [`Hub`]; runs between two connections, never within one.

use std::io;

use super::connection::{Connection, Link};
use super::siblings::Parcel;
use super::transport::Transport;
use super::{Hub, lookup, marks};
use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::{Context, Note, Undelivered};
use crate::handler::context::{Dial, Effect};
use crate::id::Id;
use crate::net::peer::Peer;
use crate::panics;

impl<T: Transport> Hub<T> {
    /// What pumped connections wished for others, and those who ended over it for yet others.
    pub(super) fn apply_outward(&mut self) {
        while let Some((from, effect)) = self.desk.outward.pop_front() {
            self.apply(from, effect);
        }
    }

    /// Applies a wish that is not about the connection's own bytes.
    fn apply(&mut self, from: Id, effect: Effect) {
        match effect {
            Effect::WakeAt(at_ms) => {
                if let Some(connection) = lookup(&mut self.table, from) {
                    connection.marks.set(marks::TIMED);
                    self.timers.set(from, at_ms);
                }
            }
            Effect::CancelWake => {
                if let Some(connection) = lookup(&mut self.table, from) {
                    connection.marks.clear(marks::TIMED);
                    self.timers.cancel(from);
                }
            }
            Effect::Send(to, bytes) => self.send(from, to, bytes),
            Effect::Join(topic) => self.join(from, &topic),
            Effect::Leave(topic) => self.leave(from, &topic),
            Effect::Publish(topic, bytes) => self.publish(from, &topic, &bytes),
            Effect::Forward(to, bytes) => self.forward(from, to, bytes),
            Effect::Tell(to, note) => self.tell(from, to, note),
            Effect::Connect(dial) => self.dials.push(*dial),
            Effect::Offload(work) => self.offload(from, work),
            // The connection has applied these itself.
            Effect::Close(_) | Effect::Pause | Effect::Resume | Effect::Finish => {}
            // Of a handler whose connection was not made.
            Effect::Upgrade(to) => panics::drop_quietly(to),
        }
    }

    /// Does what another thread asks for.
    pub(crate) fn obey(&mut self, effect: Effect) {
        self.apply(Id::NOBODY, effect);
    }

    /// Whether what another thread asks for had better wait: it cannot be held as a handler can.
    pub(crate) fn must_wait(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Publish(topic, _) => {
                self.topics.is_crowded(topic) || self.is_crowded_anywhere()
            }
            Effect::Send(to, _) | Effect::Tell(to, _) => {
                let sibling = self.siblings.home.abroad(*to);
                sibling.is_some_and(|sibling| self.is_crowded_abroad(sibling))
            }
            _ => false,
        }
    }

    fn send(&mut self, from: Id, to: Id, bytes: Box<[u8]>) {
        match self.siblings.home.abroad(to) {
            Some(sibling) => self.post(sibling, from, Parcel::Send(to, bytes)),
            None => self.deliver(to, &bytes),
        }
    }

    /// Hands bytes of one connection to another; they leave with its next pump.
    pub(super) fn deliver(&mut self, to: Id, bytes: &[u8]) {
        let Some(connection) = self.listening(to) else { return };
        if connection.output_len() > self.desk.limits.output_hard && !self.relieve(to) {
            return;
        }
        self.append(to, bytes);
    }

    /// The connection `id`, if it can still be sent something.
    fn listening(&mut self, id: Id) -> Option<&mut Connection<T>> {
        lookup(&mut self.table, id).filter(|connection| connection.is_listening())
    }

    fn append(&mut self, to: Id, bytes: &[u8]) {
        let high = self.desk.limits.output_high;
        let Some(connection) = self.listening(to) else { return };
        connection.keep_output(bytes);
        if connection.output_len() >= high {
            connection.marks.set(marks::FULL);
        }
        self.queue_if_able(to);
    }

    /// Hands on bytes and holds their sender while there are too many. That bounds them, so the
    /// hard mark is not asked.
    fn forward(&mut self, from: Id, to: Id, bytes: Box<[u8]>) {
        if let Some(sibling) = self.siblings.home.abroad(to) {
            self.forward_abroad(sibling, Parcel::Forward { from, to, bytes }, from);
        } else if self.forward_here(from, to, &bytes) {
            self.hold(from);
        }
    }

    /// Tells whether the sender must be held: it is in the list of those who wait, once more.
    pub(super) fn forward_here(&mut self, from: Id, to: Id, bytes: &[u8]) -> bool {
        self.append(to, bytes);
        let is_here = self.siblings.home.abroad(from).is_none();
        let Some(connection) = self.listening(to) else { return false };
        if !connection.marks.has(marks::FULL) {
            return false;
        }
        connection.marks.set(marks::AWAITED);
        let awaiting = &mut connection.leftovers().awaiting;
        // A sibling's is released once for each time that it forwarded.
        let must_wait = !is_here || awaiting.last() != Some(&from);
        if must_wait {
            awaiting.push(from);
        }
        must_wait
    }

    /// Has a handler told something in the next turn. What cannot be told to anybody comes back,
    /// once.
    pub(super) fn tell(&mut self, from: Id, to: Id, note: Note) {
        if let Some(sibling) = self.siblings.home.abroad(to) {
            self.post(sibling, from, Parcel::Tell { from, to, note });
            return;
        }
        match lookup(&mut self.table, to) {
            Some(connection) if connection.link == Link::Open => {
                connection.leftovers().notes.push((from, note));
                connection.marks.set(marks::NOTED);
                self.queue(to);
            }
            _ if from == Id::NOBODY => panics::drop_quietly(note),
            _ => self.tell(Id::NOBODY, from, Box::new(Undelivered { to, note })),
        }
    }

    /// Wants a connection made.
    pub(crate) fn dial(&mut self, dial: Dial) {
        self.dials.push(dial);
    }

    /// How many connections are wanted.
    pub(crate) fn dials(&self) -> usize {
        self.dials.len()
    }

    /// Takes the connections that are wanted.
    pub(crate) fn take_dials(&mut self) -> Vec<Dial> {
        std::mem::take(&mut self.dials)
    }

    /// Tells a handler that its connection could not be made.
    pub(crate) fn unreachable(
        &mut self,
        mut handler: Box<dyn Handler>,
        peer: &Peer,
        error: &io::Error,
    ) {
        let mut cx = Context::new(Id::NOBODY, peer, &mut self.desk.record);
        let result = panics::catch(|| handler.on_unreachable(error, &mut cx));
        let counters = &self.desk.meter.counters;
        counters.unreachable.add(1);
        counters.calls.add(1);
        if let Some(slow) = self.desk.stopwatch.lap(counters) {
            log::warn!("{peer}: on_unreachable {slow}");
        }
        if let Err(said) = result {
            counters.panics.add(1);
            log::error!("{peer}: handler panicked: {said}");
        }
        panics::drop_quietly(handler);
        self.desk.record.out.clear();
        let effects = self.desk.record.effects.drain(..);
        self.desk.outward.extend(effects.map(|effect| (Id::NOBODY, effect)));
        self.apply_outward();
    }

    /// Tries to send what waits for a connection above the hard mark: it is slow only if its
    /// socket says so. Ends it if it is.
    fn relieve(&mut self, id: Id) -> bool {
        let Some(connection) = lookup(&mut self.table, id) else { return false };
        if connection.is_deferred() {
            return true;
        }
        connection.flush(&mut self.desk);
        if connection.link == Link::Closed {
            self.bury(id);
            return false;
        }
        if connection.output_len() > self.desk.limits.output_hard {
            self.end_now(id, Close::SlowConsumer);
            return false;
        }
        true
    }
}
