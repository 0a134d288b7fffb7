//! What handlers wish for each other in [`sim_others`](crate::sim::others), and what must come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use socketserver::Id;

pub(crate) const TOPICS: u8 = 4;
/// The channel of what is forwarded.
pub(crate) const DIRECT: u8 = TOPICS;
/// The channel of what comes of offloaded work.
pub(crate) const WORK: u8 = TOPICS + 1;
/// What somebody is told first: their number.
pub(crate) const GREETING: u8 = TOPICS + 2;

/// Messages by their channel, and by their sender if the order of each sender is all there is.
pub(crate) type Messages = BTreeMap<(u8, u16), Vec<u32>>;

/// What was wished for, in the order of the wishes: what everybody must get.
pub(crate) struct Model {
    reactors: usize,
    /// Who can be told and sent to, by number.
    pub(crate) ids: Vec<Id>,
    /// The members of each topic.
    members: [BTreeSet<usize>; TOPICS as usize],
    /// How many messages and notes there were.
    pub(crate) count: u32,
    /// What each must get.
    wanted: Vec<Messages>,
    /// All that was published.
    published: Messages,
    /// What was told.
    notes: Vec<Told>,
    /// Who said goodbye, or sends no more.
    over: BTreeSet<usize>,
    /// What must have happened for those who were told the end of their input before anything else.
    due: BTreeMap<usize, Due>,
}

/// A note, and how far it is.
struct Told {
    /// `None` if it has nobody to come back to.
    by: Option<usize>,
    count: u32,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Underway,
    Heard,
    /// There was nobody to hear it.
    Back,
}

#[derive(Default)]
struct Due {
    messages: Messages,
    /// Notes of its own that had neither been heard nor come back.
    underway: Vec<u32>,
}

impl Model {
    /// Somebody new: their number.
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
            // What other reactors have on their way may come too late for it.
            self.wanted[me].retain(|(channel, _), _| *channel != topic);
        }
    }

    /// Whom something published by `by` is for.
    pub(crate) fn audience(&self, by: usize, topic: u8) -> Vec<usize> {
        self.members[usize::from(topic)].iter().copied().filter(|to| *to != by).collect()
    }

    /// Says goodbye, or that it sends no more.
    pub(crate) fn end(&mut self, me: usize) {
        self.over.insert(me);
        for members in &mut self.members {
            members.remove(&me);
        }
    }

    /// The input of `me` has ended.
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

    /// Whether `got` is all that there is for `me`.
    pub(crate) fn is_all(&self, me: usize, got: &Messages) -> bool {
        self.wanted[me] == *got
    }

    /// A note was heard, or came back: one of these, and once.
    pub(crate) fn note_fate(&mut self, note: usize, fate: Fate) {
        let told = &mut self.notes[note];
        assert_eq!(told.fate, Fate::Underway, "a note is {fate:?} that was {:?}", told.fate);
        told.fate = fate;
    }

    pub(crate) fn teller(&self, note: usize) -> Option<usize> {
        self.notes[note].by
    }

    /// Nothing came to `me` that was not for it, and nothing in between is missing but what was
    /// `dropped`.
    pub(crate) fn check(&self, me: usize, got: &Messages, dropped: bool) {
        for (channel, got) in got {
            let is_published = channel.0 < TOPICS;
            // Who was a member when is known to each reactor at another time.
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

    /// Who was hung up when nothing happened any more has got everything that there was when it was
    /// last `asked` what it does, and so have those whom it told something.
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

/// A handler, a note: whatever must not be left over holds one.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Model>>);

impl Shared {
    /// Nothing has happened yet.
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

    /// How many hold one.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// A message from `from` for all in `to`, entered as wanted.
    pub(crate) fn message(&self, channel: u8, from: usize, to: &[usize], len: usize) -> Vec<u8> {
        let mut model = self.model();
        model.count += 1;
        let count = model.count;
        // One reactor has one order for all that is published to a topic.
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

    /// A message for all members of a topic but its author.
    pub(crate) fn news(&self, topic: u8, by: usize, len: usize) -> Vec<u8> {
        let to = self.model().audience(by, topic);
        self.message(topic, by, &to, len)
    }

    /// Enters a note; gives its number.
    pub(crate) fn note(&self, by: Option<usize>) -> usize {
        let mut model = self.model();
        model.count += 1;
        let count = model.count;
        model.notes.push(Told { by, count, fate: Fate::Underway });
        model.notes.len() - 1
    }
}
