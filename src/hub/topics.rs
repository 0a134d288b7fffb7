//! Who is a member of which topic, and what was published there and has not reached everybody.
//! Knows ids and bytes; no connections and no sockets.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use slab::Slab;

use super::feed::Feed;
use crate::id::Id;
use crate::topic::Topic;

#[derive(Default)]
pub(super) struct Topics {
    table: Slab<Audience>,
    by_name: HashMap<Topic, usize>,
    /// Where each member sits. Connections without a topic have no entry.
    seats: HashMap<Id, Vec<Seat>>,
    /// Topics with something to deliver, each once; those that have lost their last member
    /// meanwhile are found out by their serial number.
    busy: VecDeque<(usize, u64)>,
    serial: u64,
}

/// A place among the members of a topic.
#[derive(Clone, Copy)]
struct Seat {
    topic: usize,
    place: usize,
}

/// A topic's members, and what they are to get.
///
/// Positions count the bytes published to the topic since it began. In a pass every member gets
/// what lies between what it has seen and where the pass ends; what is published during the pass
/// waits for the next one.
///
/// ```text
///   feed:     base ........................ pass end ............ end
///   members:  [ has seen pass end | next ... has not ]
/// ```
pub(super) struct Audience {
    name: Topic,
    serial: u64,
    members: Vec<Member>,
    pub(super) feed: Feed,
    /// The member whose turn it is in the pass.
    next: usize,
    busy: bool,
    /// Publishers that are not read until the pass is over.
    held: Vec<Id>,
}

#[derive(Clone, Copy)]
struct Member {
    id: Id,
    seen: u64,
}

/// When what a topic has to deliver weighs more, its publishers are held.
const CROWDED: usize = 1024 * 1024;

/// How many topics somebody is a member of, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memberships {
    None,
    One,
    Several,
}

impl Topics {
    pub(super) fn join(&mut self, id: Id, name: &Topic) {
        let key = match self.by_name.get(name) {
            Some(key) => *key,
            None => self.found(name),
        };
        let seats = self.seats.entry(id).or_default();
        if seats.iter().any(|seat| seat.topic == key) {
            return;
        }
        let Some(audience) = self.table.get_mut(key) else { return };
        seats.push(Seat { topic: key, place: audience.members.len() });
        // Nothing that was published before it came.
        audience.members.push(Member { id, seen: audience.feed.end() });
    }

    fn found(&mut self, name: &Topic) -> usize {
        self.serial += 1;
        let key = self.table.insert(Audience {
            name: name.clone(),
            serial: self.serial,
            members: Vec::new(),
            feed: Feed::default(),
            next: 0,
            busy: false,
            held: Vec::new(),
        });
        self.by_name.insert(name.clone(), key);
        key
    }

    pub(super) fn memberships(&self, id: Id) -> Memberships {
        match self.seats.get(&id).map_or(0, Vec::len) {
            0 => Memberships::None,
            1 => Memberships::One,
            _ => Memberships::Several,
        }
    }

    /// What a member has still to get of a topic that it is about to leave, message by message.
    pub(super) fn unseen(&self, id: Id, name: &Topic) -> Vec<Box<[u8]>> {
        let found = self.by_name.get(name).and_then(|key| Some((*key, self.table.get(*key)?)));
        let Some((key, audience)) = found else { return Vec::new() };
        let seat = self.seats.get(&id).and_then(|seats| seats.iter().find(|s| s.topic == key));
        let member = seat.and_then(|seat| audience.members.get(seat.place));
        member.map_or_else(Vec::new, |m| audience.feed.messages(id, m.seen..audience.feed.end()))
    }

    /// Ends a membership. Returns the publishers that need not be held any more.
    pub(super) fn leave(&mut self, id: Id, name: &Topic) -> Vec<Id> {
        let Some(seats) = self.seats.get_mut(&id) else { return Vec::new() };
        let Some(key) = self.by_name.get(name) else { return Vec::new() };
        let Some(at) = seats.iter().position(|seat| seat.topic == *key) else {
            return Vec::new();
        };
        let seat = seats.swap_remove(at);
        if seats.is_empty() {
            self.seats.remove(&id);
        }
        self.vacate(seat)
    }

    /// The same for all topics of a connection that has ended.
    pub(super) fn leave_all(&mut self, id: Id) -> Vec<Id> {
        let seats = self.seats.remove(&id).unwrap_or_default();
        seats.into_iter().flat_map(|seat| self.vacate(seat)).collect()
    }

    /// Closes the gap that a member leaves. In the middle of a pass the order is kept of those
    /// who have had their turn and those who have not: the gap moves to the border first.
    fn vacate(&mut self, seat: Seat) -> Vec<Id> {
        let Some(audience) = self.table.get_mut(seat.topic) else { return Vec::new() };
        let mut gap = seat.place;
        if gap < audience.next {
            audience.next -= 1;
            audience.members.swap(gap, audience.next);
            let moved = audience.members.get(gap).map(|member| member.id);
            reseat(&mut self.seats, moved, seat.topic, gap);
            gap = audience.next;
        }
        audience.members.swap_remove(gap);
        let moved = audience.members.get(gap).map(|member| member.id);
        reseat(&mut self.seats, moved, seat.topic, gap);
        if audience.members.is_empty() {
            return self.dissolve(seat.topic);
        }
        Vec::new()
    }

    fn dissolve(&mut self, key: usize) -> Vec<Id> {
        let audience = self.table.remove(key);
        self.by_name.remove(&audience.name);
        audience.held
    }

    /// Notes a message for all members but its author. If the topic is crowded, gives the list of
    /// those who are held until it is served: the author belongs there.
    pub(super) fn publish(
        &mut self,
        author: Id,
        name: &Topic,
        bytes: &[u8],
    ) -> Option<&mut Vec<Id>> {
        let key = *self.by_name.get(name)?;
        let audience = self.table.get_mut(key)?;
        if bytes.is_empty() {
            return None;
        }
        audience.feed.append(author, bytes);
        if !audience.busy {
            audience.busy = true;
            self.busy.push_back((key, audience.serial));
        }
        audience.is_crowded().then_some(&mut audience.held)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    /// Whether who publishes there had better wait.
    pub(super) fn is_crowded(&self, name: &Topic) -> bool {
        let key = self.by_name.get(name);
        key.and_then(|key| self.table.get(*key)).is_some_and(Audience::is_crowded)
    }

    /// How many topics wait for a pass or its rest.
    pub(super) fn busy_len(&self) -> usize {
        self.busy.len()
    }

    /// The next topic with something to deliver, its pass begun.
    pub(super) fn next_busy(&mut self) -> Option<&mut Audience> {
        while let Some(&(key, serial)) = self.busy.front() {
            if self.table.get(key).is_some_and(|audience| audience.serial == serial) {
                let audience = self.table.get_mut(key)?;
                if audience.next == 0 {
                    audience.feed.begin_pass();
                }
                return Some(audience);
            }
            self.busy.pop_front();
        }
        None
    }

    /// The topic that [`next_busy`](Topics::next_busy) gave has been served as far as the turn
    /// allows: the next one's turn. Returns the publishers that need not be held any more.
    pub(super) fn yield_busy(&mut self) -> Vec<Id> {
        let Some((key, serial)) = self.busy.pop_front() else { return Vec::new() };
        let audience = self.table.get_mut(key).filter(|audience| audience.serial == serial);
        // Its last member may have ended in the pass.
        let Some(audience) = audience else { return Vec::new() };
        if audience.next == audience.members.len() {
            audience.next = 0;
            audience.feed.end_pass();
            audience.busy = !audience.feed.is_empty();
        }
        if audience.busy {
            self.busy.push_back((key, serial));
        }
        if audience.is_crowded() {
            return Vec::new();
        }
        std::mem::take(&mut audience.held)
    }

    /// Publishers that will be read again when a topic has been served.
    #[cfg(debug_assertions)]
    pub(super) fn held(&self) -> impl Iterator<Item = Id> + '_ {
        self.table.iter().flat_map(|(_, audience)| audience.held.iter().copied())
    }

    /// Whether everybody sits where their seats say, for the check after every turn.
    #[cfg(debug_assertions)]
    pub(super) fn check(&self) {
        let places: usize = self.table.iter().map(|(_, audience)| audience.members.len()).sum();
        let seats: usize = self.seats.values().map(Vec::len).sum();
        assert_eq!(places, seats, "each member has its seat");
        for (id, seats) in &self.seats {
            assert!(!seats.is_empty(), "{id}: an entry without seats");
            for seat in seats {
                let member = self.table.get(seat.topic).and_then(|a| a.members.get(seat.place));
                assert!(member.is_some_and(|m| m.id == *id), "{id}: sits somewhere else");
            }
        }
        assert_eq!(self.table.len(), self.by_name.len(), "each topic has its name");
        for (key, audience) in &self.table {
            assert!(!audience.members.is_empty(), "{}: a topic without members", audience.name);
            assert_eq!(audience.busy, !audience.feed.is_empty(), "{}: forgotten", audience.name);
            let queued = self.busy.iter().filter(|(k, s)| (*k, *s) == (key, audience.serial));
            assert_eq!(queued.count(), usize::from(audience.busy), "{}: queued", audience.name);
        }
    }
}

fn reseat(seats: &mut HashMap<Id, Vec<Seat>>, moved: Option<Id>, topic: usize, place: usize) {
    let seats = moved.and_then(|id| seats.get_mut(&id));
    if let Some(seat) = seats.and_then(|seats| seats.iter_mut().find(|s| s.topic == topic)) {
        seat.place = place;
    }
}

impl Audience {
    fn is_crowded(&self) -> bool {
        self.feed.weight() > CROWDED
    }

    /// The next member of the pass, and what it has not seen of it.
    pub(super) fn next_member(&mut self) -> Option<(Id, Range<u64>)> {
        let end = self.feed.pass_end();
        let member = self.members.get_mut(self.next)?;
        self.next += 1;
        let seen = member.seen;
        // Who joined since the pass began has seen more than it gives.
        member.seen = seen.max(end);
        Some((member.id, seen..end))
    }

    /// The turn of the member that [`next_member`](Audience::next_member) gave is not over: it has
    /// got what lies before `position` only.
    pub(super) fn stay(&mut self, position: u64) {
        self.next -= 1;
        if let Some(member) = self.members.get_mut(self.next) {
            member.seen = position;
        }
    }
}
