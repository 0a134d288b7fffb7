//! Topics over several nodes: the protocol of the engine, and nodes in a simulation.

pub(crate) mod cluster;
pub(crate) mod nodes;
pub(crate) mod resp;
