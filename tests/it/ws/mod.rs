//! WebSocket: the decoder and encoder, the handshake, and handlers.

pub(crate) mod client;
mod deflated;
mod frames;
mod handshake;
mod oracle;
mod sessions;
