//! The right to answer a request once.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};

#[cfg(feature = "ws")]
use super::draft::Upgrade;
use super::draft::{Draft, Later};
use super::events::{self, Events};
use super::failure::Failure;
use super::pending::{Kept, PendingReply};
use super::response::{Body, HTML, Response, TEXT, final_status, proper};
use super::source::{Pieces, Source};
use super::stream::{BodyWriter, Outlet};
#[cfg(feature = "ws")]
use crate::handler::Handler;
use crate::history::{History, Position};

/// The right to answer one request, once.
///
/// Each method that answers consumes the reply and returns a [`Sent`], which a route must return.
/// So the compiler rejects a route that answers twice or never:
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
/// The status, fields and a delay come first, and the last method answers:
///
/// ```
/// use socketserver::services::web::{Response, Web};
/// use std::time::Duration;
///
/// let web = Web::new()
///     .get("/old", |_, reply| reply.status(301).header("location", "/new").empty())
///     .get("/form", |_, reply| reply.send(Response::redirect("/thanks")))
///     .get("/slow", |_, reply| reply.after(Duration::from_secs(1)).text("here I am\n"))
///     .get("/icon", |_, reply| reply.bytes("image/gif", b"GIF89a"))
///     .get("/count", |_, reply| {
///         let lines = (1..=1_000_000).map(|n| format!("{n}\n").into_bytes());
///         reply.pieces("text/plain", lines) // no faster than the client reads
///     });
/// # let _ = web;
/// ```
///
/// If a route fails after it has answered, that answer is discarded, and the client receives the
/// answer of the failure.
#[must_use = "a request must be answered"]
pub struct Reply<'r> {
    pub(super) out: &'r mut Vec<u8>,
    pub(super) draft: &'r mut Draft,
}

/// The proof that a request was answered, which only [`Reply`] returns. If a route returns the
/// proof of another request, the client receives status 500, and the reason is logged.
#[derive(Debug)]
#[must_use = "a route returns it"]
pub struct Sent(());

/// The result of a route: the proof of its answer, or a failure. `?` converts any error to a
/// [`Failure`].
pub type Answered = Result<Sent, Failure>;

impl<'r> Reply<'r> {
    /// Sets the status, which is 200 by default: a [`StatusCode`], or its number. An interim status
    /// (1xx) is not an answer and becomes 500.
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

    /// Adds a field, as [`Response::header`] does. `Content-Type` replaces the content type of the
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

    /// Delays the answer by `delay`. Other connections are not delayed. Has no effect on
    /// [`offload`](Reply::offload) and [`keep`](Reply::keep).
    pub fn after(self, delay: Duration) -> Reply<'r> {
        self.draft.extras().delay = Some(delay);
        self
    }

    /// Limits the time in which [`offload`](Reply::offload) or [`keep`](Reply::keep) must answer.
    /// After it the client gets 503 (RFC 9110, section 15.6.4), the connection ends, and an answer
    /// that comes later is dropped; work that a worker has begun is not interrupted. Has no effect
    /// on other answers.
    ///
    /// This is the time of the server. A request that does not arrive in time gets 408: its head
    /// after [`Limits::message`](crate::Limits::message), its body after
    /// [`HttpLimits::body_time`](crate::protocol::http::HttpLimits::body_time).
    ///
    /// ```
    /// use socketserver::services::web::{Method, Web};
    /// use socketserver::testkit::WebClient;
    /// use std::time::Duration;
    ///
    /// let web = Web::new().get("/news", |_, reply| {
    ///     let (pending, answered) = reply.within(Duration::from_secs(30)).keep();
    ///     std::mem::forget(pending); // nothing answers it
    ///     answered
    /// });
    /// let mut client = WebClient::new(web);
    /// let news = client.request(Method::GET, "/news").start();
    /// client.advance(Duration::from_secs(29));
    /// assert!(client.answer(news).is_none());
    /// client.advance(Duration::from_secs(1));
    /// assert_eq!(client.answer(news).unwrap().status(), 503);
    /// ```
    pub fn within(self, time: Duration) -> Reply<'r> {
        self.draft.extras().time_limit = Some(time);
        self
    }

    /// Answers with plain text.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with status 500 if a field or the status was malformed.
    pub fn text(self, text: impl AsRef<str>) -> Answered {
        self.answer(TEXT, text.as_ref().as_bytes())
    }

    /// Answers with a page. Text from users must be escaped first.
    ///
    /// # Errors
    ///
    /// As for [`text`](Reply::text).
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
    /// For text that is JSON already, use [`bytes`](Reply::bytes) with the content type
    /// `application/json`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with status 500 if the value cannot be written as JSON; otherwise as for
    /// [`text`](Reply::text).
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Answered {
        self.answer(super::response::JSON, &serde_json::to_vec(value)?)
    }

    /// Answers without a body.
    ///
    /// # Errors
    ///
    /// As for [`text`](Reply::text).
    pub fn empty(self) -> Answered {
        self.answer("", b"")
    }

    /// Answers with bytes of any content type. A content type that is not valid in a field, for
    /// example because of a line end, becomes `application/octet-stream`. [`Reply`] has an example.
    ///
    /// # Errors
    ///
    /// As for [`text`](Reply::text).
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

    /// Answers with a body in pieces. The service asks the iterator for a piece when the client has
    /// read enough of the earlier ones. An HTTP/1.1 client receives the body in chunks; for an
    /// HTTP/1.0 client, the connection ends after it, by a reset if the body is incomplete.
    ///
    /// An empty piece means that there is none yet: the iterator is asked again after 10 ms. At
    /// most 256 pieces are taken in one turn of the loop. The iterator is dropped when the client
    /// has gone. [`Reply`] has an example.
    ///
    /// # Errors
    ///
    /// As for [`text`](Reply::text).
    pub fn pieces<I>(self, content_type: &str, pieces: I) -> Answered
    where
        I: IntoIterator<Item = Vec<u8>>,
        I::IntoIter: Send + 'static,
    {
        self.source(content_type, Pieces(pieces.into_iter()))
    }

    /// Answers with a whole response, whose status replaces that of the reply. The fields of the
    /// reply are added to it. [`Reply`] has an example.
    ///
    /// # Errors
    ///
    /// As for [`text`](Reply::text).
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

    /// Answers with the response that `work` returns. A worker runs `work`, so it may block; only
    /// this connection waits. In [`Mode::Threads`](crate::Mode::Threads) the workers of the
    /// handlers do the work; other modes have
    /// [`Limits::offload_workers`](crate::Limits::offload_workers) threads for it. If it fails or
    /// panics, the client receives the answer of that failure.
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
    /// The fields of the reply are added to the response.
    ///
    /// # Errors
    ///
    /// As for [`text`](Reply::text).
    pub fn offload<W>(self, work: W) -> Answered
    where
        W: FnOnce() -> Result<Response, Failure> + Send + 'static,
    {
        self.draft.extras().later = Some(Later::Work(Box::new(work)));
        Ok(Sent(()))
    }

    /// Keeps the reply, to be answered later from anywhere in the process: by a thread, by the
    /// route of another request, or by another handler. The connection is paused until then.
    ///
    /// ```
    /// use socketserver::services::web::{Answered, PendingReply, Reply, Request, Response, Web};
    /// use std::sync::Mutex;
    ///
    /// /// Replies to the clients that wait for news.
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
    /// let state = Waiting(Mutex::default());
    /// let web = Web::with_state(state).get("/news", wait).post("/news", publish);
    /// ```
    ///
    /// The route must return the second value. The fields of the reply are added to the response.
    pub fn keep(self) -> (PendingReply, Answered) {
        let (pending, kept) = Kept::new();
        self.draft.extras().later = Some(Later::Kept(kept));
        (pending, Ok(Sent(())))
    }

    /// Answers with a body that is written later, piece by piece, from anywhere in the process: by
    /// a thread, by the route of another request, or by another handler. [`BodyWriter`] has an
    /// example; for a body that is made as fast as the client reads, see
    /// [`pieces`](Reply::pieces).
    ///
    /// The route must return the second value, a [`Failure`] as for [`text`](Reply::text).
    pub fn stream(self, content_type: &str) -> (BodyWriter, Answered) {
        let (writer, outlet) = Outlet::new();
        (writer, self.source(content_type, outlet))
    }

    /// Answers with server-sent events: the messages of a history after `position`, or new ones
    /// only without a position. The answer ends when the client has gone, or the server stops.
    ///
    /// ```
    /// use socketserver::services::web::{Answered, Reply, Request, Web};
    /// use socketserver::History;
    ///
    /// fn events(request: &Request<History>, reply: Reply) -> Answered {
    ///     reply.events(request.state(), request.last_event_id())
    /// }
    ///
    /// fn publish(request: &Request<History>, reply: Reply) -> Answered {
    ///     let position = request.state().append(request.body());
    ///     reply.text(format!("{position}\n"))
    /// }
    ///
    /// let web = Web::with_state(History::new(1_000, 1024 * 1024))
    ///     .get("/events", events)
    ///     .post("/events", publish);
    /// ```
    ///
    /// Each message is an event of the type `message`, whose data is the text of the message and
    /// whose id is its [`Position`]. A browser whose connection was cut asks again with the last
    /// id in the field `Last-Event-ID`, and continues without a missing and without a repeated
    /// message. Messages that the history does not have any more are announced: an event of the
    /// type `gap` comes first, whose data is `trimmed N` if N messages were removed, or `epoch` if
    /// the id is of another history, such as that of the server before a restart.
    ///
    /// A client that reads slowly holds only its position and its output, up to
    /// [`Limits::output_high`](crate::Limits::output_high) and a piece of 16 KiB or one message.
    /// Messages that are removed before they were sent are a gap, too. A client that takes no byte
    /// for [`Limits::write_stall`](crate::Limits::write_stall) is disconnected.
    ///
    /// The answer has the fields `Cache-Control: no-store`, and `X-Accel-Buffering: no` so that
    /// nginx does not collect it. After 15 seconds without a message it has a comment, which keeps
    /// proxies from ending it. `retry` is one to two seconds, at random. Bytes that are not UTF-8
    /// become U+FFFD.
    ///
    /// # Errors
    ///
    /// As for [`text`](Reply::text).
    pub fn events(self, history: &History, position: Option<Position>) -> Answered {
        let events = Events::new(history, position);
        let reply = self.header(header::CACHE_CONTROL, "no-store");
        reply.header("x-accel-buffering", "no").source(events::CONTENT_TYPE, events)
    }

    fn source(self, content_type: &str, source: impl Source + 'static) -> Answered {
        let body = Body::Source(Box::new(source));
        let response = self.draft.collect(proper(content_type), body);
        self.finish(response)
    }

    /// Answers with status 101, and hands the connection to another handler. The fields of the
    /// reply are added to the response.
    #[cfg(feature = "ws")]
    pub(super) fn upgrade(
        self,
        mut response: Response,
        handler: impl Handler + 'static,
    ) -> Answered {
        let extras = self.draft.extras();
        response.add_fields(&mut extras.fields);
        let (response, handler) = (response.checked()?, handler.into_box());
        extras.later = Some(Later::Upgrade(Upgrade { response, handler }));
        Ok(Sent(()))
    }

    /// Returns the second of the answer, since 1970.
    #[cfg(feature = "files")]
    pub(in crate::services) fn unix_seconds(&self) -> u64 {
        self.draft.unix_seconds()
    }

    /// Returns the reply with a mark that its answer must be a value.
    pub(super) fn collected(self) -> Reply<'r> {
        self.draft.extras().is_collected = true;
        self
    }
}

/// Answers with fields, with a delay, or as a value.
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
