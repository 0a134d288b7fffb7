//! A whole answer as a value. Knows no request and no connection.

use std::{fmt, mem, str};

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::cookie::Cookie;
use super::failure::Failure;
use super::lines::Lines;
use super::source::{Pieces, Source};

/// A whole answer as a value: status, fields, content type and body. Offloaded work returns a
/// response, kept replies are answered with one, guards refuse with one, and
/// [`Reply::send`](super::Reply::send) sends one.
///
/// ```
/// use socketserver::services::web::Response;
///
/// let response = Response::new(404).header("cache-control", "no-store").text("no such item\n");
/// assert_eq!(response.status(), 404);
/// assert_eq!(response.content_type(), "text/plain; charset=utf-8");
/// assert_eq!(response.header_value("Cache-Control"), Some("no-store"));
/// assert_eq!(response.body(), b"no such item\n");
/// ```
///
/// A mapper, added by [`Web::map_response`](super::Web::map_response), changes responses:
///
/// ```
/// use socketserver::services::web::{Response, Web};
/// use socketserver::testkit::WebClient;
///
/// let web = Web::new()
///     .get("/icon", |_, reply| reply.send(Response::new(200).bytes("image/gif", b"GIF89a")))
///     .map_response(|_, response| {
///         response.set_header("cache-control", "no-cache");
///         response.remove_header("server");
///         if response.status() == 404 {
///             response.set_status(410);
///             response.set_body("text/plain", "gone");
///         }
///     });
/// let mut client = WebClient::new(web);
/// assert_eq!(client.get("/icon").header("content-type"), Some("image/gif"));
/// let answer = client.get("/old");
/// assert_eq!((answer.status(), answer.text()), (410, "gone"));
/// assert_eq!(answer.header("cache-control"), Some("no-cache"));
/// ```
///
/// If a field, a status or a cookie is malformed, the whole answer is replaced by one with status
/// 500, and the reason is logged.
#[must_use]
pub struct Response {
    pub(super) status: StatusCode,
    /// Empty without a content type.
    pub(super) content_type: Box<str>,
    pub(super) lines: Lines,
    pub(super) body: Body,
    /// The connection ends after the answer.
    pub(super) closes: bool,
    /// The reason why the response cannot be sent.
    defect: Option<Box<str>>,
}

pub(super) enum Body {
    Bytes(Vec<u8>),
    Source(Box<dyn Source>),
}

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const HTML: &str = "text/html; charset=utf-8";
#[cfg(feature = "json")]
pub(super) const JSON: &str = "application/json";

/// Building a response.
impl Response {
    /// Creates a response with this status and without a body. An interim status (1xx) is not an
    /// answer and becomes 500.
    pub fn new<T>(status: T) -> Response
    where
        StatusCode: TryFrom<T>,
    {
        let mut response = Response::default();
        response.set_status(status);
        response
    }

    /// Creates a response with status 303 and the location `to`, a percent-encoded path or URI,
    /// which the client requests with `GET`. [`Reply`](super::Reply) has an example.
    pub fn redirect(to: &str) -> Response {
        Response::new(StatusCode::SEE_OTHER).header(header::LOCATION, to)
    }

    /// Sets the body to plain text.
    pub fn text(self, text: impl Into<String>) -> Response {
        self.bytes(TEXT, text.into())
    }

    /// Sets the body to a page. Text from users must be escaped first.
    pub fn html(self, html: impl Into<String>) -> Response {
        self.bytes(HTML, html.into())
    }

    /// Sets the body to a value, written as JSON. If that fails, for example because the keys of a
    /// map are not text, the answer is replaced by one with status 500.
    ///
    /// ```
    /// use socketserver::services::web::Response;
    ///
    /// let response = Response::new(200).json(&["a", "b"]);
    /// assert_eq!(response.body(), br#"["a","b"]"#);
    /// ```
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(mut self, value: &T) -> Response {
        match serde_json::to_vec(value) {
            Ok(body) => self.bytes(JSON, body),
            Err(error) => {
                self.note_defect(format!("the answer cannot be written as JSON: {error}"));
                self
            }
        }
    }

    /// Sets the body to bytes of any content type. A content type that is not valid in a field
    /// becomes `application/octet-stream`. [`Response`] has an example.
    pub fn bytes(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        self.set_body(content_type, body);
        self
    }

    /// Sets a body in pieces, which the service takes from the iterator as the client reads: see
    /// [`Reply::pieces`](super::Reply::pieces).
    ///
    /// ```
    /// use socketserver::services::web::{Response, Web};
    /// use socketserver::testkit::WebClient;
    ///
    /// let web = Web::new().get("/", |_, reply| {
    ///     let lines = (1..=3).map(|n| format!("{n}\n").into_bytes());
    ///     reply.send(Response::new(200).pieces("text/plain", lines))
    /// });
    /// assert_eq!(WebClient::new(web).get("/").text(), "1\n2\n3\n");
    /// ```
    pub fn pieces<I>(self, content_type: &str, pieces: I) -> Response
    where
        I: IntoIterator<Item = Vec<u8>>,
        I::IntoIter: Send + 'static,
    {
        self.source(content_type, Pieces(pieces.into_iter()))
    }

    /// Sets a body that is produced while it is sent.
    pub(in crate::services) fn source(
        mut self,
        content_type: &str,
        source: impl Source + 'static,
    ) -> Response {
        self.content_type = proper(content_type).into();
        self.body = Body::Source(Box::new(source));
        self
    }

    /// Adds a field. `Content-Type` replaces the earlier content type, and `Connection: close` ends
    /// the connection after the answer. Other values of `Connection` are ignored, and so are
    /// `Content-Length`, `Transfer-Encoding` and `Date`, which the service writes itself.
    pub fn header<N, V>(mut self, name: N, value: V) -> Response
    where
        HeaderName: TryFrom<N>,
        HeaderValue: TryFrom<V>,
    {
        self.add(name, value);
        self
    }

    /// Adds a cookie. [`Cookie`] has an example.
    pub fn cookie(mut self, cookie: Cookie) -> Response {
        match cookie.into_value() {
            Ok(value) => self.lines.push(&header::SET_COOKIE, &value),
            Err(defect) => self.note_defect(defect),
        }
        self
    }
}

/// Reading and changing a response.
impl Response {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the content type; empty without one.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Returns the value of the first field with this name, ignoring case, if it is UTF-8. The
    /// content type is not a field: see [`content_type`](Response::content_type).
    pub fn header_value(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.lines.iter().find(name)?).ok()
    }

    /// Returns the body; empty for a body in pieces, and for one that is read from a file.
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes) => bytes,
            Body::Source(_) => b"",
        }
    }

    /// Changes the status. An interim status (1xx) is not an answer and becomes 500. [`Response`]
    /// has an example.
    pub fn set_status<T>(&mut self, status: T)
    where
        StatusCode: TryFrom<T>,
    {
        match final_status(status) {
            Ok(status) => self.status = status,
            Err(defect) => self.note_defect(defect),
        }
    }

    /// Sets a field to this value, which replaces all earlier values. [`Response`] has an example.
    pub fn set_header<N, V>(&mut self, name: N, value: V)
    where
        HeaderName: TryFrom<N>,
        HeaderValue: TryFrom<V>,
    {
        match field(name, value) {
            Ok((name, value)) => {
                self.lines.remove(&name);
                self.add_field(&name, &value);
            }
            Err(defect) => self.note_defect(defect),
        }
    }

    /// Removes all fields with this name. [`Response`] has an example.
    pub fn remove_header(&mut self, name: &str) {
        if let Ok(name) = HeaderName::try_from(name) {
            self.lines.remove(&name);
        }
    }

    /// Changes the body and its content type. [`Response`] has an example.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Vec<u8>>) {
        self.content_type = proper(content_type).into();
        self.body = Body::Bytes(body.into());
    }

    pub(super) fn add<N, V>(&mut self, name: N, value: V)
    where
        HeaderName: TryFrom<N>,
        HeaderValue: TryFrom<V>,
    {
        match field(name, value) {
            Ok((name, value)) => self.add_field(&name, &value),
            Err(defect) => self.note_defect(defect),
        }
    }

    fn add_field(&mut self, name: &HeaderName, value: &HeaderValue) {
        match *name {
            header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::DATE => {}
            header::CONNECTION => {
                self.closes |= value.as_bytes().eq_ignore_ascii_case(b"close");
            }
            header::CONTENT_TYPE => {
                self.content_type = value.to_str().map(proper).unwrap_or_default().into();
            }
            _ => self.lines.push(name, value),
        }
    }

    pub(super) fn note_defect(&mut self, defect: impl Into<Box<str>>) {
        self.defect.get_or_insert(defect.into());
    }

    /// Adds the fields of another answer before its own.
    pub(super) fn add_fields(&mut self, others: &mut Response) {
        let own = mem::replace(&mut self.lines, mem::take(&mut others.lines));
        self.lines.append(&own);
        self.closes |= others.closes;
        if !others.content_type.is_empty() {
            self.content_type = mem::take(&mut others.content_type);
        }
        if let Some(defect) = others.defect.take() {
            self.note_defect(defect);
        }
    }

    /// Returns true if the response can be sent.
    pub(super) fn is_sound(&self) -> bool {
        self.defect.is_none()
    }

    /// Returns the response if it can be sent.
    ///
    /// # Errors
    ///
    /// A failure with the reason why it cannot.
    pub(super) fn checked(mut self) -> Result<Response, Failure> {
        match mem::take(&mut self.defect) {
            None => Ok(self),
            Some(defect) => Err(Failure::internal(defect)),
        }
    }
}

/// Returns a field.
///
/// # Errors
///
/// The part that is malformed.
fn field<N, V>(name: N, value: V) -> Result<(HeaderName, HeaderValue), String>
where
    HeaderName: TryFrom<N>,
    HeaderValue: TryFrom<V>,
{
    let name = HeaderName::try_from(name).map_err(|_| "the name of a field is malformed")?;
    match HeaderValue::try_from(value) {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(format!("the value of the field {name} is malformed")),
    }
}

/// Returns a final status.
///
/// # Errors
///
/// The rule that `status` breaks.
pub(super) fn final_status<T>(status: T) -> Result<StatusCode, &'static str>
where
    StatusCode: TryFrom<T>,
{
    match StatusCode::try_from(status) {
        Ok(status) if status.is_informational() => Err("an interim status is not an answer"),
        Ok(status) => Ok(status),
        Err(_) => Err("the status is not a number from 200 to 999"),
    }
}

/// Returns the content type, or the general one if it is malformed. It may come from the client of
/// a route, and must not add lines to the head.
pub(super) fn proper(content_type: &str) -> &str {
    let ok = content_type.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if ok { content_type } else { "application/octet-stream" }
}

impl Default for Response {
    /// Returns `Response::new(200)`.
    fn default() -> Response {
        Response {
            status: StatusCode::OK,
            content_type: Box::default(),
            lines: Lines::default(),
            body: Body::Bytes(Vec::new()),
            closes: false,
            defect: None,
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("fields", &self.lines)
            .finish_non_exhaustive()
    }
}
