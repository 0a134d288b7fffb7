//! The state of the simulated broker. Knows no command and no fault.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::store::{Bytes, Id, Store};
use crate::protocol::resp::{append_bytes, append_header};

/// The data, the clients, and the reasons to refuse something.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) store: Store,
    pub(super) clients: Vec<Client>,
    /// The scripts that were loaded.
    pub(super) scripts: BTreeSet<Bytes>,
    pub(super) now_ms: u64,
    /// The entries of a node of a stream: 100 in Redis.
    pub(super) node_entries: usize,
    pub(super) role: Role,
    /// The number of writes that are refused for lack of memory.
    pub(super) full: u32,
    /// The number of commands that are refused while data is loaded.
    pub(super) loading: u32,
    /// Earlier contents of the store, the latest last.
    pub(super) past: VecDeque<Store>,
    writes: u64,
    /// All entries that were ever appended.
    pub(super) log: Vec<Appended>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Master,
    Replica,
}

/// Which writes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    Taken,
    Replica,
    OutOfMemory,
}

/// An entry that was appended.
#[derive(Clone, Debug)]
pub(crate) struct Appended {
    pub(crate) key: Arc<[u8]>,
    pub(crate) epoch: u64,
    pub(crate) offset: u64,
    pub(crate) record: Arc<[u8]>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    pub(super) is_open: bool,
    pub(super) input: Bytes,
    pub(super) output: Bytes,
    pub(super) channels: BTreeSet<Bytes>,
}

/// The most earlier contents that are kept.
const PAST_MAX: usize = 8;
const READ_ONLY: &str = "READONLY You can't write against a read only replica.";
const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";

impl Writes {
    /// Memory is judged when a script begins. Then its first write fails, so that there is no later
    /// one.
    pub(super) fn check(self) -> Result<(), String> {
        match self {
            Writes::Taken => Ok(()),
            Writes::Replica => Err(READ_ONLY.into()),
            Writes::OutOfMemory => Err(OUT_OF_MEMORY.into()),
        }
    }
}

impl Server {
    pub(super) fn new() -> Server {
        Server {
            store: Store::default(),
            clients: Vec::new(),
            scripts: BTreeSet::new(),
            now_ms: 1_700_000_000_000,
            node_entries: 100,
            role: Role::Master,
            full: 0,
            loading: 0,
            past: VecDeque::from([Store::default()]),
            writes: 0,
            log: Vec::new(),
        }
    }

    /// Ends the connection of a client. Its output stays.
    pub(super) fn close(&mut self, client: usize) {
        if let Some(client) = self.clients.get_mut(client) {
            *client = Client { output: std::mem::take(&mut client.output), ..Client::default() };
        }
    }

    pub(super) fn restart(&mut self) {
        (0..self.clients.len()).for_each(|client| self.close(client));
        self.scripts.clear();
    }

    pub(super) fn appended(&mut self, key: &[u8], (epoch, offset): Id, record: &[u8]) {
        self.log.push(Appended { key: key.into(), epoch, offset, record: record.into() });
        self.wrote();
    }

    /// Keeps the store as it is, now and then, for later rollbacks.
    pub(super) fn wrote(&mut self) {
        self.writes += 1;
        if self.writes.is_multiple_of(4) {
            self.past.push_back(self.store.clone());
            if self.past.len() > PAST_MAX {
                self.past.pop_front();
            }
        }
    }

    /// Returns which writes are refused to the command that begins.
    pub(super) fn judge_writes(&mut self) -> Writes {
        if self.role == Role::Replica {
            return Writes::Replica;
        }
        if self.full > 0 {
            self.full -= 1;
            return Writes::OutOfMemory;
        }
        Writes::Taken
    }

    /// Sends a message to the subscribers of a channel.
    pub(super) fn push_message(&mut self, channel: &[u8], payload: &[u8]) {
        for client in self.clients.iter_mut().filter(|client| client.channels.contains(channel)) {
            append_header(&mut client.output, b'>', 3);
            append_bytes(&mut client.output, b"message");
            append_bytes(&mut client.output, channel);
            append_bytes(&mut client.output, payload);
        }
    }
}

pub(super) fn format_id((epoch, offset): Id) -> String {
    format!("{epoch}-{offset}")
}
