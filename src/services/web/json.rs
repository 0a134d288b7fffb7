//! The body of a request as JSON.

use http::StatusCode;
use serde::Deserialize;

use super::failure::Failure;
use super::request::Request;

impl<'a, S> Request<'a, S> {
    /// Returns the body, read as JSON. Needs the feature `json`.
    ///
    /// ```
    /// use socketserver::services::web::{Answered, Reply, Request};
    ///
    /// fn sum(request: &Request, reply: Reply) -> Answered {
    ///     let numbers: Vec<i64> = request.json()?;
    ///     reply.json(&numbers.iter().sum::<i64>())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// A [`Failure`] with status 415 unless the content type is `application/json` or ends with
    /// `+json`, and with status 400 if the body is not JSON or not that of a `T`.
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T, Failure> {
        let media_type = self.media_type().to_ascii_lowercase();
        let is_application = media_type.starts_with("application/");
        if media_type != "application/json" && !(is_application && media_type.ends_with("+json")) {
            let reason = "the body must be application/json";
            return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
        }
        serde_json::from_slice(self.body())
            .map_err(|error| Failure::bad_request(format!("the body: {error}")))
    }
}
