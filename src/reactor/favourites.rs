//! The addresses that answered when the first of their name did not: they are tried first. Must not
//! know sockets.

use std::collections::{HashMap, VecDeque};

use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::now::Now;

/// A name of a host, with its port.
pub(super) type Name = (Box<str>, u16);

/// The most names with a favourite.
const MAX: usize = 256;
/// The time until the order of the resolver counts again (RFC 6555, section 4.2): its first address
/// may answer by then.
const VALID_MS: u64 = 600_000;

/// The favourite address of each name whose first address was dead or slow.
///
/// A name whose first address answers has none: the resolver's order may spread connections.
#[derive(Default)]
pub(super) struct Favourites {
    of: HashMap<Name, Favourite>,
}

struct Favourite {
    peer: Peer,
    /// 0 before its first use.
    until_ms: u64,
}

impl Favourites {
    /// Moves the favourite of a name to the front of its addresses.
    pub(super) fn move_to_front(
        &mut self,
        name: &Name,
        addresses: &mut VecDeque<Address>,
        now: Now,
    ) {
        let Some(favourite) = self.of.get_mut(name) else { return };
        if favourite.until_ms == 0 {
            favourite.until_ms = now.millis().saturating_add(VALID_MS);
        }
        let is_it = |address: &Address| matches!(address, Address::Tcp(address) if Peer::from(*address) == favourite.peer);
        let at = addresses.iter().position(is_it).filter(|_| now.millis() < favourite.until_ms);
        match at.and_then(|at| addresses.remove(at)) {
            Some(address) => addresses.push_front(address),
            // It is too old, or no longer an address of the name.
            None => drop(self.of.remove(name)),
        }
    }

    /// Notes the winner of a race, which was not the first to start.
    pub(super) fn learn(&mut self, name: Name, peer: Peer) {
        if self.of.len() >= MAX && !self.of.contains_key(&name) {
            // The next to become too old; an unused one, with 0, is new.
            let age = |favourite: &Favourite| favourite.until_ms.wrapping_sub(1);
            let oldest = self.of.iter().min_by_key(|(_, favourite)| age(favourite));
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.of.remove(&oldest);
            }
        }
        self.of.insert(name, Favourite { peer, until_ms: 0 });
    }

    /// Forgets the favourite of a name of which no address has answered.
    pub(super) fn forget(&mut self, name: &Name) {
        self.of.remove(name);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }
}
