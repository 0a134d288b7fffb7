//! What goes to the hubs of a server's other reactors, and what comes from them. A part of
//! [`Hub`]; knows no thread: who carries the parcels is the reactor's business.

use std::collections::{HashMap, VecDeque};

use super::transport::Transport;
use super::{Hub, lookup, marks};
use crate::handler::context::{Effect, Note, Undelivered};
use crate::id::Home;
use crate::id::Id;
use crate::panics;
use crate::topic::Topic;

/// What one hub has another one do.
pub(crate) enum Parcel {
    Send(Id, Box<[u8]>),
    Publish {
        author: Id,
        topic: Topic,
        bytes: Box<[u8]>,
    },
    Tell {
        from: Id,
        to: Id,
        note: Note,
    },
    Forward {
        from: Id,
        to: Id,
        bytes: Box<[u8]>,
    },
    /// What that connection forwarded has been taken, or will never be: read it again.
    Release(Id),
    /// So much of what was sent has been unpacked.
    Credit(usize),
}

/// What a parcel weighs besides its bytes.
const PARCEL_COST: usize = 64;
/// Whoever sends something when more is on its way than this is not read until half of it has
/// arrived.
const CROWDED: usize = 1024 * 1024;
/// Arrivals are told in steps of this: a word back for each would wake the sender for nothing.
const CREDIT: usize = CROWDED / 4;
/// Parcels unpacked in one turn.
const UNPACK_BURST: usize = 1024;

impl Parcel {
    fn weight(&self) -> usize {
        match self {
            Parcel::Send(_, bytes)
            | Parcel::Publish { bytes, .. }
            | Parcel::Forward { bytes, .. } => bytes.len() + PARCEL_COST,
            Parcel::Tell { .. } => PARCEL_COST,
            Parcel::Release(_) | Parcel::Credit(_) => 0,
        }
    }
}

/// Whether an effect is about somebody of a sibling.
pub(super) fn concerns(home: Home, effect: &Effect) -> bool {
    match effect {
        Effect::Publish(..) => true,
        Effect::Send(to, _) | Effect::Forward(to, _) | Effect::Tell(to, _) => {
            home.abroad(*to).is_some()
        }
        _ => false,
    }
}

/// The other hubs, as this one sees them.
pub(super) struct Siblings {
    pub(super) home: Home,
    /// One for each reactor, with one that nobody uses for this one; none if it is alone.
    lanes: Vec<Lane>,
    /// Parcels to unpack, each with where it came from.
    inbox: VecDeque<(usize, Parcel)>,
}

/// The way to one sibling and back.
#[derive(Default)]
struct Lane {
    outbox: Vec<Parcel>,
    /// What is on its way or not yet known to have arrived.
    underway: usize,
    /// What has come from there and was not told of.
    arrived: usize,
    /// Who is not read until less is on its way.
    held: Vec<Id>,
    /// Who is not read until what it forwarded was taken, and how often it is held for that.
    awaiting: HashMap<Id, usize>,
    /// That reactor has ended.
    closed: bool,
}

impl Lane {
    /// Who awaits a release, as often as it does.
    fn awaiting(&self) -> impl Iterator<Item = Id> + '_ {
        self.awaiting.iter().flat_map(|(id, count)| std::iter::repeat_n(*id, *count))
    }
}

impl Siblings {
    pub(super) fn new(home: Home) -> Siblings {
        let lanes = if home == Home::ALONE { 0 } else { home.count() };
        let lanes = (0..lanes).map(|_| Lane::default()).collect();
        Siblings { home, lanes, inbox: VecDeque::new() }
    }

    pub(super) fn has_inbox(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Those who are held for the sake of siblings.
    #[cfg(debug_assertions)]
    pub(super) fn held(&self) -> impl Iterator<Item = Id> + '_ {
        let awaiting = self.lanes.iter().flat_map(Lane::awaiting);
        awaiting.chain(self.lanes.iter().flat_map(|lane| lane.held.iter().copied()))
    }
}

impl<T: Transport> Hub<T> {
    /// Whether parcels have come that are not unpacked.
    pub(crate) fn has_mail(&self) -> bool {
        self.siblings.has_inbox()
    }

    /// Takes parcels, each with the sibling it comes from; the next turn unpacks them.
    pub(crate) fn receive(&mut self, parcels: impl IntoIterator<Item = (usize, Parcel)>) {
        self.siblings.inbox.extend(parcels);
    }

    /// Lets those write again whose parcels have been carried.
    #[cold]
    pub(super) fn undefer(&mut self) {
        let mut deferred = std::mem::take(&mut self.desk.deferred);
        for id in deferred.drain(..) {
            if let Some(connection) = lookup(&mut self.table, id) {
                connection.marks.clear(marks::DEFERRED);
                self.queue(id);
            }
        }
        self.desk.deferred = deferred;
    }

    /// What is to be carried to which sibling.
    pub(crate) fn outboxes(&mut self) -> impl Iterator<Item = (usize, &mut Vec<Parcel>)> {
        let lanes = self.siblings.lanes.iter_mut().map(|lane| &mut lane.outbox);
        lanes.enumerate().filter(|(_, outbox)| !outbox.is_empty())
    }

    /// Whether who has something for a sibling had better wait.
    pub(super) fn is_crowded_abroad(&self, to: usize) -> bool {
        self.siblings.lanes.get(to).is_some_and(|lane| lane.underway > CROWDED)
    }

    /// The same for any sibling.
    pub(super) fn is_crowded_anywhere(&self) -> bool {
        self.siblings.lanes.iter().any(|lane| lane.underway > CROWDED)
    }

    /// Sends a parcel, and holds who causes it if too many are on their way.
    pub(super) fn post(&mut self, to: usize, from: Id, parcel: Parcel) {
        let Some(lane) = self.siblings.lanes.get_mut(to) else { return };
        if lane.closed {
            self.come_to_nothing(parcel);
            return;
        }
        lane.underway += parcel.weight();
        lane.outbox.push(parcel);
        if lane.underway > CROWDED && lane.held.last() != Some(&from) {
            lane.held.push(from);
            self.hold(from);
        }
    }

    /// Has every sibling deliver to the members it has: only they know whether there are any.
    pub(super) fn publish_abroad(&mut self, author: Id, topic: &Topic, bytes: &[u8]) {
        for to in 0..self.siblings.lanes.len() {
            if to != self.siblings.home.index() {
                let (topic, bytes) = (topic.clone(), bytes.into());
                self.post(to, author, Parcel::Publish { author, topic, bytes });
            }
        }
    }

    /// Forwards to a connection of a sibling. Its sender waits until that one has taken it, which
    /// bounds what is on its way without knowing how full that connection is.
    pub(super) fn forward_abroad(&mut self, to: usize, parcel: Parcel, from: Id) {
        let Some(lane) = self.siblings.lanes.get_mut(to).filter(|lane| !lane.closed) else {
            return;
        };
        // Nobody is held that is no connection, nor released.
        if from != Id::NOBODY {
            *lane.awaiting.entry(from).or_default() += 1;
            self.hold(from);
        }
        self.post(to, from, parcel);
    }

    /// Does what siblings want, as far as the turn allows. What is published to a crowded topic
    /// waits, and all behind it: the order in which something was sent is the order in which it
    /// comes.
    #[cold]
    pub(super) fn unpack(&mut self) {
        for _ in 0..UNPACK_BURST {
            match self.siblings.inbox.front() {
                Some((_, Parcel::Publish { topic, .. })) if self.topics.is_crowded(topic) => break,
                _ => {}
            }
            let Some((from, parcel)) = self.siblings.inbox.pop_front() else { break };
            self.acknowledge(from, parcel.weight());
            match parcel {
                Parcel::Send(to, bytes) => self.deliver(to, &bytes),
                Parcel::Publish { author, topic, bytes } => {
                    self.publish_here(author, &topic, &bytes);
                }
                Parcel::Tell { from, to, note } => self.tell(from, to, note),
                Parcel::Forward { from, to, bytes } => {
                    if !self.forward_here(from, to, &bytes) {
                        self.release(vec![from]);
                    }
                }
                Parcel::Release(id) => self.release_forwarder(from, id),
                Parcel::Credit(weight) => self.credit(from, weight),
            }
        }
    }

    fn acknowledge(&mut self, from: usize, weight: usize) {
        let Some(lane) = self.siblings.lanes.get_mut(from).filter(|lane| !lane.closed) else {
            return;
        };
        lane.arrived += weight;
        if lane.arrived >= CREDIT {
            lane.outbox.push(Parcel::Credit(std::mem::take(&mut lane.arrived)));
        }
    }

    fn credit(&mut self, from: usize, weight: usize) {
        let Some(lane) = self.siblings.lanes.get_mut(from) else { return };
        lane.underway = lane.underway.saturating_sub(weight);
        if lane.underway <= CROWDED / 2 {
            let held = std::mem::take(&mut lane.held);
            self.release(held);
        }
    }

    fn release_forwarder(&mut self, from: usize, id: Id) {
        let Some(lane) = self.siblings.lanes.get_mut(from) else { return };
        if let Some(count) = lane.awaiting.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                lane.awaiting.remove(&id);
            }
            self.release(vec![id]);
        }
    }

    /// A sibling has ended: nobody waits for it any more, and what was on its way comes to nothing.
    pub(crate) fn close_lane(&mut self, to: usize) {
        let Some(lane) = self.siblings.lanes.get_mut(to) else { return };
        let awaiting = lane.awaiting().collect();
        let Lane { outbox, held, .. } = std::mem::take(lane);
        lane.closed = true;
        self.release(held);
        self.release(awaiting);
        for parcel in outbox {
            self.come_to_nothing(parcel);
        }
    }

    /// A parcel cannot be delivered. Who told something hears of it, as of any note to nobody.
    fn come_to_nothing(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Tell { from, to, note } if lookup(&mut self.table, from).is_some() => {
                self.tell(Id::NOBODY, from, Box::new(Undelivered { to, note }));
            }
            parcel => panics::drop_quietly(parcel),
        }
    }
}
