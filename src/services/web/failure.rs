//! Errors of routes. Knows no request and no answer.

use std::error::Error;
use std::fmt;

use http::StatusCode;

/// The error of a route: a status for the client, and a reason.
///
/// `?` converts any error to a failure with status 500; [`Failure::new`] chooses the status. The
/// reason of a failure with a 4xx status is sent to the client as one line of text, and logged at
/// level debug. The reason of a failure with a 5xx status is not sent; it is logged at level error,
/// with the method and the path of the request. [`Web::on_failure`](super::Web::on_failure) changes
/// the answer, but not the log.
///
/// ```
/// use socketserver::services::web::{Answered, Failure, Reply, Request};
///
/// fn show(request: &Request, reply: Reply) -> Answered {
///     let id: usize = request.param("id").parse()?; // 400
///     let text = std::fs::read_to_string("items.txt")?; // 500
///     let item = text.lines().nth(id).ok_or_else(|| Failure::new(404, "no such item"))?;
///     if item.is_empty() {
///         return Err(Failure::bad_request("this item has no text")); // 400
///     }
///     reply.text(item)
/// }
/// ```
///
/// A failure is not a [`std::error::Error`]: otherwise `?` could not convert every error to one.
pub struct Failure {
    // One word: every route returns a result with it.
    inner: Box<Inner>,
}

struct Inner {
    status: StatusCode,
    reason: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Creates a failure with this status and reason. A status that is not an error (4xx or 5xx)
    /// becomes 500.
    pub fn new<T>(status: T, reason: impl Into<String>) -> Failure
    where
        StatusCode: TryFrom<T>,
    {
        let status = StatusCode::try_from(status).ok();
        let status = status.filter(|it| it.is_client_error() || it.is_server_error());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Failure { inner: Box::new(Inner { status, reason: reason.into(), source: None }) }
    }

    /// Creates a failure with status 400, for an invalid request. [`Failure`] has an example.
    pub fn bad_request(reason: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, reason)
    }

    /// Creates a failure with status 500, for a fault of the server.
    pub(super) fn internal(reason: impl Into<String>) -> Failure {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, reason)
    }

    /// Returns the status of the answer.
    pub fn status(&self) -> StatusCode {
        self.inner.status
    }

    /// Returns the reason.
    pub fn reason(&self) -> &str {
        &self.inner.reason
    }

    /// Returns the error that `?` has converted.
    pub fn source(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.inner.source.as_deref()
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    #[cold]
    fn from(error: E) -> Failure {
        let source = error.into();
        let (status, reason) = (StatusCode::INTERNAL_SERVER_ERROR, source.to_string());
        Failure { inner: Box::new(Inner { status, reason, source: Some(source) }) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.reason)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("status", &self.inner.status)
            .field("reason", &self.inner.reason)
            .finish_non_exhaustive()
    }
}
