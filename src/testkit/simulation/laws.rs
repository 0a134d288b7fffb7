//! Laws for all clients of a simulation together. Must not know the world.

use std::collections::HashMap;
use std::net::IpAddr;

use super::guest::Guest;
use crate::limits::Limits;
use crate::net::peer::Peer;

/// Checks the limits on connections, in total and per peer.
///
/// # Errors
///
/// A description of the breach.
pub(super) fn limits_hold(guests: &[Guest], dialing: usize, limits: &Limits) -> Result<(), String> {
    let open = guests.iter().filter(|guest| guest.is_open()).count();
    let (len, limit) = (open + dialing, limits.connections);
    if len > limit {
        return Err(format!("{len} connections, the limit is {limit}"));
    }
    let Some(limit) = limits.connections_per_peer else { return Ok(()) };
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for guest in guests.iter().filter(|guest| guest.is_served()) {
        if let Some(address) = guest.peer.as_ref().and_then(Peer::subscriber) {
            *counts.entry(address).or_default() += 1;
        }
    }
    match counts.iter().find(|(_, count)| **count > limit) {
        Some((address, count)) => {
            Err(format!("{count} connections from {address}, the limit is {limit}"))
        }
        None => Ok(()),
    }
}

/// Checks that a refused connection exceeded the limit of its peer.
///
/// # Errors
///
/// A description of the breach.
pub(super) fn may_be_refused(guests: &[Guest], who: usize, limits: &Limits) -> Result<(), String> {
    let address_of = |guest: &Guest| guest.peer.as_ref().and_then(Peer::subscriber);
    let address = guests.get(who).and_then(address_of);
    let is_of_peer = |guest: &&Guest| guest.is_open() && address_of(guest) == address;
    let count = guests.iter().filter(is_of_peer).count();
    match limits.connections_per_peer.is_none_or(|max| count < max) {
        true => Err(format!("refused, but its peer has only {count} other connections")),
        false => Ok(()),
    }
}
