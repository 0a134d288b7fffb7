//! Services: what people start. Each is a protocol, a handler for its messages, and what
//! connections share.

#[cfg(feature = "http")]
pub mod web;
