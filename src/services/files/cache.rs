//! The contents of small files that were read lately, in bounded memory. Must not know paths: a
//! file is opened for each request, and its facts tell whether its content is the one kept here.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use super::facts::Facts;

/// Contents by the facts of their files: another size, inode or time is another entry.
///
/// Two generations: an entry that is not used while the young one fills goes with the old one.
pub(super) struct Cache {
    /// In bytes, for each generation.
    room: usize,
    // All loops and workers share it. It is held for a look-up or an insertion, without a call of
    // the system.
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Facts, Arc<[u8]>>,
    old: HashMap<Facts, Arc<[u8]>>,
    /// The bytes of the young one, each entry with [`ENTRY_COST`].
    len: usize,
}

/// The cost of an entry beyond its bytes.
const ENTRY_COST: usize = 256;

impl Cache {
    /// Creates a cache of at most `bytes`.
    pub(super) fn new(bytes: usize) -> Cache {
        Cache { room: bytes / 2, generations: Mutex::default() }
    }

    /// Returns the content of the file with these facts.
    pub(super) fn get(&self, facts: &Facts) -> Option<Arc<[u8]>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = generations.young.get(facts) {
            return Some(Arc::clone(content));
        }
        let content = generations.old.remove(facts)?;
        generations.insert(*facts, Arc::clone(&content), self.room);
        Some(content)
    }

    /// Keeps the content of a file.
    pub(super) fn keep(&self, facts: Facts, content: Arc<[u8]>) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(facts, content, self.room);
    }
}

impl Generations {
    fn insert(&mut self, facts: Facts, content: Arc<[u8]>, room: usize) {
        let cost = content.len() + ENTRY_COST;
        if cost > room {
            return;
        }
        if self.len + cost > room {
            self.old = mem::take(&mut self.young);
            self.len = 0;
        }
        if self.young.insert(facts, content).is_none() {
            self.len += cost;
        }
    }
}
