//! Topics: their members, and their undelivered messages. Knows ids and bytes; only [`delivery`]
//! knows connections.

pub(super) mod delivery;
pub(super) mod log;
mod logs;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use slab::Slab;

use self::logs::Logs;
use crate::handler::effect::Delivery;
use crate::handler::payload::Payload;
use crate::id::Id;
use crate::topic::Topic;

pub(super) struct Topics {
    /// The weight of a topic's log above which its publishers are throttled.
    log_max: usize,
    table: Slab<Subscribers>,
    by_name: HashMap<Topic, usize>,
    /// The subscriptions of each member. Connections without a topic have no entry.
    subscriptions: HashMap<Id, Vec<Subscription>>,
    /// Topics with undelivered messages, each once. The serial number shows a topic that has lost
    /// its last member meanwhile.
    busy: VecDeque<(usize, u64)>,
    serial: u64,
    /// Topics that gained their first member or lost their last one, since the last call.
    changes: Vec<Change>,
}

/// The number of a connection's topics, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::hub) enum Memberships {
    None,
    One,
    Several,
}

/// A topic that gained its first member here, or lost its last one.
pub(super) struct Change {
    pub(super) topic: Topic,
    /// The [serial number](Topics::serial_of) of the topic; `None` if it has no members.
    pub(super) serial: Option<u64>,
}

/// A place among the members of a topic.
#[derive(Clone, Copy)]
struct Subscription {
    topic: usize,
    place: usize,
}

/// The members of a topic, and its logs.
///
/// Offsets count the bytes published to the topic since it began. A pass delivers to every member
/// the bytes from its cursor to the end of the pass; later messages wait for the next pass.
///
/// ```text
///   log:      base ........................ pass end ............ end
///   members:  [ cursor at pass end | next ... cursor before it ]
/// ```
struct Subscribers {
    name: Topic,
    serial: u64,
    members: Vec<Member>,
    logs: Logs,
    /// The next member of the pass.
    next: usize,
    is_busy: bool,
    /// Publishers that are throttled until the end of the pass.
    throttled: Vec<Id>,
}

#[derive(Clone, Copy)]
struct Member {
    id: Id,
    /// An offset in the log of its delivery.
    cursor: u64,
    delivery: Delivery,
}

/// Membership.
impl Topics {
    pub(super) fn new(log_max: usize) -> Topics {
        Topics {
            log_max,
            table: Slab::new(),
            by_name: HashMap::new(),
            subscriptions: HashMap::new(),
            busy: VecDeque::new(),
            serial: 0,
            changes: Vec::new(),
        }
    }

    /// Adds a member, or changes the delivery to it.
    pub(super) fn join(&mut self, id: Id, name: &Topic, delivery: Delivery) {
        let key = match self.by_name.get(name) {
            Some(key) => *key,
            None => self.found(name),
        };
        let subscriptions = self.subscriptions.entry(id).or_default();
        let Some(topic) = self.table.get_mut(key) else { return };
        topic.logs.gain(delivery);
        if let Some(known) = subscriptions.iter().find(|it| it.topic == key) {
            if let Some(member) = topic.members.get_mut(known.place) {
                let was = std::mem::replace(&mut member.delivery, delivery);
                member.cursor =
                    topic.logs.of(was).offset_in(topic.logs.of(delivery), member.cursor);
                topic.logs.lose(was);
            }
            return;
        }
        subscriptions.push(Subscription { topic: key, place: topic.members.len() });
        // Earlier messages are not delivered to it.
        topic.members.push(Member { id, cursor: topic.logs.of(delivery).end(), delivery });
    }

    fn found(&mut self, name: &Topic) -> usize {
        self.serial += 1;
        let key = self.table.insert(Subscribers {
            name: name.clone(),
            serial: self.serial,
            members: Vec::new(),
            logs: Logs::default(),
            next: 0,
            is_busy: false,
            throttled: Vec::new(),
        });
        self.by_name.insert(name.clone(), key);
        self.changes.push(Change { topic: name.clone(), serial: Some(self.serial) });
        key
    }

    /// Returns the serial number of a topic, which changes each time it gains its first member:
    /// messages published for earlier members are not for those that join later.
    pub(super) fn serial_of(&self, name: &Topic) -> Option<u64> {
        let key = self.by_name.get(name)?;
        self.table.get(*key).map(|topic| topic.serial)
    }

    pub(super) fn memberships(&self, id: Id) -> Memberships {
        match self.subscriptions.get(&id).map_or(0, Vec::len) {
            0 => Memberships::None,
            1 => Memberships::One,
            _ => Memberships::Several,
        }
    }

    /// Returns the undelivered messages of a member that is about to leave a topic, and its kind of
    /// delivery.
    pub(super) fn undelivered(&self, id: Id, name: &Topic) -> (Delivery, Vec<Box<[u8]>>) {
        let found = self.by_name.get(name).and_then(|key| Some((*key, self.table.get(*key)?)));
        let Some((key, topic)) = found else { return (Delivery::Output, Vec::new()) };
        let subscription =
            self.subscriptions.get(&id).and_then(|all| all.iter().find(|s| s.topic == key));
        let member = subscription.and_then(|s| topic.members.get(s.place));
        member.map_or((Delivery::Output, Vec::new()), |m| {
            let log = topic.logs.of(m.delivery);
            (m.delivery, log.messages(id, m.cursor..log.end()))
        })
    }

    /// Ends a membership. Returns the publishers that are no longer throttled.
    pub(super) fn leave(&mut self, id: Id, name: &Topic) -> Vec<Id> {
        let Some(subscriptions) = self.subscriptions.get_mut(&id) else { return Vec::new() };
        let Some(key) = self.by_name.get(name) else { return Vec::new() };
        let Some(at) = subscriptions.iter().position(|s| s.topic == *key) else {
            return Vec::new();
        };
        let subscription = subscriptions.swap_remove(at);
        if subscriptions.is_empty() {
            self.subscriptions.remove(&id);
        }
        self.vacate(subscription)
    }

    /// Ends all memberships of a closed connection.
    pub(super) fn leave_all(&mut self, id: Id) -> Vec<Id> {
        let subscriptions = self.subscriptions.remove(&id).unwrap_or_default();
        subscriptions.into_iter().flat_map(|subscription| self.vacate(subscription)).collect()
    }

    /// Fills the gap left by a member. Within a pass, members that have been served stay before
    /// those that have not: the gap moves to the border first.
    fn vacate(&mut self, subscription: Subscription) -> Vec<Id> {
        let Subscription { topic: key, place: mut gap } = subscription;
        let Some(topic) = self.table.get_mut(key) else { return Vec::new() };
        if gap < topic.next {
            topic.next -= 1;
            topic.members.swap(gap, topic.next);
            let moved = topic.members.get(gap).map(|member| member.id);
            replace(&mut self.subscriptions, moved, key, gap);
            gap = topic.next;
        }
        if gap < topic.members.len() {
            topic.logs.lose(topic.members.swap_remove(gap).delivery);
        }
        let moved = topic.members.get(gap).map(|member| member.id);
        replace(&mut self.subscriptions, moved, key, gap);
        if topic.members.is_empty() {
            return self.dissolve(key);
        }
        Vec::new()
    }

    fn dissolve(&mut self, key: usize) -> Vec<Id> {
        let topic = self.table.remove(key);
        self.by_name.remove(&topic.name);
        self.changes.push(Change { topic: topic.name, serial: None });
        topic.throttled
    }

    /// Takes the topics that gained their first member or lost their last one, in order.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}

/// Publishing.
impl Topics {
    /// Appends a message for all members except its author. If the topic is congested, returns the
    /// list of publishers throttled until it is served, for the author to be added.
    pub(super) fn publish(
        &mut self,
        author: Id,
        name: &Topic,
        payload: &Payload,
    ) -> Option<&mut Vec<Id>> {
        let key = *self.by_name.get(name)?;
        let topic = self.table.get_mut(key)?;
        if payload.as_bytes().is_empty() {
            return None;
        }
        topic.logs.append(author, payload);
        if !topic.is_busy {
            topic.is_busy = true;
            self.busy.push_back((key, topic.serial));
        }
        topic.is_congested(self.log_max).then_some(&mut topic.throttled)
    }

    #[inline(always)]
    pub(super) fn is_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    /// Returns true if publishers of the topic should be throttled.
    pub(super) fn is_congested(&self, name: &Topic) -> bool {
        let key = self.by_name.get(name);
        key.and_then(|key| self.table.get(*key))
            .is_some_and(|topic| topic.is_congested(self.log_max))
    }

    /// Returns the next topic with undelivered messages, with a pass begun.
    fn next_busy(&mut self) -> Option<&mut Subscribers> {
        while let Some(&(key, serial)) = self.busy.front() {
            if self.table.get(key).is_some_and(|topic| topic.serial == serial) {
                let topic = self.table.get_mut(key)?;
                if topic.next == 0 {
                    topic.logs.begin_pass();
                }
                return Some(topic);
            }
            self.busy.pop_front();
        }
        None
    }

    /// Ends the turn of the topic returned by [`next_busy`](Topics::next_busy). Returns the
    /// publishers that are no longer throttled.
    fn yield_busy(&mut self) -> Vec<Id> {
        let Some((key, serial)) = self.busy.pop_front() else { return Vec::new() };
        let topic = self.table.get_mut(key).filter(|topic| topic.serial == serial);
        let Some(topic) = topic else { return Vec::new() };
        if topic.next == topic.members.len() {
            topic.next = 0;
            topic.logs.end_pass();
            topic.is_busy = !topic.logs.is_empty();
        }
        if topic.is_busy {
            self.busy.push_back((key, serial));
        }
        if topic.is_congested(self.log_max) {
            return Vec::new();
        }
        std::mem::take(&mut topic.throttled)
    }
}

/// Updates the place of a member in a topic.
fn replace(
    subscriptions: &mut HashMap<Id, Vec<Subscription>>,
    moved: Option<Id>,
    topic: usize,
    place: usize,
) {
    let all = moved.and_then(|id| subscriptions.get_mut(&id));
    if let Some(one) = all.and_then(|all| all.iter_mut().find(|s| s.topic == topic)) {
        one.place = place;
    }
}

impl Subscribers {
    fn is_congested(&self, log_max: usize) -> bool {
        self.logs.weight() > log_max
    }

    /// Returns the next member of the pass, with its undelivered part of the pass and its kind of
    /// delivery.
    fn next_member(&mut self) -> Option<(Id, Range<u64>, Delivery)> {
        let member = self.members.get_mut(self.next)?;
        let end = self.logs.of(member.delivery).pass_end();
        self.next += 1;
        let cursor = member.cursor;
        // A member that joined during the pass starts after its end.
        member.cursor = cursor.max(end);
        Some((member.id, cursor..end, member.delivery))
    }

    /// Makes the last member of [`next_member`](Subscribers::next_member) the next one again, from
    /// `cursor` on.
    fn stay(&mut self, cursor: u64) {
        self.next -= 1;
        if let Some(member) = self.members.get_mut(self.next) {
            member.cursor = cursor;
        }
    }
}

/// For the checks of debug builds.
#[cfg(debug_assertions)]
impl Topics {
    /// Returns the publishers that are released once a topic has been served.
    pub(super) fn throttled(&self) -> impl Iterator<Item = Id> + '_ {
        self.table.iter().flat_map(|(_, topic)| topic.throttled.iter().copied())
    }

    /// Checks that every subscription matches its member, and every busy topic is queued.
    pub(super) fn check(&self) {
        let members: usize = self.table.iter().map(|(_, topic)| topic.members.len()).sum();
        let subscriptions: usize = self.subscriptions.values().map(Vec::len).sum();
        assert_eq!(members, subscriptions, "each member has a subscription");
        for (id, all) in &self.subscriptions {
            assert!(!all.is_empty(), "{id}: an entry without subscriptions");
            for one in all {
                let member = self.table.get(one.topic).and_then(|t| t.members.get(one.place));
                assert!(member.is_some_and(|m| m.id == *id), "{id}: wrong place in a topic");
            }
        }
        assert_eq!(self.table.len(), self.by_name.len(), "each topic has one name");
        for (key, topic) in &self.table {
            assert!(!topic.members.is_empty(), "{}: a topic without members", topic.name);
            let packed = topic.members.iter().filter(|m| m.delivery == Delivery::Packed).count();
            topic.logs.check(packed);
            assert_eq!(topic.is_busy, !topic.logs.is_empty(), "{}: forgotten", topic.name);
            let queued = self.busy.iter().filter(|(k, s)| (*k, *s) == (key, topic.serial));
            assert_eq!(queued.count(), usize::from(topic.is_busy), "{}: queued", topic.name);
        }
    }
}
