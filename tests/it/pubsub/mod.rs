//! Topics.

pub(crate) mod history;
pub(crate) mod passes;
pub(crate) mod releases;
pub(crate) mod subscriptions;
pub(crate) mod topics;
pub(crate) mod watches;
