//! Ready-made services. Each consists of a handler, the protocol of its messages if it has any, and
//! the state that its connections share.

pub mod chat;
pub mod detect;
#[cfg(feature = "files")]
pub mod files;
pub mod session;
#[cfg(feature = "http")]
pub mod web;
#[cfg(feature = "ws")]
pub mod ws;
