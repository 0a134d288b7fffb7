//! The reactor: polls for events, marks them on connections, and runs one turn of the hub. The only
//! module that knows mio. Must not know any protocol or the work of handlers.
//!
//! ```text
//!  1 wait     poll until the next event or deadline
//!  2 note     mark each event on its connection, or on its part        (no work here)
//!  3 parts    if a part has work: accept, receive datagrams, take the results of workers and the
//!             commands of other threads, establish connections
//!  4 turn     the hub: expire deadlines, pump each ready connection once, reap
//!  5 hand on  calls for workers, connection requests, permits of closed connections, messages for
//!             the other reactors
//! ```
//!
//! A reactor is generic over the [system](System) it runs on; [`Poller`] is the real one. Besides
//! the hub it has a list of [parts](part) with a common interface: the next deadline, the work of a
//! turn, and the stop.

mod admission;
mod attempt;
mod bind;
#[cfg(feature = "processes")]
mod channel;
mod claim;
mod commands;
mod connect;
mod core;
mod datagram_endpoint;
mod datagram_socket;
mod datagrams;
mod descriptors;
mod direct;
mod event_loop;
mod favourites;
mod group;
mod handle;
#[cfg(feature = "processes")]
mod inherit;
mod listen;
mod load;
mod lookup;
mod native;
mod outbound;
mod outgoing;
mod part;
mod poller;
mod resolve;
mod service;
mod setup;
mod several;
mod shard;
#[cfg(feature = "signals")]
mod signals;
mod socket;
mod socket_file;
mod source;
mod system;
mod workers;

#[cfg(feature = "processes")]
pub(crate) use self::channel::{Channel, Order};
pub(crate) use self::datagram_socket::DatagramSocket;
pub(crate) use self::datagrams::DatagramEndpoints;
pub(crate) use self::descriptors::descriptors;
pub(crate) use self::event_loop::Reactor;
#[cfg(any(feature = "processes", feature = "testkit"))]
pub(crate) use self::handle::StopRequest;
pub use self::handle::{HandleError, ServerHandle};
pub(crate) use self::listen::{Listener, QUEUE};
pub(crate) use self::poller::Poller;
pub(crate) use self::service::ServiceKind;
pub(crate) use self::setup::{Budgets, Setup};
pub(crate) use self::several::run as run_several;
pub(crate) use self::system::DatagramTransport;

// Used by the simulation, which is another system.
#[cfg(feature = "testkit")]
pub(crate) use self::{
    group::{Member, members},
    lookup::Lookup,
    several::share,
    source::Source,
    system::System,
};
