//! WebSocket: the decoder and encoder.

mod frames;
mod oracle;
