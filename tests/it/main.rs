//! The tests of the crate, through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is how it fails"
)]

mod deadlines;
mod ends;
mod flow;
mod framing;
mod handlers;
mod lingering;
mod network;
mod seeds;
mod slow;
mod stopping;
mod timers;
mod traps;
mod wishes;
