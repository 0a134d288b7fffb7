//! The record of an answered request, for a log. Knows no connection and writes nothing.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::draft::Draft;
use crate::net::peer::Peer;
#[cfg(doc)]
use crate::now::Now;
use crate::protocol::http::{Head, Verb, Version};

/// A request that was answered, as [`Web::on_answer`](super::Web::on_answer) gets it.
///
/// The method, the path and the query are as the client has sent them: visible ASCII characters,
/// for example `%0A` for an encoded line end. A client can put quotation marks and backslashes
/// there, which a log that uses them must escape.
///
/// ```
/// use socketserver::services::web::Web;
/// use socketserver::testkit::WebClient;
/// use std::sync::mpsc;
///
/// let (sender, lines) = mpsc::channel();
/// let web = Web::new().get("/hello", |_, reply| reply.text("Hello!")).on_answer(move |record| {
///     let (method, path, status) = (record.method(), record.path(), record.status().as_u16());
///     assert!(record.header("referer").is_none());
///     let _ = sender.send(format!("{method} {path} {status} {}", record.bytes()));
/// });
/// let mut client = WebClient::new(web);
/// client.get("/hello?again");
/// assert_eq!(lines.try_recv()?, "GET /hello 200 6");
/// client.get("/%0Aforged");
/// assert_eq!(lines.try_recv()?, "GET /%0Aforged 404 14");
/// # Ok::<(), mpsc::TryRecvError>(())
/// ```
pub struct RequestRecord<'a> {
    pub(super) head: Option<&'a Head<'a>>,
    pub(super) draft: &'a Draft,
    /// The time of the answer, in nanoseconds of [`Now`].
    pub(super) ended: u64,
    pub(super) unix_seconds: u64,
    pub(super) peer: &'a Peer,
}

/// A function that gets the record of each answered request.
pub(super) type OnAnswer = Box<dyn Fn(&RequestRecord<'_>) + Send + Sync>;

impl<'a> RequestRecord<'a> {
    /// Returns the method; empty if the head was malformed or refused.
    #[must_use]
    pub fn method(&self) -> &'a str {
        match self.head {
            Some(head) if head.verb() == Verb::Get => "GET",
            Some(head) => other_method(head),
            None => "",
        }
    }

    /// Returns the path as it was sent, without the query; empty if there is no method.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.head.map_or("", Head::path)
    }

    /// Returns [`path`](RequestRecord::path) as bytes. The time for it does not depend on the
    /// length, so a log can copy them in the loop, and make the line in its thread.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::WebClient;
    /// use std::sync::mpsc;
    ///
    /// let (sender, paths) = mpsc::channel();
    /// let web = Web::new().on_answer(move |record| {
    ///     let _ = sender.send(record.path_bytes().to_vec());
    /// });
    /// WebClient::new(web).get("/%22?q");
    /// assert_eq!(paths.try_recv()?, b"/%22");
    /// # Ok::<(), mpsc::TryRecvError>(())
    /// ```
    #[must_use]
    pub fn path_bytes(&self) -> &'a [u8] {
        self.head.map_or(b"", Head::path_bytes)
    }

    /// Returns the text after the `?`, as it was sent.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.head.and_then(Head::query)
    }

    /// Returns the version of HTTP of the request; `None` if there is no method.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.head.map(Head::version)
    }

    /// Returns the value of the first field with this name, ignoring case, as it was sent: a client
    /// can put any bytes but line ends and most control characters there. [`RequestRecord`] has an
    /// example.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.head?.fields().find(name)
    }

    /// Returns the value of the first field of the answer with this name, ignoring case, if the
    /// route or a mapper has set it. The content type is not among these fields.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::WebClient;
    ///
    /// let web = Web::new()
    ///     .get("/", |_, reply| reply.header("x-cache", "hit").text("hello"))
    ///     .on_answer(|record| assert_eq!(record.answer_header("X-Cache"), Some(&b"hit"[..])));
    /// WebClient::new(web).get("/");
    /// ```
    #[must_use]
    pub fn answer_header(&self, name: &str) -> Option<&'a [u8]> {
        self.draft.extras.as_ref()?.fields.lines.iter().find(name)
    }

    /// Returns the status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.draft.status
    }

    /// Returns the number of bytes of the answer's body that were written: 0 for `HEAD`. The head
    /// of the answer and the framing of pieces do not count.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.draft.sent
    }

    /// Returns the time from the turn in which the head of the request was complete to the moment
    /// at which the answer was written to the output of the connection. It includes the rest of
    /// the request, the work for the answer and a delay, but not the way to the client. The end is
    /// read from the system's clock, so that the time of a route shows. On a virtual clock (see
    /// [`testkit`](crate::testkit)) it is the time of the turn.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.ended.saturating_sub(self.draft.began))
    }

    /// Returns the wall clock at the time of the answer, in seconds since 1970.
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        self.unix_seconds
    }

    /// Returns the client, as [`Request::peer`](super::Request::peer) does.
    #[must_use]
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }
}

#[inline(never)]
fn other_method<'a>(head: &Head<'a>) -> &'a str {
    match head.verb().name() {
        "" => std::str::from_utf8(head.method_bytes()).unwrap_or_default(),
        name => name,
    }
}

impl fmt::Debug for RequestRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRecord")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
