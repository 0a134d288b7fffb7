//! The data of the simulated broker. Knows no client and no command.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub(super) type Id = (u64, u64);
pub(super) type Bytes = Vec<u8>;

/// One entry of a stream.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: Id,
    /// That of the one value: `m`, or another one in the entry of another program.
    pub(super) name: Arc<[u8]>,
    pub(super) record: Arc<[u8]>,
}

/// A stream of Redis: entries in nodes, because trimming with `~` removes whole nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    entries: VecDeque<Entry>,
    /// The number of entries in each node.
    nodes: VecDeque<usize>,
    /// The last id, which remains when the entry is trimmed.
    pub(super) last: Id,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Stream(Stream),
    Hash(BTreeMap<Bytes, Bytes>),
    String(Bytes),
}

/// All keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    pub(super) keys: BTreeMap<Bytes, Value>,
    /// When keys are removed, in milliseconds.
    pub(super) expires: BTreeMap<Bytes, u64>,
}

pub(super) const WRONG_TYPE: &str =
    "WRONGTYPE Operation against a key holding the wrong kind of value";

impl Stream {
    /// Appends an entry with the next id of this epoch; `None` if a later epoch has begun.
    pub(super) fn append(&mut self, epoch: u64, record: &[u8], node: usize) -> Option<Id> {
        let id = match self.last {
            (last, offset) if last == epoch && (epoch, offset) != (0, 0) => (epoch, offset + 1),
            (last, _) if last > epoch => return None,
            _ => (epoch, 0),
        };
        self.push(id, b"m", record, node);
        Some(id)
    }

    /// Appends the entry of another program; `None` if there is a later one.
    pub(super) fn append_foreign(
        &mut self,
        id: Id,
        (name, value): (&[u8], &[u8]),
        node: usize,
    ) -> Option<Id> {
        let is_next = id > self.last;
        is_next.then(|| {
            self.push(id, name, value, node);
            id
        })
    }

    fn push(&mut self, id: Id, name: &[u8], record: &[u8], node: usize) {
        self.last = id;
        self.entries.push_back(Entry { id, name: name.into(), record: record.into() });
        match self.nodes.back_mut() {
            Some(count) if *count < node => *count += 1,
            _ => self.nodes.push_back(1),
        }
    }

    /// Removes the oldest nodes as long as this number of entries remains.
    pub(super) fn trim_nodes(&mut self, keep: usize) {
        while let Some(count) = self.nodes.front().copied()
            && self.entries.len() - count >= keep
        {
            self.nodes.pop_front();
            self.entries.drain(..count);
        }
    }

    /// Removes the oldest entries until this number remains.
    pub(super) fn trim(&mut self, keep: usize) -> usize {
        let mut removed = 0;
        while self.entries.len() > keep {
            self.entries.pop_front();
            removed += 1;
            if let Some(count) = self.nodes.front_mut() {
                *count -= 1;
                if *count == 0 {
                    self.nodes.pop_front();
                }
            }
        }
        removed
    }

    /// Returns the entries, the newest one first.
    pub(super) fn backwards(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn from(&self, id: Id) -> impl Iterator<Item = &Entry> {
        let start = self.entries.partition_point(|entry| entry.id < id);
        self.entries.range(start..)
    }
}

impl Store {
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Value> {
        self.expires.remove(key);
        self.keys.remove(key)
    }

    /// Removes the keys whose time has come.
    pub(super) fn expire(&mut self, now_ms: u64) {
        let keys = &mut self.keys;
        self.expires.retain(|key, until| {
            let stays = now_ms < *until;
            if !stays {
                keys.remove(key);
            }
            stays
        });
    }

    /// Removes a field of a hash, and the hash with the last one.
    pub(super) fn unset(&mut self, key: &[u8], field: &[u8]) {
        if let Some(Value::Hash(hash)) = self.keys.get_mut(key) {
            hash.remove(field);
            if hash.is_empty() {
                self.remove(key);
            }
        }
    }

    pub(super) fn stream(&mut self, key: &[u8]) -> Result<Option<&mut Stream>, String> {
        match self.keys.get_mut(key) {
            None => Ok(None),
            Some(Value::Stream(stream)) => Ok(Some(stream)),
            Some(_) => Err(WRONG_TYPE.into()),
        }
    }

    pub(super) fn stream_or_new(&mut self, key: &[u8]) -> Result<&mut Stream, String> {
        let value = self.keys.entry(key.to_vec());
        match value.or_insert_with(|| Value::Stream(Stream::default())) {
            Value::Stream(stream) => Ok(stream),
            _ => Err(WRONG_TYPE.into()),
        }
    }

    /// Returns a field of a hash as a number.
    pub(super) fn number(&self, key: &[u8], field: &[u8]) -> Result<Option<i64>, String> {
        match self.keys.get(key) {
            None => Ok(None),
            Some(Value::Hash(hash)) => {
                let text = hash.get(field).and_then(|value| str::from_utf8(value).ok());
                Ok(text.and_then(|text| text.parse().ok()))
            }
            Some(_) => Err(WRONG_TYPE.into()),
        }
    }

    /// Sets fields of a hash, and returns the number of those that are new.
    pub(super) fn set(&mut self, key: &[u8], fields: &[&[u8]]) -> Result<usize, String> {
        let hash = self.keys.entry(key.to_vec());
        let Value::Hash(hash) = hash.or_insert_with(|| Value::Hash(BTreeMap::new())) else {
            return Err(WRONG_TYPE.into());
        };
        let new = fields.chunks_exact(2).filter(|pair| {
            let [field, value] = pair else { return false };
            hash.insert(field.to_vec(), value.to_vec()).is_none()
        });
        Ok(new.count())
    }
}
