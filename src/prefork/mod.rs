//! Worker processes: a supervisor that starts its own program again and hands the listening sockets
//! down. Knows processes and descriptors; must not know the service.
//!
//! ```text
//!  supervisor: bind ─▶ start workers, keep as many ─▶ stop: close, tell, wait
//!  worker:     bind = take the inherited sockets ─▶ the reactor, until told to stop
//! ```
//!
//! A worker's standard input is its end of a pair of Unix sockets, the channel. The sockets come
//! through it first (`handoff`), then orders (`reactor::Channel`). Either side learns that the
//! other has ended when the channel closes.

mod handoff;
mod inheritance;
mod program;
mod supervisor;
mod worker;

pub(crate) use self::inheritance::{channel, is_worker, next_socket};
pub(crate) use self::supervisor::{SharedSocket, Supervisor};
