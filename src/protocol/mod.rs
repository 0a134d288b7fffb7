//! Protocols: sans-IO decoders, and the encoders of the answers. They know bytes and rules; no
//! socket, no clock, no handler.

#[cfg(feature = "deflate")]
pub(crate) mod compressor;
#[cfg(feature = "http")]
pub mod http;
pub mod line;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "backplane")]
pub mod resp;
pub mod telnet;
#[cfg(feature = "ws")]
pub mod ws;
