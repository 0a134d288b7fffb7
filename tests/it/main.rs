//! The tests of the crate, through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is how it fails"
)]

mod addresses;
mod chat;
mod chat_example;
mod chat_kit;
mod chat_seeds;
mod chat_text;
mod clients;
mod connect;
mod corpus;
mod datagrams;
mod datagrams_unix;
mod deadlines;
mod dialing;
mod docs;
mod echo_example;
mod ends;
mod example;
mod faults;
mod flow;
mod framing;
mod handlers;
mod holding;
mod http_body;
mod http_head;
mod http_kit;
mod http_parsers;
mod http_strict;
mod last_words;
mod lines;
mod lingering;
mod listening;
mod log_kit;
mod log_lines;
mod metrics;
mod metrics_page;
mod misuse;
mod modes;
mod network;
mod offload;
mod others;
mod packets;
mod packets_real;
mod packets_seeds;
mod per_peer;
mod ping;
mod processes;
mod proxy;
mod reactors;
mod reactors_real;
mod real;
mod real_kit;
mod rejects;
mod remote;
mod requests;
mod requests_stop;
mod seeds;
mod session;
mod session_example;
mod signals;
mod sim_echo;
mod sim_frames;
mod sim_others;
mod sim_services;
mod slow;
mod slow_calls;
mod stopping;
mod tidy;
mod timers;
mod topics;
mod traps;
mod wake_ups;
mod web;
mod web_ends;
mod web_headers;
mod web_limits;
mod web_order;
mod web_pieces;
mod web_reply;
mod wish_model;
mod wishes;
