//! The chat, session and detecting services, and the protocol of lines.

mod browser;
pub(crate) mod chat;
mod chat_names;
pub(crate) mod chat_rate;
mod chat_seeds;
pub(crate) mod chat_text;
mod detect;
pub(crate) mod lines;
pub(crate) mod session;
mod telnet;
