//! A broker in memory that speaks as Redis does, byte by byte. Knows no socket and no clock.

mod commands;
mod names;
mod scripts;
mod state;
mod store;
#[cfg(test)]
mod tests;

use self::state::{Client, Role, Server};
use self::store::{Store, Value};

pub(crate) use self::state::Appended;

/// A broker in memory that answers the commands of the feature `backplane` as Redis 7.0 does, and
/// has the faults of a real one on request. The scripts of the crate run as native code; a test of
/// this crate compares the answers with those of a real server.
///
/// ```
/// use socketserver::protocol::resp::append_command;
/// use socketserver::testkit::{Broker, BrokerFault};
///
/// let mut broker = Broker::new();
/// let client = broker.connect();
/// let mut sent = Vec::new();
/// append_command(&mut sent, &[b"HSET", b"key", b"field", b"1"]);
/// append_command(&mut sent, &[b"PING"]);
/// let (front, back) = sent.split_at(20);
/// broker.send(client, front);
/// broker.send(client, back);
/// assert_eq!(broker.received(client), b":1\r\n+PONG\r\n");
///
/// broker.fault(BrokerFault::Loading(1));
/// broker.send(client, &sent[sent.len() - 14..]);
/// assert!(broker.received(client).starts_with(b"-LOADING "));
///
/// broker.advance(1000);
/// broker.fault(BrokerFault::Restart { lost: 0 });
/// assert!(!broker.is_open(client));
/// let client = broker.connect();
/// broker.close(client);
/// assert!(!broker.is_open(client));
/// ```
#[derive(Clone, Debug)]
pub struct Broker {
    server: Server,
    faults: u64,
}

/// A fault of a [`Broker`], which has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerFault {
    /// All data is gone (FLUSHALL).
    Wipe,
    /// The key is gone (DEL).
    Delete(Vec<u8>),
    /// The oldest entries of the stream are gone, so that this number remains.
    Trim(Vec<u8>, usize),
    /// All connections end, and the writes since an earlier time are gone, as after a power
    /// failure.
    Restart {
        /// 0 for none, at most 8.
        lost: usize,
    },
    /// The scripts are gone (SCRIPT FLUSH).
    ForgetScripts,
    /// Another program appends an entry to the stream.
    Foreign(Vec<u8>),
    /// Another program sends a message to the subscribers of the channel.
    Junk(Vec<u8>, Vec<u8>),
    /// Refuses this number of writes (OOM).
    Full(u32),
    /// Refuses this number of commands, as while data is loaded.
    Loading(u32),
    /// Becomes a replica, which takes no writes and keeps its subscribers.
    Demote,
    /// Becomes a master again.
    Promote,
}

impl Default for Broker {
    fn default() -> Broker {
        Broker::new()
    }
}

impl Broker {
    /// An empty broker, 1,700,000,000,000 ms after 1970.
    #[must_use]
    pub fn new() -> Broker {
        Broker { server: Server::new(), faults: 0 }
    }

    /// Accepts a client, and returns its number.
    pub fn connect(&mut self) -> usize {
        self.server.clients.push(Client { is_open: true, ..Client::default() });
        self.server.clients.len() - 1
    }

    /// Takes bytes of a client and runs the commands that are complete. Bytes of a client that is
    /// not connected are dropped.
    pub fn send(&mut self, client: usize, bytes: &[u8]) {
        let Some(sender) = self.server.clients.get_mut(client).filter(|client| client.is_open)
        else {
            return;
        };
        sender.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut sender.input);
        let used = commands::run(&mut self.server, client, &input);
        if let Some(sender) = self.server.clients.get_mut(client).filter(|client| client.is_open) {
            sender.input = input.get(used..).unwrap_or_default().to_vec();
        }
    }

    /// Returns the bytes for a client since the last call.
    pub fn received(&mut self, client: usize) -> Vec<u8> {
        self.server
            .clients
            .get_mut(client)
            .map(|client| std::mem::take(&mut client.output))
            .unwrap_or_default()
    }

    /// Returns true if the client is connected.
    #[must_use]
    pub fn is_open(&self, client: usize) -> bool {
        self.server.clients.get(client).is_some_and(|client| client.is_open)
    }

    /// Ends the connection of a client.
    pub fn close(&mut self, client: usize) {
        self.server.close(client);
    }

    /// Lets this number of milliseconds pass.
    pub fn advance(&mut self, ms: u64) {
        self.server.now_ms += ms;
    }

    /// Has a fault.
    pub fn fault(&mut self, fault: BrokerFault) {
        self.faults += 1;
        match fault {
            BrokerFault::Wipe => self.server.store = Store::default(),
            BrokerFault::Delete(key) => drop(self.server.store.remove(&key)),
            BrokerFault::Trim(key, keep) => {
                if let Ok(Some(stream)) = self.server.store.stream(&key) {
                    stream.trim(keep);
                }
            }
            BrokerFault::Restart { lost } => {
                self.server.restart();
                for _ in 0..lost {
                    match self.server.past.pop_back() {
                        Some(earlier) => self.server.store = earlier,
                        None => break,
                    }
                }
            }
            BrokerFault::Foreign(key) => self.append_foreign(&key),
            BrokerFault::Junk(channel, payload) => self.server.push_message(&channel, &payload),
            BrokerFault::ForgetScripts => self.server.scripts.clear(),
            BrokerFault::Full(count) => self.server.full = count,
            BrokerFault::Loading(count) => self.server.loading = count,
            BrokerFault::Demote => self.server.role = Role::Replica,
            BrokerFault::Promote => self.server.role = Role::Master,
        }
        self.server.wrote();
    }

    /// Redis chooses the id (XADD with `*`).
    fn append_foreign(&mut self, key: &[u8]) {
        let last = match self.server.store.stream(key) {
            Ok(stream) => stream.map_or((0, 0), |stream| stream.last),
            Err(_) => return,
        };
        let now = self.server.now_ms;
        let id = if last.0 < now { (now, 0) } else { (last.0, last.1.saturating_add(1)) };
        // One that another program has used up takes none.
        drop(scripts::append_foreign(&mut self.server, key, id, (b"foo", b"bar")));
    }

    /// Streams drop their oldest entries in such portions.
    pub(crate) fn set_node_entries(&mut self, entries: usize) {
        self.server.node_entries = entries.max(1);
    }

    /// Returns all entries that were ever appended, in their order.
    pub(crate) fn log(&self) -> &[Appended] {
        &self.server.log
    }

    /// Returns the number of faults so far.
    pub(crate) fn faults(&self) -> u64 {
        self.faults
    }

    /// Returns the value of a string.
    pub(crate) fn value(&self, key: &[u8]) -> Option<Vec<u8>> {
        let until = self.server.store.expires.get(key);
        match self.server.store.keys.get(key)? {
            Value::String(value) if until.is_none_or(|until| self.server.now_ms < *until) => {
                Some(value.clone())
            }
            _ => None,
        }
    }

    /// Returns the fields of a hash, as text.
    pub(crate) fn fields(&self, key: &[u8]) -> Vec<(String, String)> {
        let Some(Value::Hash(hash)) = self.server.store.keys.get(key) else { return Vec::new() };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        hash.iter().map(|(field, value)| (text(field), text(value))).collect()
    }

    /// Returns true if the stream holds this entry.
    pub(crate) fn holds(&self, entry: &Appended) -> bool {
        let Some(Value::Stream(stream)) = self.server.store.keys.get(&*entry.key) else {
            return false;
        };
        let found = stream.from((entry.epoch, entry.offset)).next();
        found.is_some_and(|found| found.record == entry.record)
    }

    /// Returns true if there is a stream, and its last id is less than that of the entry.
    pub(crate) fn ends_before(&self, entry: &Appended) -> bool {
        let stream = self.server.store.keys.get(&*entry.key);
        matches!(stream, Some(Value::Stream(it)) if it.last < (entry.epoch, entry.offset))
    }
}
