//! Addresses of servers and their options, and the peers at the other end. Opens no socket.

pub(crate) mod address;
pub(crate) mod destination;
pub(crate) mod incoming;
pub(crate) mod listen;
pub(crate) mod local;
pub(crate) mod peer;
pub(crate) mod subnet;
pub(crate) mod to_destination;
pub(crate) mod to_listen;
