//! The local addresses of connections, each stored once and counted. Knows no connection: each
//! keeps a two-byte index of its address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use crate::net::address::Address;
#[cfg(feature = "http")]
use crate::net::peer::Peer;
#[cfg(feature = "http")]
use crate::now::Now;

/// The local address of a connection: its index in [`LocalAddresses`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Local(u16);

impl Local {
    /// An unknown address, as of a connection that is not established.
    pub(crate) const UNKNOWN: Local = Local(0);
}

/// Both ends of the connection whose handler is called, and the time. The local one is looked up on
/// demand.
#[cfg(feature = "http")]
#[derive(Clone, Copy)]
pub(crate) struct Ends<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) locals: &'a LocalAddresses,
    // A reference, so that a request that does not ask for the time copies one word.
    pub(crate) now: &'a Now,
}

/// The maximum of addresses with their own place. Above it, connections share the
/// [general](general) address of their listener: one for each port of the server.
const MAX: usize = 60_000;

/// Returns the address for connections without one: a Unix socket without a name.
pub(crate) fn unknown() -> Arc<Address> {
    static UNKNOWN: LazyLock<Arc<Address>> =
        LazyLock::new(|| Arc::new(Address::Unix(PathBuf::new())));
    Arc::clone(&UNKNOWN)
}

/// The local addresses of the connections of a hub, or of the one connection that a worker serves;
/// and the index of the address of the connection whose handler is called.
#[derive(Debug)]
pub(crate) struct LocalAddresses {
    /// The first place is for connections whose address has no place of its own.
    places: Vec<Place>,
    /// Places without connections.
    free: Vec<u16>,
    by_address: HashMap<Arc<Address>, u16>,
    /// The result of the last lookup: most connections come to one listener.
    last: u16,
    current: Local,
}

#[derive(Debug)]
struct Place {
    address: Arc<Address>,
    connections: usize,
}

impl Default for LocalAddresses {
    fn default() -> LocalAddresses {
        LocalAddresses {
            places: vec![Place { address: unknown(), connections: 0 }],
            free: Vec::new(),
            by_address: HashMap::new(),
            last: 0,
            current: Local::UNKNOWN,
        }
    }
}

impl LocalAddresses {
    /// Returns the index of `address` and counts one more connection of it.
    pub(crate) fn intern(&mut self, address: Arc<Address>) -> Local {
        let is_last = Arc::ptr_eq(&self.places[usize::from(self.last)].address, &address);
        let index = match is_last {
            true => self.last,
            false => self.find_or_add(address),
        };
        self.last = index;
        self.places[usize::from(index)].connections += 1;
        Local(index)
    }

    /// Counts the end of a connection with this address.
    pub(crate) fn release(&mut self, local: Local) {
        let place = &mut self.places[usize::from(local.0)];
        place.connections -= 1;
        if place.connections == 0 && local != Local::UNKNOWN {
            self.by_address.remove(&place.address);
            place.address = unknown();
            self.free.push(local.0);
            if self.last == local.0 {
                self.last = 0;
            }
        }
    }

    /// Sets the address of the handler that is called next.
    #[inline(always)]
    pub(crate) fn select(&mut self, local: Local) {
        self.current = local;
    }

    /// Sets the address of the handler that a worker calls next.
    pub(crate) fn hold(&mut self, address: Arc<Address>) {
        self.places[0].address = address;
    }

    /// Returns the address of the connection whose handler is called.
    pub(crate) fn current(&self) -> &Arc<Address> {
        &self.places[usize::from(self.current.0)].address
    }

    fn find_or_add(&mut self, address: Arc<Address>) -> u16 {
        if self.places[0].address == address {
            return 0;
        }
        if let Some(index) = self.by_address.get(&address) {
            return *index;
        }
        let is_full = self.by_address.len() >= MAX;
        let Some(address) = (if is_full { general(&address).map(Arc::new) } else { Some(address) })
        else {
            return 0;
        };
        if let Some(index) = self.by_address.get(&address) {
            return *index;
        }
        let place = Place { address: Arc::clone(&address), connections: 0 };
        let index = match self.free.pop() {
            Some(index) => {
                self.places[usize::from(index)] = place;
                index
            }
            None => match u16::try_from(self.places.len()) {
                Ok(index) => {
                    self.places.push(place);
                    index
                }
                Err(_) => return 0,
            },
        };
        self.by_address.insert(address, index);
        index
    }
}

/// Returns the address of the listener that `address` may belong to: its port on all hosts.
fn general(address: &Address) -> Option<Address> {
    let Address::Tcp(address) = address else { return None };
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    Some(Address::Tcp((any, address.port()).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: u16, port: u16) -> Arc<Address> {
        let [high, low] = host.to_be_bytes();
        Arc::new(Address::Tcp(([10, 0, high, low], port).into()))
    }

    #[test]
    fn connections_with_one_address_share_its_place_until_the_last_ends() {
        let mut locals = LocalAddresses::default();
        let [a, b] = [locals.intern(tcp(1, 80)), locals.intern(tcp(1, 80))];
        assert_eq!(a, b);
        let other = locals.intern(tcp(2, 80));
        assert_ne!(other, a);
        locals.release(a);
        locals.select(b);
        assert_eq!(locals.current(), &tcp(1, 80));
        locals.release(b);
        assert_eq!(locals.intern(tcp(3, 80)), a, "the place is used again");
        locals.select(a);
        assert_eq!(locals.current(), &tcp(3, 80));
    }

    #[test]
    fn a_place_that_is_free_is_not_taken_for_that_of_connections_without_an_address() {
        let mut locals = LocalAddresses::default();
        let first = locals.intern(tcp(1, 80));
        locals.release(first);
        for _ in 0..2 {
            let none = locals.intern(unknown());
            assert_eq!(none, Local::UNKNOWN);
            assert_eq!(locals.intern(tcp(1, 80)), first);
            locals.release(first);
            locals.release(none);
        }
    }

    #[test]
    fn of_too_many_addresses_the_last_ones_keep_their_port() {
        let mut locals = LocalAddresses::default();
        for host in 0..MAX as u16 {
            locals.intern(tcp(host, 80));
        }
        let late = locals.intern(tcp(MAX as u16, 80));
        locals.select(late);
        assert_eq!(locals.current().to_string(), "0.0.0.0:80");
        assert_eq!(locals.intern(tcp(MAX as u16 + 1, 80)), late);
        for port in 1..=u16::MAX {
            locals.intern(tcp(MAX as u16, port));
        }
        let last = locals.intern(tcp(MAX as u16, 65_535));
        assert_eq!(last, Local::UNKNOWN, "there is no place any more");
    }
}
