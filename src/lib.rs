//! Python's `socketserver` for Rust: a hand-rolled, single-threaded reactor, pluggable handlers,
//! and services for the web, chat and sessions.
//!
//! A server that sends everything back:
//!
//! ```no_run
//! use socketserver::{Close, Context, Handler, Peer, Server};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
//!         cx.write(input);
//!         Ok(input.len())
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let server = Server::bind("127.0.0.1:7007")?;
//!     server.serve(|_: &Peer| Echo)
//! }
//! ```
//!
//! ```text
//!             bytes                     messages                  effects
//!  socket ──────────▶ input ──▶ Protocol ──────▶ MessageHandler ──────────▶ hub ──▶ other connections,
//!    ▲                          (sans-IO)             │ cx.write()            topics, timers, close
//!    └────────────── output ◀─────────────────────────┘
//!  [reactor: mio]   [─────────── hub, handler, protocols: no mio, no clock ───────────]
//! ```
//!
//! # The paved path
//!
//! 1. Write a [`Handler`]: your per-connection object, fed raw bytes. All it may act on is the
//!    [`Context`] it is handed, which records and never fails.
//! 2. If the bytes are messages, write a [`Protocol`] that finds them and a [`MessageHandler`]
//!    that is fed them; [`Framed`] makes a handler of the two.
//! 3. A [`Service`] makes a handler for each accepted peer, or refuses it. Closures are services.
//! 4. [`Server`] listens, with the options of a [`Listen`], and runs; [`ServerHandle`] stops it from another thread; [`Limits`] bounds
//!    everything; [`Close`] says why a connection ended.
//! 5. Test all of it without a socket, on [`testkit::Network`] or in a [`testkit::Simulation`].
//!
//! A [`BlockingHandler`] may wait for its peer: it has a [`Stream`] to read and write, and a worker
//! of [`Mode::Threads`] for itself.
//!
//! Datagrams have no connection: a [`DatagramHandler`] behind the address is fed all of them.
//!
//! Some have all of this ready: `services::web`, routes in, answers out; [`services::chat`], rooms
//! of people who type lines. The service to read first is the smallest, [`services::session`]: a
//! handler of raw bytes.
//!
//! A call of a handler should return soon: one thread serves all connections, so all others wait
//! for it. What must wait is [offloaded](Context::offload), or runs on workers in another
//! [`Mode`]. A handler that panics ends its own connection and nothing else.
//!
//! # Features
//!
//! * `http` (default): HTTP/1.1 in `protocol::http` and the web service in `services::web`.
//! * `json`: JSON bodies in the web service, by `serde`.
//! * `processes` (default): `Mode::Processes`, a supervisor and worker processes.
//! * `signals` (default): `Server::stop_on_signals`, for servers that stop on SIGTERM and SIGINT.
//!
//! # Platforms
//!
//! Unix systems with 64-bit pointers; Rust 1.85 or newer.
//!
//! # Logging
//!
//! The library logs through the `log` crate and installs no logger: one record for each
//! connection that ends, at level debug if nothing is wrong on this side, else warn. A record is one
//! line, whatever peers send. [`ServerHandle::metrics`] tells the same in numbers.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!("socketserver runs on Unix only");

mod accept;
mod clock;
mod close;
mod exec;
mod handler;
mod hub;
mod id;
mod limits;
mod log_throttle;
mod mailbox;
mod metrics;
mod mode;
mod net;
mod now;
mod panics;
#[cfg(feature = "processes")]
mod prefork;
pub mod protocol;
mod reactor;
mod server;
pub mod services;
mod setters;
mod sync;
pub mod testkit;
mod topic;

pub use close::{Close, Timeout};
pub use handler::blocking::{BlockingAdmission, BlockingHandler, BlockingService};
pub use handler::context::{Context, Notification, Undelivered};
pub use handler::datagram::{DatagramContext, DatagramHandler};
pub use handler::framed::{Framed, MessageHandler, Protocol, Step};
pub use handler::stream::Stream;
pub use handler::{Admission, Handler, Service};
pub use id::Id;
pub use limits::{Limits, SlowConsumer};
pub use metrics::Metrics;
pub use mode::Mode;
pub use net::address::{Address, AddressError};
pub use net::destination::Destination;
pub use net::listen::Listen;
pub use net::peer::Peer;
pub use now::Now;
pub use reactor::{HandleError, ServerHandle};
pub use server::Server;
pub use topic::Topic;

// The code in the documents is compiled, and run where it can end.
#[cfg(all(doctest, feature = "http", feature = "signals"))]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/clients.md")]
#[doc = include_str!("../docs/from-python.md")]
#[doc = include_str!("../docs/metrics.md")]
#[doc = include_str!("../docs/modes.md")]
#[doc = include_str!("../docs/testing.md")]
#[doc = include_str!("../docs/writing-a-protocol.md")]
#[doc = include_str!("../docs/writing-a-service.md")]
struct Documents;
