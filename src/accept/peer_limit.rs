//! The limit on the connections of each peer. Knows addresses only.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::Limits;
use crate::net::peer::Peer;

/// Counts the connections of each peer, if they are limited.
pub(crate) struct PeerLimit(Option<Arc<Table>>);

struct Table {
    max: usize,
    /// A peer without connections has no entry here. The lock is held for one lookup, and is never
    /// taken without a limit.
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// Permits one connection of a peer, and counts it until it is dropped. It moves with the
/// connection to the thread that serves it.
pub(crate) struct PeerPermit {
    table: Arc<Table>,
    key: IpAddr,
}

/// The error for a peer that has reached its limit.
pub(crate) struct TooMany;

impl PeerLimit {
    pub(crate) fn new(limits: &Limits) -> PeerLimit {
        let table = |max| Arc::new(Table { max, counts: Mutex::default() });
        PeerLimit(limits.connections_per_peer.map(table))
    }

    /// Counts one more connection. Returns `None` if its peer is not counted.
    pub(crate) fn acquire(&self, peer: &Peer) -> Result<Option<PeerPermit>, TooMany> {
        let (Some(table), Some(key)) = (&self.0, peer.subscriber()) else { return Ok(None) };
        let mut counts = table.counts();
        let count = counts.entry(key).or_default();
        if *count >= table.max {
            return Err(TooMany);
        }
        *count += 1;
        Ok(Some(PeerPermit { table: Arc::clone(table), key }))
    }
}

impl Table {
    /// The lock is never poisoned: no code under it can panic.
    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PeerPermit {
    fn drop(&mut self) {
        let mut counts = self.table.counts();
        match counts.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.key)),
        }
    }
}
