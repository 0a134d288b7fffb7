//! An accepted connection before its handler exists: its two ends. Knows no socket.

use std::sync::Arc;

use crate::net::address::Address;
use crate::net::local;
use crate::net::peer::Peer;

/// An accepted connection before its handler exists: the input of a
/// [`Service`](crate::Service).
///
/// ```
/// use socketserver::{Address, Incoming, Peer};
///
/// let address: Address = "127.0.0.1:80".parse()?;
/// let incoming = Incoming::new(Peer::unix(), address.clone());
/// assert_eq!(incoming.peer(), &Peer::unix());
/// assert_eq!(incoming.local_address(), &address);
/// # Ok::<(), socketserver::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Incoming {
    peer: Peer,
    local: Arc<Address>,
}

impl Incoming {
    /// Creates a connection from `peer` to `local`, for tests of services.
    pub fn new(peer: Peer, local: impl Into<Address>) -> Incoming {
        Incoming { peer, local: Arc::new(local.into()) }
    }

    /// Creates a connection with an address that many connections share.
    pub(crate) fn at(peer: Peer, local: Arc<Address>) -> Incoming {
        Incoming { peer, local }
    }

    /// Returns the other end of the connection.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Returns the address that the peer has connected to: see
    /// [`Context::local_address`](crate::Context::local_address).
    #[must_use]
    pub fn local_address(&self) -> &Address {
        &self.local
    }

    /// Returns both ends.
    pub(crate) fn into_parts(self) -> (Peer, Arc<Address>) {
        (self.peer, self.local)
    }
}

/// For tests: a connection whose local address is not known (`unix:`, with an empty path).
impl From<Peer> for Incoming {
    fn from(peer: Peer) -> Incoming {
        Incoming { peer, local: local::unknown() }
    }
}
