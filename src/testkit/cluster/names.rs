//! The names of the members of one node. Knows no rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::handler::presence::{Answer, Request, Roster};
use crate::testkit::random::Random;

pub(super) const KEYS: [&str; 4] = ["k", "l", "m", "n"];
pub(super) const ROOMS: [&str; 2] = ["r", "s"];
/// The connections of a node that ask. They may be those of several reactors, so that a request may
/// be late.
pub(super) const ASKERS: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Names {
    node: u64,
    pub(super) held: BTreeSet<Box<str>>,
    /// The rooms and names of members.
    pub(super) entered: BTreeSet<(Box<str>, Box<str>)>,
    /// Those for the engine that were noted.
    left: Vec<Request>,
    /// The connections of the members.
    owners: BTreeMap<(Box<str>, Box<str>), usize>,
    /// The questions without an answer, with the keys of claims.
    asked: BTreeMap<u32, Vec<Box<str>>>,
    next: u32,
    /// Those for the hub, with their connections and numbers.
    requests: Vec<(usize, u32, Request)>,
    /// The keys that were just claimed.
    pub(super) fresh: Vec<Box<str>>,
    pub(super) claims: u64,
    pub(super) lost: u64,
    /// The last answer about members.
    pub(super) members: Option<(u64, Arc<[Box<str>]>)>,
}

/// The names of a node, which its roster and its handler share.
pub(super) type SharedNames = Arc<Mutex<Names>>;

pub(super) fn lock(names: &Mutex<Names>) -> MutexGuard<'_, Names> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct NodeRoster(pub(super) SharedNames);

impl Roster for NodeRoster {
    fn note_names(&mut self) {
        lock(&self.0).note_names();
    }

    fn next_names(&mut self) -> Vec<Request> {
        lock(&self.0).next_names()
    }

    fn has_key(&self, key: &str) -> bool {
        lock(&self.0).has_key(key)
    }

    fn has_member(&self, room: &str, name: &str) -> bool {
        lock(&self.0).entered.iter().any(|(at, it)| (&**at, &**it) == (room, name))
    }

    fn lost(&mut self, claim: &Request) {
        lock(&self.0).lose(claim);
    }
}

impl Names {
    fn note_names(&mut self) {
        let name = self.name();
        let held = self.held.iter();
        let held = held.map(|key| Request::Claim { keys: vec![key.clone()], name: name.clone() });
        let entered = self.entered.iter();
        let entered =
            entered.map(|(room, name)| Request::Enter { room: room.clone(), name: name.clone() });
        self.left = held.chain(entered).collect();
    }

    fn next_names(&mut self) -> Vec<Request> {
        let Names { left, held, entered, .. } = self;
        left.retain(|request| match request {
            Request::Claim { keys, .. } => keys.iter().all(|key| held.contains(key)),
            Request::Enter { room, name } => entered.contains(&(room.clone(), name.clone())),
            _ => false,
        });
        left.drain(..left.len().min(3)).collect()
    }

    /// Returns true if the node has the key, or asks for it.
    fn has_key(&self, key: &str) -> bool {
        self.held.contains(key) || self.asked.values().flatten().any(|it| **it == *key)
    }

    fn lose(&mut self, claim: &Request) {
        let Request::Claim { keys, .. } = claim else { return };
        for key in keys {
            self.lost += u64::from(self.held.remove(key));
        }
    }
}

impl Names {
    pub(super) fn new(node: u64) -> Names {
        Names { node, ..Names::default() }
    }

    fn name(&self) -> Box<str> {
        format!("of {}", self.node).into()
    }

    /// Asks for something, at random. As services do, it claims no key that this node has.
    pub(super) fn act(&mut self, random: &mut Random) {
        let room: Box<str> = ROOMS[random.below(ROOMS.len())].into();
        let name: Box<str> = format!("{}-{}", self.node, random.below(3)).into();
        let asker = random.below(ASKERS);
        match random.below(8) {
            0..3 => self.claim(asker, random),
            3 => {
                let index = random.below(self.held.len().max(1));
                let Some(key) = self.held.iter().nth(index).cloned() else { return };
                self.held.remove(&key);
                self.ask(asker, Request::Release { keys: vec![key] });
            }
            4 | 5 => {
                if self.entered.insert((room.clone(), name.clone())) {
                    self.owners.insert((room.clone(), name.clone()), asker);
                    self.ask(asker, Request::Enter { room, name });
                }
            }
            6 => {
                let member = (room, name);
                if self.entered.remove(&member) {
                    let owner = self.owners.remove(&member).unwrap_or_default();
                    self.ask(owner, Request::Leave { room: member.0, name: member.1 });
                }
            }
            _ => self.ask_members(&room),
        }
    }

    fn claim(&mut self, asker: usize, random: &mut Random) {
        let mut keys: Vec<Box<str>> =
            (0..1 + random.below(2)).map(|_| KEYS[random.below(KEYS.len())].into()).collect();
        keys.sort();
        keys.dedup();
        if !keys.iter().any(|key| self.has_key(key)) {
            let name = self.name();
            self.asked.insert(self.next, keys.clone());
            self.ask(asker, Request::Claim { keys, name });
        }
    }

    pub(super) fn ask_members(&mut self, room: &str) {
        self.members = None;
        self.asked.insert(self.next, Vec::new());
        self.ask(0, Request::Members { room: room.into(), max: 5 });
    }

    fn ask(&mut self, asker: usize, request: Request) {
        self.requests.push((asker, self.next, request));
        self.next += 1;
    }

    /// Returns the requests of a connection.
    pub(super) fn requests_of(&mut self, asker: usize) -> Vec<(u32, Request)> {
        let own = self.requests.extract_if(.., |(by, ..)| *by == asker);
        own.map(|(_, number, request)| (number, request)).collect()
    }

    /// Takes the answer to a question of a connection.
    ///
    /// # Panics
    ///
    /// If a question is answered twice.
    pub(super) fn take(&mut self, asker: usize, question: u32, answer: Answer) {
        let keys = self.asked.remove(&question);
        assert!(keys.is_some(), "an answer to no question: {answer:?}");
        let keys = keys.unwrap_or_default();
        match answer {
            Answer::Claimed => {
                self.claims += 1;
                self.fresh.extend(keys.iter().cloned());
                self.held.extend(keys);
            }
            Answer::Members { count, names } => self.members = Some((count, names)),
            Answer::Taken(_) | Answer::Away if !keys.is_empty() => {
                self.ask(asker, Request::Release { keys });
            }
            Answer::Taken(_) | Answer::Away | Answer::Unsupported => {}
        }
    }
}
