//! Services: what people start. Each is a handler, the protocol it speaks if its input is
//! messages, and what connections share.

pub mod chat;
pub mod session;
#[cfg(feature = "http")]
pub mod web;
