//! A whole answer as a value. Knows no request and no connection.

use std::{fmt, mem, str};

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::cookie::Cookie;
use super::failure::Failure;
use super::lines::Lines;

/// A whole answer as a value: status, fields, content type and body. Offloaded work returns one,
/// kept replies are answered with one, guards refuse with one, and [`Reply::send`](super::Reply::send)
/// sends one.
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
/// A field, a status or a cookie that HTTP does not allow makes the whole answer one with status
/// 500, and the log says why.
#[must_use]
pub struct Response {
    pub(super) status: StatusCode,
    /// Empty for none.
    pub(super) content_type: Box<str>,
    pub(super) lines: Lines,
    pub(super) body: Body,
    /// The connection is to end after it.
    pub(super) closes: bool,
    /// Why it cannot be sent.
    defect: Option<Box<str>>,
}

pub(super) enum Body {
    Bytes(Vec<u8>),
    Pieces(BoxedPieces),
}

/// Makes a body piece by piece.
pub(super) type BoxedPieces = Box<dyn Iterator<Item = Vec<u8>> + Send>;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const HTML: &str = "text/html; charset=utf-8";
#[cfg(feature = "json")]
pub(super) const JSON: &str = "application/json";

/// To build one.
impl Response {
    /// An answer with this status and without a body.
    pub fn new<T>(status: T) -> Response
    where
        StatusCode: TryFrom<T>,
    {
        let mut response = Response::default();
        response.set_status(status);
        response
    }

    /// An answer with status 303 that sends the client to `to`, a path or URI that is
    /// percent-encoded already. The client asks for it with `GET`.
    pub fn redirect(to: &str) -> Response {
        Response::new(StatusCode::SEE_OTHER).header(header::LOCATION, to)
    }

    /// Makes plain text the body.
    pub fn text(self, text: impl Into<String>) -> Response {
        self.bytes(TEXT, text.into())
    }

    /// Makes a page the body. Text of others must be escaped before.
    pub fn html(self, html: impl Into<String>) -> Response {
        self.bytes(HTML, html.into())
    }

    /// Makes a value the body, as JSON. One that cannot be written as JSON, a map with keys that are
    /// not text for example, makes the answer one with status 500.
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

    /// Makes any bytes the body. A content type that may not stand in a field becomes
    /// `application/octet-stream`.
    pub fn bytes(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        self.set_body(content_type, body);
        self
    }

    /// Makes what `pieces` gives the body, no faster than the client takes it: see
    /// [`Reply::pieces`](super::Reply::pieces).
    pub fn pieces<I>(mut self, content_type: &str, pieces: I) -> Response
    where
        I: IntoIterator<Item = Vec<u8>>,
        I::IntoIter: Send + 'static,
    {
        self.content_type = proper(content_type).into();
        self.body = Body::Pieces(Box::new(pieces.into_iter()));
        self
    }

    /// Adds a field. The service writes the fields that say where an answer ends:
    /// `Content-Length`, `Transfer-Encoding` and `Date` are left out. `Connection` may only be
    /// `close`, and then the connection does close; `Content-Type` is replaced.
    pub fn header<N, V>(mut self, name: N, value: V) -> Response
    where
        HeaderName: TryFrom<N>,
        HeaderValue: TryFrom<V>,
    {
        self.add(name, value);
        self
    }

    /// Adds a cookie.
    pub fn cookie(mut self, cookie: Cookie) -> Response {
        match cookie.into_value() {
            Ok(value) => self.lines.push(&header::SET_COOKIE, &value),
            Err(defect) => self.note_defect(defect),
        }
        self
    }
}

/// To look at one, and to change it.
impl Response {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the content type; empty for none.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Returns the value of the first field of this name, in whatever case, if it is UTF-8. The
    /// content type is not among the fields.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.lines.iter().find(name)?).ok()
    }

    /// Returns the body; empty if it is made in pieces.
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes) => bytes,
            Body::Pieces(_) => b"",
        }
    }

    /// Changes the status. An interim one (1xx) is not an answer and becomes 500.
    pub fn set_status<T>(&mut self, status: T)
    where
        StatusCode: TryFrom<T>,
    {
        match final_status(status) {
            Ok(status) => self.status = status,
            Err(defect) => self.note_defect(defect),
        }
    }

    /// Gives a field this value, in the place of all that it had.
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

    /// Removes all fields of this name.
    pub fn remove_header(&mut self, name: &str) {
        if let Ok(name) = HeaderName::try_from(name) {
            self.lines.remove(&name);
        }
    }

    /// Changes the body and its content type.
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

    /// Adds the fields of another answer in front of its own.
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

    /// Returns true if it can be sent.
    pub(super) fn is_sound(&self) -> bool {
        self.defect.is_none()
    }

    /// Returns it if it can be sent.
    ///
    /// # Errors
    ///
    /// Why it cannot.
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
/// Why there is none.
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

/// Returns a status that ends an exchange.
///
/// # Errors
///
/// Why there is none.
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

/// A route may have got it from its client: no line end may get into the head by it.
pub(super) fn proper(content_type: &str) -> &str {
    let ok = content_type.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if ok { content_type } else { "application/octet-stream" }
}

impl Default for Response {
    /// The same as `Response::new(200)`.
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
