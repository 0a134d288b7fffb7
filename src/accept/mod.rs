//! Accepting: listeners between their events, and the limits on connections. Pure: it is given its
//! listeners, the number of connections and the time. Must not know a poller, nor the use of an
//! accepted connection.

mod acceptor;
mod acceptors;
mod limit;
mod own_places;
mod peer_limit;
mod reserve;
mod socket;

pub(crate) use self::acceptor::{PAUSE_MS, concerns_one_peer};
pub(crate) use self::acceptors::{AcceptOutcome, Accepted, Acceptors, Places};
pub(crate) use self::limit::{ConnectionLimit, Descriptors};
pub(crate) use self::own_places::OwnPlace;
pub(crate) use self::peer_limit::PeerPermit;
pub(crate) use self::reserve::Reservations;
pub(crate) use self::socket::Accept;
