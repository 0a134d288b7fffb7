//! Shared by tests: handlers, clients, processes, and ways to wait.

pub(crate) mod chat;
pub(crate) mod corpus;
pub(crate) mod decoding;
pub(crate) mod handlers;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod process;
pub(crate) mod queue;
pub(crate) mod real;
pub(crate) mod terminal;
pub(crate) mod waiting;
pub(crate) mod wish_model;
