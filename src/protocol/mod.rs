//! Protocols: sans-IO decoders and the encoders that answer them. They know bytes and rules;
//! no socket, no clock, no handler.

#[cfg(feature = "http")]
pub mod http;
pub mod line;
