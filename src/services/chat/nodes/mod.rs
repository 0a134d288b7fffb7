//! Rooms that span several nodes: events and names go through the engine of a backplane. Must not
//! know engines or connections.

pub(super) mod feed;
pub(super) mod holders;
mod member;
pub(super) mod naming;
pub(super) mod publish;
pub(super) mod question;
mod record;
pub(super) mod roster;
