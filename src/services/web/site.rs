//! The part of a web service that its connections share.

use std::sync::Arc;

use super::router::Router;
use crate::protocol::http::HttpLimits;

/// The routes and limits of a web service, shared by its connections.
pub(super) struct Site {
    pub(super) router: Router,
    pub(super) limits: Arc<HttpLimits>,
}
