//! WebSocket: the decoder and encoder, the handshake, and handlers.

mod client;
mod deflated;
mod frames;
mod handshake;
mod oracle;
mod published;
mod sessions;
