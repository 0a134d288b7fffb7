//! Tools for testing handlers and protocols: a network in memory with a clock that the test
//! advances, a [`Simulation`] of whole servers from a seed, the laws of a protocol, single
//! datagrams, and requests of HTTP with the expected answers.
//!
//! A [`Network`] runs the same hub that serves real sockets, in the same turns, but on
//! connections made of two buffers. No call blocks, so a test of a 60-second timeout takes no
//! time, and no result depends on the load of the machine.
//!
//! ```
//! use socketserver::testkit::Network;
//! use socketserver::{Close, Context, Handler, Limits};
//! use std::time::Duration;
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
//! let limits = Limits::default().idle(Some(Duration::from_secs(60)));
//! let mut network = Network::new(limits);
//! let client = network.connect(Echo);
//! network.send(client, b"ping");
//! network.settle();
//! assert_eq!(network.received(client), b"ping");
//!
//! network.advance(Duration::from_secs(59));
//! assert!(!network.is_closed(client));
//! network.advance(Duration::from_secs(2));
//! assert!(network.is_closed(client));
//! ```
//!
//! A network also has slow clients, small reads and writes, and lost connections:
//!
//! ```
//! # use socketserver::testkit::Network;
//! # use socketserver::{Close, Context, Handler, Limits};
//! # struct Echo;
//! # impl Handler for Echo {
//! #     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
//! #         cx.write(input);
//! #         Ok(input.len())
//! #     }
//! # }
//! let mut network = Network::new(Limits::default());
//! let slow = network.connect(Echo);
//! network.window(slow, 4); // bytes in flight to the client
//! network.grain(slow, 3); // bytes of one read or write of the server
//! network.send(slow, b"hello");
//! network.settle();
//! assert_eq!(network.received(slow), b"hell");
//! network.settle();
//! assert_eq!(network.received(slow), b"o");
//! assert_eq!(network.unread(slow), 0);
//!
//! network.spurious(slow); // an event without a cause
//! let (reads, _) = network.calls(slow);
//! network.turn();
//! assert!(network.calls(slow).0 >= reads);
//!
//! network.shut(slow);
//! network.settle();
//! assert!(network.is_closed(slow) && !network.is_reset(slow));
//!
//! let lost = network.connect(Echo);
//! network.settle();
//! network.reset(lost);
//! network.settle();
//! assert_eq!(network.connections(), 0);
//! ```

mod both_ways;
#[cfg(feature = "backplane")]
mod broker;
#[cfg(feature = "backplane")]
mod cluster;
mod datagram;
#[cfg(feature = "http")]
pub mod http_cases;
mod laws;
#[cfg(all(test, feature = "nats"))]
mod nats_server;
mod network;
#[cfg(feature = "backplane")]
mod nodes;
mod random;
#[cfg(all(test, feature = "backplane"))]
mod redis_server;
mod seeds;
mod simulation;
mod steps;
#[cfg(feature = "http")]
mod web_client;
mod wire;

#[cfg(feature = "backplane")]
pub use self::broker::{Broker, BrokerFault};
#[cfg(feature = "backplane")]
pub use self::cluster::{ClusterRun, cluster};
pub use self::datagram::{Datagrams, datagram};
pub use self::laws::{laws, laws_in_parts};
pub use self::network::{Client, Network};
#[cfg(feature = "backplane")]
pub use self::nodes::Nodes;
pub use self::random::Random;
pub use self::seeds::seeds;
pub use self::simulation::{Action, End, Script, Simulation, Trace};
#[cfg(feature = "http")]
pub use self::web_client::{WebAnswer, WebClient, WebExchange, WebRequest};
