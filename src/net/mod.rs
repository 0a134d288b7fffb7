//! Where servers listen, and the peers at the other end: addresses and their options. Knows no
//! socket.

pub(crate) mod address;
pub(crate) mod destination;
pub(crate) mod incoming;
pub(crate) mod listen;
pub(crate) mod local;
pub(crate) mod peer;
