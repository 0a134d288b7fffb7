//! Python's `socketserver` for Rust: a hand-rolled, single-threaded reactor, pluggable handlers,
//! and services for the web, chat and sessions.
//!
//! A server that sends everything back:
//!
//! ```no_run
//! use socketserver::{Close, Context, Handler, Server};
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
//!     Server::bind("127.0.0.1:7007")?.serve(|_| Echo)
//! }
//! ```
//!
//! ```text
//!           bytes                   messages                effects
//!  socket ───────▶ input ──▶ Protocol ─────▶ MessageHandler ────────▶ hub ──▶ other connections,
//!    ▲                       (sans-IO)             │ cx.write()         topics, timers, close
//!    └─────────── output ◀─────────────────────────┘
//!  [reactor: mio]   [───────── hub, handler, protocols: no mio, no clock ─────────]
//! ```
//!
//! # The paved path
//!
//! 1. Write a [`Handler`]: your per-connection object, fed raw bytes. It acts through the
//!    [`Context`] of each call, which records its effects and never fails.
//! 2. If the bytes are messages, write a [`Protocol`] that finds them and a [`MessageHandler`]
//!    that receives them; [`Framed`] makes a handler of the two.
//! 3. A [`Service`] makes a handler for each accepted peer, or refuses it. Closures are services.
//! 4. [`Server`] listens, with the options of a [`Listen`], and runs; [`ServerHandle`] stops it
//!    from another thread; [`Limits`] bounds everything; [`Close`] is the reason why a connection
//!    ended.
//! 5. Test all of it without a socket, on [`testkit::Network`] or in a [`testkit::Simulation`].
//!
//! A [`BlockingHandler`] may wait for its peer: it has a [`Stream`] to read and write, and a worker
//! of [`Mode::Threads`] for itself.
//!
//! Datagrams have no connection: the [`DatagramHandler`] of an address receives all of them.
//!
//! Ready-made services: `services::web`, which maps routes to answers, and [`services::chat`],
//! rooms of people who type lines. [`services::detect`] serves several of them at one address. The
//! smallest one, [`services::session`], a handler of raw bytes,
//! is the best to read first.
//!
//! A call of a handler should return soon: one thread serves all connections, so the others wait
//! for it. Work that blocks is [offloaded](Context::offload), or runs on workers in another
//! [`Mode`]. A handler that panics ends its own connection and no other.
//!
//! The [guides](guide) begin with [a first service](guide::getting_started), step by step.
//!
//! # Features
//!
//! * `backplane`: the protocol of Redis in `protocol::resp`, and the core of topics over several
//!   nodes, which no server uses so far.
//! * `chat-names`: names of the chat in all scripts, by Unicode's rules; without it they are ASCII.
//! * `chat-web`: the chat in a browser, with `json` and `ws`.
//! * `deflate`: compression of WebSocket messages (permessage-deflate), with `ws`.
//! * `files`: static files in the web service, in `services::files`.
//! * `http` (default): HTTP/1.1 in `protocol::http` and the web service in `services::web`.
//! * `json`: JSON in requests and answers of the web service, by `serde`.
//! * `nats`: the protocol of NATS in `protocol::nats`, and NATS with JetStream as the engine of a
//!   [`Backplane`], with `backplane`.
//! * `processes` (default): `Mode::Processes`, a supervisor and worker processes.
//! * `signals` (default): `Server::stop_on_signals`, for servers that stop on SIGTERM and SIGINT.
//! * `ws` (default): WebSocket in `protocol::ws`, and its handlers in `services::ws`.
//! * `testkit`: the module `testkit`, a network in memory and whole servers simulated from a seed.
//!   It is for tests, so it belongs to the development dependencies:
//!   `cargo add --dev socketserver --features testkit`.
//!
//! # Platforms
//!
//! Unix systems with 64-bit pointers; Rust 1.89 or newer.
//!
//! # Logging
//!
//! The library logs through the `log` crate and installs no logger. Each connection that ends logs
//! one record, at level debug if the end is not a fault of this server, else warn. A record is one
//! line, whatever bytes peers send. [`ServerHandle::metrics`] reports the same as numbers.
#![cfg_attr(docsrs, feature(doc_cfg))]
// The documentation is built with all features: links to items of a feature are not checked
// without it.
#![cfg_attr(
    not(all(
        feature = "backplane",
        feature = "chat-web",
        feature = "deflate",
        feature = "files",
        feature = "http",
        feature = "json",
        feature = "nats",
        feature = "processes",
        feature = "signals",
        feature = "testkit",
        feature = "ws"
    )),
    allow(rustdoc::broken_intra_doc_links, reason = "the target may be of a feature that is off")
)]

#[cfg(not(unix))]
compile_error!("socketserver runs on Unix only");

mod accept;
#[cfg(feature = "backplane")]
mod backplane;
mod clock;
mod close;
mod exec;
#[cfg(doc)]
pub mod guide;
mod handler;
mod history;
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
#[cfg(feature = "testkit")]
pub mod testkit;
mod topic;

#[cfg(feature = "backplane")]
pub use backplane::config::Backplane;
#[cfg(feature = "backplane")]
pub use backplane::feed::{Feed, Mark, Recovery, SharedMessage};
#[cfg(feature = "backplane")]
pub use backplane::settings::{BackplaneError, Policy};
pub use close::{Close, HandlerError, Timeout};
pub use handler::blocking::{BlockingHandler, BlockingService, IntoBlockingAdmission};
pub use handler::context::Context;
pub use handler::datagram::{DatagramContext, DatagramHandler};
pub use handler::framed::{Framed, MessageHandler, Protocol, Step};
pub use handler::notification::{Message, Notification, Ticket};
pub use handler::output::Output;
pub use handler::payload::Payload;
pub use handler::stream::Stream;
pub use handler::task::TaskContext;
pub use handler::{Handler, IntoAdmission, Service};
pub use history::{Gap, History, Later, Position, PositionError, Watch};
pub use id::Id;
pub use limits::{Limits, OptionError, SlowConsumer};
pub use metrics::Metrics;
#[cfg(feature = "backplane")]
pub use metrics::backplane::BackplaneMetrics;
pub use mode::Mode;
pub use net::address::{Address, AddressError};
pub use net::destination::Destination;
pub use net::incoming::Incoming;
pub use net::listen::Listen;
pub use net::peer::Peer;
pub use net::subnet::Subnet;
pub use net::to_destination::ToDestination;
pub use net::to_listen::ToListen;
pub use now::Now;
pub use reactor::{HandleError, ServerHandle};
pub use server::Server;
pub use topic::Topic;

// The code in the README is compiled; that of the guides is part of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
