//! Topics over several nodes: the protocol of the engine.

pub(crate) mod resp;
