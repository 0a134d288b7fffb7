//! Worker processes: a supervisor that starts its own program again, with the listening sockets
//! handed down. Knows processes and descriptors; must not know what is served.
//!
//! ```text
//!  supervisor: bind ─▶ start workers, keep as many ─▶ stop: close, tell, wait
//!  worker:     bind = take what was handed down ─▶ the reactor, until told to stop
//! ```
//!
//! A worker's standard input is its end of a pair of Unix sockets, the channel: the sockets come
//! through it first (`handoff`), then orders (`reactor::Channel`). Either side hears of the
//! other one's end, however it comes, by the end of the channel.

mod handoff;
mod inheritance;
mod supervisor;
mod worker;

pub(crate) use self::inheritance::{channel, is_worker, next_socket};
pub(crate) use self::supervisor::{SharedSocket, Supervisor};
