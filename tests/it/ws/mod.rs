//! WebSocket: the decoder and encoder, the handshake, and handlers.

mod client;
mod frames;
mod handshake;
mod oracle;
mod sessions;
