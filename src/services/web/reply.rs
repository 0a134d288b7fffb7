//! The one answer to a request.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use super::draft::{Draft, Later};
use super::failure::Failure;
use super::pending::{Kept, PendingReply};
use super::response::{Body, HTML, Response, TEXT, final_status, proper};

/// The right to answer one request, once.
///
/// Every way to answer takes the reply and gives a [`Sent`], and a route must return one: it can
/// neither answer twice nor forget to. The compiler checks that:
///
/// ```compile_fail,E0382
/// use socketserver::services::web::{Answered, Reply, Request};
///
/// fn twice(_: &Request, reply: Reply) -> Answered {
///     reply.text("once")?;
///     reply.text("twice")
/// }
/// ```
///
/// ```compile_fail,E0308
/// use socketserver::services::web::{Answered, Reply, Request};
///
/// fn never(_: &Request, reply: Reply) -> Answered {
///     Ok(())
/// }
/// ```
///
/// Status, fields and delay are said before, and the last method sends:
///
/// ```
/// use socketserver::services::web::{Response, Web};
/// use std::time::Duration;
///
/// let web = Web::new()
///     .get("/old", |_, reply| reply.status(301).header("location", "/new").empty())
///     .get("/form", |_, reply| reply.send(Response::redirect("/thanks")))
///     .get("/slow", |_, reply| reply.after(Duration::from_secs(1)).text("here I am\n"))
///     .get("/count", |_, reply| {
///         let lines = (1..=1_000_000).map(|n| format!("{n}\n").into_bytes());
///         reply.pieces("text/plain", lines) // no faster than the client reads
///     });
/// # let _ = web;
/// ```
///
/// If a route fails after it has answered, the answer is taken back, and the client gets that of
/// the failure.
#[must_use = "a request must be answered"]
pub struct Reply<'r> {
    pub(super) out: &'r mut Vec<u8>,
    pub(super) draft: &'r mut Draft,
}

/// The proof that a request was answered. Only [`Reply`] makes it. One that a route has kept from
/// another request proves nothing: the client gets 500, and the log says why.
#[derive(Debug)]
#[must_use = "a route returns it"]
pub struct Sent(());

/// What a route returns: that it has answered, or why it could not. `?` turns any error into a
/// [`Failure`].
pub type Answered = Result<Sent, Failure>;

impl<'r> Reply<'r> {
    /// The status, instead of 200: a [`StatusCode`], or its number. An interim one (1xx) is not an
    /// answer and becomes 500.
    pub fn status<T>(self, status: T) -> Reply<'r>
    where
        StatusCode: TryFrom<T>,
    {
        match final_status(status) {
            Ok(status) => self.draft.status = status,
            Err(defect) => self.draft.extras().fields.note_defect(defect),
        }
        self
    }

    /// One more field, as [`Response::header`] adds it. `Content-Type` replaces the one of the
    /// method that answers.
    pub fn header<N, V>(self, name: N, value: V) -> Reply<'r>
    where
        HeaderName: TryFrom<N>,
        HeaderValue: TryFrom<V>,
    {
        let Reply { out, draft } = self;
        draft.extras().fields.add(name, value);
        if draft.extras().fields.closes {
            draft.close();
        }
        Reply { out, draft }
    }

    /// Answers after `delay`, which holds up this connection only. It does not delay
    /// [`offload`](Reply::offload) and [`keep`](Reply::keep), which have their own time.
    pub fn after(self, delay: Duration) -> Reply<'r> {
        self.draft.extras().delay = Some(delay);
        self
    }

    /// Answers with plain text.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with status 500 if a field or the status was malformed; otherwise none of these
    /// methods fails.
    pub fn text(self, text: impl AsRef<str>) -> Answered {
        self.answer(TEXT, text.as_ref().as_bytes())
    }

    /// Answers with a page. Text of others must be escaped before.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn html(self, html: impl AsRef<str>) -> Answered {
        self.answer(HTML, html.as_ref().as_bytes())
    }

    /// Answers with a value, written as JSON.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    ///
    /// let web = Web::new().get("/names", |_, reply| reply.json(&["Ann", "Bob"]));
    /// ```
    ///
    /// Text that is JSON already goes by [`bytes`](Reply::bytes), as `application/json`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with status 500 if the value cannot be written as JSON; else as
    /// [`text`](Reply::text).
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Answered {
        self.answer(super::response::JSON, &serde_json::to_vec(value)?)
    }

    /// Answers without a body.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn empty(self) -> Answered {
        self.answer("", b"")
    }

    /// Answers with any bytes. A content type that may not stand in a field, because it holds a
    /// line end for example, becomes `application/octet-stream`.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn bytes(self, content_type: &str, body: impl AsRef<[u8]>) -> Answered {
        self.answer(proper(content_type), body.as_ref())
    }

    #[inline(always)]
    fn answer(self, content_type: &str, body: &[u8]) -> Answered {
        let Reply { out, draft } = self;
        if draft.extras.is_some() {
            return answer_with_extras(out, draft, content_type, body);
        }
        draft.write(out, content_type, body);
        Ok(Sent(()))
    }

    /// Answers with a body that `pieces` makes bit by bit, no faster than the client takes it.
    /// An HTTP/1.1 client gets it chunked, an older one until the connection ends.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn pieces<I>(self, content_type: &str, pieces: I) -> Answered
    where
        I: IntoIterator<Item = Vec<u8>>,
        I::IntoIter: Send + 'static,
    {
        let body = Body::Pieces(Box::new(pieces.into_iter()));
        let response = self.draft.collect(proper(content_type), body);
        self.finish(response)
    }

    /// Answers with a whole response. Its status counts, and the fields that the reply was given
    /// before are added to it.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn send(self, mut response: Response) -> Answered {
        if let Some(extras) = &mut self.draft.extras {
            response.add_fields(&mut extras.fields);
        }
        self.finish(response)
    }

    fn finish(self, response: Response) -> Answered {
        self.draft.extras().later = Some(Later::Response(response.checked()?));
        Ok(Sent(()))
    }

    /// Answers with the response that `work` returns, which may block: a worker does it, and it
    /// holds up this connection only. In [`Mode::Threads`](crate::Mode::Threads) the workers are those
    /// of the handlers, else there are [`Limits::offload_workers`](crate::Limits::offload_workers) of
    /// them. If it fails or panics, the client gets the answer of that failure.
    ///
    /// ```
    /// use socketserver::services::web::{Failure, Response, Web};
    ///
    /// let web = Web::new().get("/items/{id}", |request, reply| {
    ///     let id: u32 = request.param("id").parse()?;
    ///     reply.offload(move || match std::fs::read(format!("items/{id}")) {
    ///         Ok(item) => Ok(Response::new(200).bytes("text/plain", item)),
    ///         Err(_) => Err(Failure::new(404, "no such item")),
    ///     })
    /// });
    /// ```
    ///
    /// The fields that the reply was given before are added to the response.
    ///
    /// # Errors
    ///
    /// As [`text`](Reply::text).
    pub fn offload<W>(self, work: W) -> Answered
    where
        W: FnOnce() -> Result<Response, Failure> + Send + 'static,
    {
        self.draft.extras().later = Some(Later::Work(Box::new(work)));
        Ok(Sent(()))
    }

    /// Keeps the reply, to be answered later from anywhere in the process: by a thread, by the route
    /// of another request, by another handler. The connection is paused until then.
    ///
    /// ```
    /// use socketserver::services::web::{Answered, PendingReply, Reply, Request, Response, Web};
    /// use std::sync::Mutex;
    ///
    /// /// The clients that wait for news.
    /// struct Waiting(Mutex<Vec<PendingReply>>);
    ///
    /// fn wait(request: &Request<Waiting>, reply: Reply) -> Answered {
    ///     let (pending, answered) = reply.keep();
    ///     let mut waiting = request.state().0.lock().unwrap();
    ///     waiting.retain(|other| !other.is_gone());
    ///     waiting.push(pending);
    ///     answered
    /// }
    ///
    /// fn publish(request: &Request<Waiting>, reply: Reply) -> Answered {
    ///     let waiting = std::mem::take(&mut *request.state().0.lock().unwrap());
    ///     for pending in waiting {
    ///         pending.send(Response::new(200).bytes("text/plain", request.body()));
    ///     }
    ///     reply.empty()
    /// }
    ///
    /// let web = Web::with_state(Waiting(Mutex::default())).get("/news", wait).post("/news", publish);
    /// ```
    ///
    /// The fields that the reply was given before are added to the response. The second value is
    /// for the route to return.
    pub fn keep(self) -> (PendingReply, Answered) {
        let (pending, kept) = Kept::new();
        self.draft.extras().later = Some(Later::Kept(kept));
        (pending, Ok(Sent(())))
    }

    /// The same reply, whose answer becomes a value.
    pub(super) fn collected(self) -> Reply<'r> {
        self.draft.extras().is_collected = true;
        self
    }
}

/// Answers with fields, after a delay, or with a value.
fn answer_with_extras(
    out: &mut Vec<u8>,
    draft: &mut Draft,
    content_type: &str,
    body: &[u8],
) -> Answered {
    let extras = draft.extras();
    if extras.fields.is_sound() && extras.delay.is_none() && !extras.is_collected {
        draft.write(out, content_type, body);
        return Ok(Sent(()));
    }
    let response = draft.collect(content_type, Body::Bytes(body.to_vec())).checked()?;
    draft.extras().later = Some(Later::Response(response));
    Ok(Sent(()))
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.draft.status).finish_non_exhaustive()
    }
}
