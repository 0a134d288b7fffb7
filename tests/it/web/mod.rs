//! The web service.

pub(crate) mod ends;
pub(crate) mod headers;
pub(crate) mod limits;
pub(crate) mod metrics_page;
pub(crate) mod order;
pub(crate) mod pieces;
pub(crate) mod reply;
pub(crate) mod routes;
