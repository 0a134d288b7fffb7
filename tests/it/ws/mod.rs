//! WebSocket: the decoder and encoder, the handshake, and handlers.

pub(crate) mod client;
mod clients;
mod deflated;
mod frames;
mod handshake;
mod handshakes_of_clients;
mod held;
mod oracle;
mod published;
mod sessions;
