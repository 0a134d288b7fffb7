//! The effects that handlers request in [`sim::others`](crate::sim::others), and their required
//! results.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use socketserver::Id;

pub(crate) const TOPICS: u8 = 4;
/// The channel of forwarded messages.
pub(crate) const DIRECT: u8 = TOPICS;
/// The channel of results of offloaded work.
pub(crate) const WORK: u8 = TOPICS + 1;
/// The first message to each handler: its number.
pub(crate) const GREETING: u8 = TOPICS + 2;

/// Messages by channel, and by sender if order is guaranteed per sender only.
pub(crate) type Messages = BTreeMap<(u8, u16), Vec<u32>>;

/// The requested effects, in order, and with them the messages that each handler must get.
pub(crate) struct Model {
    reactors: usize,
    /// The ids of connections that can be notified and sent to, by number.
    pub(crate) ids: Vec<Id>,
    /// The members of each topic.
    members: [BTreeSet<usize>; TOPICS as usize],
    /// The number of messages and notes so far.
    pub(crate) count: u32,
    /// The messages that each handler must get.
    wanted: Vec<Messages>,
    /// All published messages.
    published: Messages,
    /// All notes.
    notes: Vec<Told>,
    /// The handlers that are closing, or have ended their output.
    over: BTreeSet<usize>,
    /// The required results for handlers whose input had ended before all other events.
    due: BTreeMap<usize, Due>,
}

/// A note and its state.
struct Told {
    /// The sender, or `None` if the note cannot come back.
    by: Option<usize>,
    count: u32,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Underway,
    Heard,
    /// Returned as undelivered.
    Back,
}

#[derive(Default)]
struct Due {
    messages: Messages,
    /// Its own notes that had neither been received nor returned.
    underway: Vec<u32>,
}

impl Model {
    /// Adds a handler and returns its number.
    pub(crate) fn admit(&mut self, id: Id) -> usize {
        self.ids.push(id);
        self.wanted.push(Messages::new());
        self.ids.len() - 1
    }

    pub(crate) fn join(&mut self, me: usize, topic: u8) {
        self.members[usize::from(topic)].insert(me);
    }

    pub(crate) fn leave(&mut self, me: usize, topic: u8) {
        self.members[usize::from(topic)].remove(&me);
        if self.reactors > 1 {
            // Messages still in transit from other reactors may arrive too late.
            self.wanted[me].retain(|(channel, _), _| *channel != topic);
        }
    }

    /// The members that must receive a message that `by` publishes.
    pub(crate) fn audience(&self, by: usize, topic: u8) -> Vec<usize> {
        self.members[usize::from(topic)].iter().copied().filter(|to| *to != by).collect()
    }

    /// Marks `me` as closing, or as having ended its output.
    pub(crate) fn end(&mut self, me: usize) {
        self.over.insert(me);
        for members in &mut self.members {
            members.remove(&me);
        }
    }

    /// Marks the input of `me` as ended.
    pub(crate) fn hang_up(&mut self, me: usize) {
        if !self.over.contains(&me) {
            let is_lost = |told: &&Told| told.by == Some(me) && told.fate == Fate::Underway;
            let underway = self.notes.iter().filter(is_lost).map(|told| told.count).collect();
            self.due.insert(me, Due { messages: self.wanted[me].clone(), underway });
        }
        self.end(me);
    }

    pub(crate) fn is_over(&self, me: usize) -> bool {
        self.over.contains(&me)
    }

    /// Returns true if `got` is all that `me` must get.
    pub(crate) fn is_all(&self, me: usize, got: &Messages) -> bool {
        self.wanted[me] == *got
    }

    /// Records that a note was received or came back. Exactly one of these happens, once.
    pub(crate) fn note_fate(&mut self, note: usize, fate: Fate) {
        let told = &mut self.notes[note];
        assert_eq!(told.fate, Fate::Underway, "a note is {fate:?} that was {:?}", told.fate);
        told.fate = fate;
    }

    pub(crate) fn teller(&self, note: usize) -> Option<usize> {
        self.notes[note].by
    }

    /// Checks that `me` got only messages for it, and without gaps except for messages that were
    /// `dropped`.
    pub(crate) fn check(&self, me: usize, got: &Messages, dropped: bool) {
        for (channel, got) in got {
            let is_published = channel.0 < TOPICS;
            // Each reactor learns at a different time when a handler was a member.
            let all =
                if is_published && self.reactors > 1 { &self.published } else { &self.wanted[me] };
            let all = all.get(channel);
            let all = all.unwrap_or_else(|| panic!("{me}: {channel:?} {got:?} is not for it"));
            if is_published && (dropped || self.reactors > 1) {
                assert!(got.iter().all(|n| all.contains(n)), "not meant for it");
            } else {
                assert!(all.starts_with(got), "{me} by {channel:?}: {got:?}, {all:?}");
            }
        }
    }

    /// Checks that a handler whose input ended while all else was idle has got all messages that
    /// existed when it was last `asked` to act, and that the receivers of its notes have got those.
    pub(crate) fn check_due(&self, me: usize, got: &Messages, asked: u32) {
        let Some(due) = self.due.get(&me) else { return };
        for (channel, due) in &due.messages {
            let mut due = due.iter().filter(|n| **n <= asked);
            let got = got.get(channel).map_or(&[][..], |got| got);
            assert!(due.all(|n| got.contains(n)), "{me} by {channel:?} has not got all");
        }
        let lost = due.underway.iter().find(|count| **count <= asked);
        assert_eq!(lost, None, "{me} told something, and nobody has heard it");
    }
}

/// Held by handlers and notes, so that a leak of either shows.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Model>>);

impl Shared {
    /// Creates the initial state.
    pub(crate) fn new(reactors: usize) -> Shared {
        Shared(Arc::new(Mutex::new(Model {
            reactors,
            ids: Vec::new(),
            members: Default::default(),
            count: 0,
            wanted: Vec::new(),
            published: Messages::new(),
            notes: Vec::new(),
            over: BTreeSet::new(),
            due: BTreeMap::new(),
        })))
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap()
    }

    /// The number of clones.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// Records a message from `from` to all in `to`, and returns its bytes.
    pub(crate) fn message(&self, channel: u8, from: usize, to: &[usize], len: usize) -> Vec<u8> {
        let mut model = self.model();
        model.count += 1;
        let count = model.count;
        // A single reactor has one order of all messages to a topic.
        let is_ordered = channel < TOPICS && model.reactors == 1;
        let sender = if is_ordered { 0 } else { from as u16 };
        for to in to {
            model.wanted[*to].entry((channel, sender)).or_default().push(count);
        }
        if channel < TOPICS {
            model.published.entry((channel, sender)).or_default().push(count);
        }
        let mut bytes = vec![channel];
        bytes.extend(sender.to_be_bytes());
        bytes.extend(count.to_be_bytes());
        bytes.extend((len as u16).to_be_bytes());
        bytes.extend(std::iter::repeat_n(count as u8, len));
        bytes
    }

    /// Records a message to all members of a topic except its author.
    pub(crate) fn news(&self, topic: u8, by: usize, len: usize) -> Vec<u8> {
        let to = self.model().audience(by, topic);
        self.message(topic, by, &to, len)
    }

    /// Records a note, and returns its number.
    pub(crate) fn note(&self, by: Option<usize>) -> usize {
        let mut model = self.model();
        model.count += 1;
        let count = model.count;
        model.notes.push(Told { by, count, fate: Fate::Underway });
        model.notes.len() - 1
    }
}
