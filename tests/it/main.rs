//! The tests of the crate, through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is how it fails"
)]

mod backplane;
mod examples;
mod files;
mod http;
mod hub;
mod modes;
mod net;
mod pubsub;
mod repo;
mod services;
mod sim;
mod support;
mod web;
mod ws;
