//! The names of the members of one node. Knows no rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::handler::presence::{Answer, Request, Roster};
use crate::testkit::random::Random;

pub(super) const KEYS: [&str; 4] = ["k", "l", "m", "n"];
pub(super) const ROOMS: [&str; 2] = ["r", "s"];

#[derive(Debug, Default)]
pub(super) struct Names {
    node: u64,
    pub(super) held: BTreeSet<Box<str>>,
    /// The rooms and names of members.
    pub(super) entered: BTreeSet<(Box<str>, Box<str>)>,
    /// The questions without an answer, with the keys of claims.
    asked: BTreeMap<u32, Vec<Box<str>>>,
    next: u32,
    /// Those for the hub, with their numbers.
    pub(super) requests: Vec<(u32, Request)>,
    /// The keys that were just claimed.
    pub(super) fresh: Vec<Box<str>>,
    pub(super) claims: u64,
    pub(super) lost: u64,
    /// The last answer about members.
    pub(super) members: Option<(u64, Vec<Box<str>>)>,
}

/// The names of a node, which its roster and its handler share.
pub(super) type SharedNames = Arc<Mutex<Names>>;

pub(super) fn lock(names: &Mutex<Names>) -> MutexGuard<'_, Names> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct NodeRoster(pub(super) SharedNames);

impl Roster for NodeRoster {
    fn names(&mut self, skip: usize) -> Vec<Request> {
        lock(&self.0).names(skip)
    }

    fn lost(&mut self, claim: &Request) {
        lock(&self.0).lose(claim);
    }
}

impl Names {
    fn names(&mut self, skip: usize) -> Vec<Request> {
        let name = self.name();
        let held = self.held.iter();
        let held = held.map(|key| Request::Claim { keys: vec![key.clone()], name: name.clone() });
        let entered = self.entered.iter();
        let entered =
            entered.map(|(room, name)| Request::Enter { room: room.clone(), name: name.clone() });
        held.chain(entered).skip(skip).take(3).collect()
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
        match random.below(8) {
            0..3 => self.claim(random),
            3 => {
                let index = random.below(self.held.len().max(1));
                let Some(key) = self.held.iter().nth(index).cloned() else { return };
                self.held.remove(&key);
                self.ask(Request::Release { keys: vec![key] });
            }
            4 | 5 => {
                self.entered.insert((room.clone(), name.clone()));
                self.ask(Request::Enter { room, name });
            }
            6 => {
                self.entered.remove(&(room.clone(), name.clone()));
                self.ask(Request::Leave { room, name });
            }
            _ => self.ask_members(&room),
        }
    }

    fn claim(&mut self, random: &mut Random) {
        let mut keys: Vec<Box<str>> =
            (0..1 + random.below(2)).map(|_| KEYS[random.below(KEYS.len())].into()).collect();
        keys.sort();
        keys.dedup();
        let is_known =
            |key| self.held.contains(key) || self.asked.values().flatten().any(|k| k == key);
        if !keys.iter().any(is_known) {
            let name = self.name();
            self.asked.insert(self.next, keys.clone());
            self.ask(Request::Claim { keys, name });
        }
    }

    pub(super) fn ask_members(&mut self, room: &str) {
        self.members = None;
        self.asked.insert(self.next, Vec::new());
        self.ask(Request::Members { room: room.into(), max: 5 });
    }

    fn ask(&mut self, request: Request) {
        self.requests.push((self.next, request));
        self.next += 1;
    }

    /// # Panics
    ///
    /// If a question is answered twice.
    pub(super) fn take(&mut self, answers: Vec<(u32, Answer)>) {
        for (question, answer) in answers {
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
                Answer::Taken(_) | Answer::Away | Answer::Unsupported => {}
            }
        }
    }
}
