//! Modes: threads, reactors, processes; commands of other threads, and signals.

pub(crate) mod all;
pub(crate) mod blocking;
pub(crate) mod blocking_stop;
pub(crate) mod handle;
pub(crate) mod ping_pong;
pub(crate) mod processes;
pub(crate) mod reactors;
pub(crate) mod reactors_real;
pub(crate) mod signals;
pub(crate) mod supervisor;
