//! The examples as programs.

pub(crate) mod api;
pub(crate) mod beacon;
pub(crate) mod chat;
mod chat_web;
pub(crate) mod clients;
pub(crate) mod echo;
pub(crate) mod frames;
pub(crate) mod kv;
pub(crate) mod logs;
pub(crate) mod middleware;
pub(crate) mod options;
pub(crate) mod ping;
pub(crate) mod proxy;
pub(crate) mod proxy_room;
pub(crate) mod requests;
mod rooms;
pub(crate) mod session;
pub(crate) mod sse;
pub(crate) mod terminal;
pub(crate) mod web;
pub(crate) mod ws_client;
pub(crate) mod ws_echo;
