//! lib placeholder
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod buffer;
mod close;
mod framed;
mod handler;
mod hub;
mod id;
mod limits;
mod now;
mod panics;
pub mod protocol;
mod reactor;
mod server;
pub mod services;
pub mod testkit;

pub use address::{Address, AddressError, Peer};
pub use close::{Close, Timeout};
pub use framed::{Framed, MessageHandler, Protocol, Step};
pub use handler::{Admission, Context, Handler, Service};
pub use id::Id;
pub use limits::Limits;
pub use now::Now;
pub use reactor::Remote;
pub use server::Server;
