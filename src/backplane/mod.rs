//! Topics over several nodes, which exchange messages through an engine. Knows no socket, no clock
//! and no connection of a client.
//!
//! ```text
//! publishers ──▶ Exchange ──Ask──▶ Engine ──bytes──▶ Redis
//! members ◀───── (topics) ◀─News── (Redis) ◀─bytes──
//! ```
//!
//! Each message is delivered when it comes back from the engine, in the order of its log, the
//! node's own included. `docs/decisions/0055-backplane.md` has the reasons.

pub(crate) mod bounds;
mod chains;
pub(crate) mod config;
pub(crate) mod engine;
pub(crate) mod exchange;
pub(crate) mod feed;
mod keep;
pub(crate) mod line;
pub(crate) mod members;
#[cfg(feature = "nats")]
pub(crate) mod nats;
pub(crate) mod presence;
pub(crate) mod record;
pub(crate) mod redis;
pub(crate) mod settings;
pub(crate) mod sharing;
pub(crate) mod topic;
mod url;
mod watched;
mod window;
