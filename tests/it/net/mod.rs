//! Sockets of the system: addresses, options, connecting, datagrams, packets, and their faults.

pub(crate) mod addresses;
pub(crate) mod connect;
pub(crate) mod conversions;
pub(crate) mod crowded;
pub(crate) mod datagram_timers;
pub(crate) mod datagrams;
pub(crate) mod datagrams_unix;
pub(crate) mod dial_chains;
pub(crate) mod dialing;
pub(crate) mod faults;
pub(crate) mod gone;
pub(crate) mod halted;
pub(crate) mod hangups;
pub(crate) mod lacking;
pub(crate) mod listening;
pub(crate) mod listening_families;
pub(crate) mod local_addresses;
pub(crate) mod packets;
pub(crate) mod packets_real;
pub(crate) mod per_peer;
pub(crate) mod places;
pub(crate) mod real;
pub(crate) mod resets;
pub(crate) mod socket_files;
pub(crate) mod unread;
pub(crate) mod urgent;
