//! Time in the hub: the timeout of each connection, the sweep that finds expired ones, and the
//! timers of handlers. Must not read a clock: the time is passed in.

pub(super) mod sweep;
pub(super) mod timeout;
pub(super) mod timers;
