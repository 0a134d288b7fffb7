//! The web service.

pub(crate) mod compression;
pub(crate) mod dates;
pub(crate) mod ends;
pub(crate) mod events;
pub(crate) mod guards;
pub(crate) mod headers;
pub(crate) mod health;
pub(crate) mod intakes;
#[cfg(feature = "json")]
pub(crate) mod json;
pub(crate) mod late;
pub(crate) mod limits;
pub(crate) mod metrics_page;
pub(crate) mod middleware;
pub(crate) mod nesting;
pub(crate) mod order;
pub(crate) mod params;
pub(crate) mod pieces;
pub(crate) mod proxies;
pub(crate) mod records;
pub(crate) mod reply;
pub(crate) mod routes;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod streams;
pub(crate) mod uploads;
