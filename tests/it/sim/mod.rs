//! Simulations of whole servers from seeds.

pub(crate) mod browsers;
pub(crate) mod commands;
pub(crate) mod dials;
pub(crate) mod echo;
pub(crate) mod frames;
pub(crate) mod others;
pub(crate) mod packets;
pub(crate) mod seeds;
pub(crate) mod services;
