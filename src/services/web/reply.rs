//! The one answer to a request.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::draft::{Draft, Later, Pieces, may_have_body};
use super::failure::Failure;
use crate::protocol::http::{Connection, Length, Version};

/// The right to answer one request, once.
///
/// Every way to answer takes the reply and gives a [`Sent`], and a route must return one: it can
/// neither answer twice nor forget to. That is checked when it is compiled:
///
/// ```compile_fail,E0382
/// use socketserver::services::web::{Answered, Reply, Request};
///
/// fn twice<'r>(_: &Request<'_>, reply: Reply<'r>) -> Answered<'r> {
///     reply.text("once")?;
///     reply.text("twice")
/// }
/// ```
///
/// ```compile_fail,E0308
/// use socketserver::services::web::{Answered, Reply, Request};
///
/// fn never<'r>(_: &Request<'_>, reply: Reply<'r>) -> Answered<'r> {
///     Ok(())
/// }
/// ```
///
/// What is said before, the last method sends:
///
/// ```
/// use socketserver::services::web::{HeaderValue, StatusCode, Web, header};
/// use std::time::Duration;
///
/// let web = Web::new()
///     .get("/old", |_, reply| {
///         let to = HeaderValue::from_static("/new");
///         reply.status(StatusCode::MOVED_PERMANENTLY).header(header::LOCATION, to).empty()
///     })
///     .get("/slow", |_, reply| reply.after(Duration::from_secs(1)).text("here I am\n"))
///     .get("/count", |_, reply| {
///         let lines = (1..=1_000_000).map(|n| format!("{n}\n").into_bytes());
///         reply.pieces("text/plain", lines) // no faster than the client reads
///     })
///     .get("/fails", |request, reply| {
///         let n: u32 = request.query_param("n").unwrap_or_default().parse()?; // 500
///         reply.json(&n.to_string())
///     });
/// # let _ = web;
/// ```
///
/// If a route fails after it has answered, what it wrote is taken back, and the answer is 500.
#[must_use = "a request must be answered"]
pub struct Reply<'r> {
    pub(super) out: &'r mut Vec<u8>,
    pub(super) draft: &'r mut Draft,
}

/// The proof that a request was answered. Only [`Reply`] makes it.
#[derive(Debug)]
#[must_use = "a route returns it"]
pub struct Sent<'r>(PhantomData<&'r mut ()>);

/// What a route returns: that it has answered, or why it could not. `?` turns any error into a
/// [`Failure`], which is logged and answered with 500.
pub type Answered<'r> = Result<Sent<'r>, Failure>;

impl<'r> Reply<'r> {
    /// The status, instead of 200. An interim one (1xx) is no answer and becomes 500.
    pub fn status(self, status: StatusCode) -> Reply<'r> {
        self.draft.status = match status.is_informational() {
            true => StatusCode::INTERNAL_SERVER_ERROR,
            false => status,
        };
        self
    }

    /// One more field. The types see to it that no line end gets into it.
    ///
    /// What tells where an answer ends is not for routes to say: `Content-Length`,
    /// `Transfer-Encoding` and `Date` are left out. `Connection` may only be `close`, and then
    /// the connection does close; `Content-Type` replaces the one of the method that answers.
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Reply<'r> {
        match name {
            header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::DATE => return self,
            header::CONNECTION => {
                if value.as_bytes().eq_ignore_ascii_case(b"close") {
                    self.draft.connection = Connection::Close;
                }
                return self;
            }
            header::CONTENT_TYPE => {
                let text = value.to_str().map(proper).unwrap_or_default();
                self.draft.extras.get_or_insert_default().content_type = text.into();
                return self;
            }
            _ => {}
        }
        let fields = &mut self.draft.extras.get_or_insert_default().fields;
        fields.extend_from_slice(name.as_str().as_bytes());
        fields.extend_from_slice(b": ");
        fields.extend_from_slice(value.as_bytes());
        fields.extend_from_slice(b"\r\n");
        self
    }

    /// Answers after `delay`, without holding up anybody but this connection.
    pub fn after(self, delay: Duration) -> Reply<'r> {
        self.draft.extras.get_or_insert_default().delay = Some(delay);
        self
    }

    /// Answers with plain text.
    ///
    /// # Errors
    ///
    /// None of these methods fails; they return what a route returns.
    pub fn text(self, text: &str) -> Answered<'r> {
        self.answer("text/plain; charset=utf-8", text.as_bytes())
    }

    /// Answers with a page. What comes from others must be escaped before.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn html(self, html: &str) -> Answered<'r> {
        self.answer("text/html; charset=utf-8", html.as_bytes())
    }

    /// Answers with JSON, already written as such.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn json(self, json: &str) -> Answered<'r> {
        self.answer("application/json", json.as_bytes())
    }

    /// Answers without a body.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn empty(self) -> Answered<'r> {
        self.answer("", b"")
    }

    /// Answers with any bytes. A content type that could not stand in a field, because it holds
    /// a line end, say, becomes `application/octet-stream`.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn bytes(self, content_type: &str, body: &[u8]) -> Answered<'r> {
        self.answer(proper(content_type), body)
    }

    fn answer(self, content_type: &str, body: &[u8]) -> Answered<'r> {
        let Reply { out, draft } = self;
        match draft.delay() {
            Some(delay) => draft.answer_after(delay, content_type, body),
            None => draft.write(out, content_type, body),
        }
        Ok(Sent(PhantomData))
    }

    /// Answers with what `work` makes, which may block: it is done by a worker, and holds up
    /// nobody but this connection. If it fails or panics, the client gets 500.
    /// [`after`](Reply::after) does not delay it.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    ///
    /// let web = Web::new().get("/motd", |_, reply| {
    ///     reply.offload("text/plain; charset=utf-8", || Ok(std::fs::read("/etc/motd")?))
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn offload<W>(self, content_type: &str, work: W) -> Answered<'r>
    where
        W: FnOnce() -> Result<Vec<u8>, Failure> + Send + 'static,
    {
        self.draft.answer_with(Box::new(work), proper(content_type));
        Ok(Sent(PhantomData))
    }

    /// Answers with a body that `pieces` makes bit by bit, no faster than the client takes it.
    /// An HTTP/1.1 client gets it chunked, an older one until the connection ends.
    ///
    /// [`after`](Reply::after) does not delay it: an iterator has its own time.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn pieces<I>(self, content_type: &str, pieces: I) -> Answered<'r>
    where
        I: IntoIterator<Item = Vec<u8>>,
        I::IntoIter: Send + 'static,
    {
        let Reply { out, draft } = self;
        let chunked = draft.version == Version::Http11;
        if !chunked {
            draft.connection = Connection::Close;
        }
        let length =
            if chunked && may_have_body(draft.status) { Length::Chunked } else { Length::Untold };
        let answer = draft.head(proper(content_type), length);
        answer.append(out, draft.unix_seconds);
        if may_have_body(draft.status) && !draft.is_head {
            let source = Box::new(pieces.into_iter());
            let pieces = Pieces { source, chunked, keep: draft.keeps() };
            draft.extras.get_or_insert_default().later = Some(Later::Pieces(pieces));
        }
        Ok(Sent(PhantomData))
    }
}

/// A route may have got it from its client: nothing may get into the head by it.
fn proper(content_type: &str) -> &str {
    let ok = content_type.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if ok { content_type } else { "application/octet-stream" }
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.draft.status).finish_non_exhaustive()
    }
}
