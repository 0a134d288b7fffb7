//! How many connections each peer has. Knows addresses only.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::Limits;
use crate::net::peer::Peer;

/// Counts the connections of each peer, if there is a limit to them.
pub(crate) struct PerPeer(Option<Arc<Table>>);

struct Table {
    max: usize,
    /// Who has none has no line here. The lock is held for one look; without a limit there is
    /// none.
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of a peer, as it is counted: it goes with the connection, whoever has it, until
/// that has ended.
pub(crate) struct Entry {
    table: Arc<Table>,
    key: IpAddr,
}

/// That peer has as many as it may have.
pub(crate) struct TooMany;

impl PerPeer {
    pub(crate) fn new(limits: &Limits) -> PerPeer {
        let table = |max| Arc::new(Table { max, counts: Mutex::default() });
        PerPeer(limits.connections_per_peer.map(table))
    }

    /// Counts one more; `None` if this one is not counted.
    pub(crate) fn enter(&self, peer: &Peer) -> Result<Option<Entry>, TooMany> {
        let (Some(table), Some(key)) = (&self.0, peer.subscriber()) else { return Ok(None) };
        let mut counts = table.counts();
        let count = counts.entry(key).or_default();
        if *count >= table.max {
            return Err(TooMany);
        }
        *count += 1;
        Ok(Some(Entry { table: Arc::clone(table), key }))
    }
}

impl Table {
    /// Nothing that is done under the lock can panic.
    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut counts = self.table.counts();
        match counts.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.key)),
        }
    }
}
