//! Properties that hold for any bytes of a peer, as one oracle for each kind of bytes. Knows no
//! fuzzer: the targets call the oracles with generated inputs, and a test of the crate with those
//! of the corpus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how an oracle says that something is wrong"
)]

pub mod address;
pub mod answers;
pub mod arguments;
pub mod chat;
pub mod http_body;
pub mod http_head;
pub mod icmp;
pub mod line;
pub mod nats;
pub mod netstring;
pub mod resp;
pub mod session;
pub mod web;
pub mod ws;

mod input;
mod script;
mod watched;

/// Panics if the processing of an input violates a property.
pub type Oracle = fn(&[u8]);

/// Every oracle, by the name of its target and of its folder in the corpus.
pub const ORACLES: &[(&str, Oracle)] = &[
    ("address", address::check),
    ("arguments", arguments::check),
    ("chat", chat::check),
    ("http_body", http_body::check),
    ("http_head", http_head::check),
    ("icmp", icmp::check),
    ("line", line::check),
    ("nats", nats::check),
    ("netstring", netstring::check),
    ("resp", resp::check),
    ("session", session::check),
    ("web", web::check),
    ("ws", ws::check),
];
