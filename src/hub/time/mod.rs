//! Time in the hub: the timeout of each connection, the sweep that finds those that have passed,
//! and the timers of handlers. Knows no clock: every moment is handed in.

pub(super) mod sweep;
pub(super) mod timeout;
pub(super) mod timers;
