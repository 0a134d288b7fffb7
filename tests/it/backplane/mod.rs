//! Topics over several nodes: the protocols of the engines, and nodes in a simulation.

pub(crate) mod cluster;
pub(crate) mod nats;
pub(crate) mod nodes;
pub(crate) mod resp;
