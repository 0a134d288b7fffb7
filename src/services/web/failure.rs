//! Errors of routes.

use std::fmt;

/// Why a route could not answer. Any error becomes one by `?`; it is logged and the client gets
/// 500, without the text.
#[derive(Debug)]
pub struct Failure(pub(super) String);

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.to_string())
    }
}
