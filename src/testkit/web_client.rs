//! A client of a web service on a network in memory, with a clock that the test advances.

use std::fmt::Write;
use std::time::Duration;
use std::{fmt, str};

use http::Method;

use super::network::{Client, Network};
use crate::handler::Service;
use crate::limits::Limits;
use crate::net::peer::Peer;
use crate::protocol::http::Fields;
use crate::services::web::Web;

/// A client of a [`Web`] service, without a socket. Each request has its own connection. Offloaded
/// work is done before the request returns, the test can answer kept replies, and delays take only
/// the time of [`advance`](WebClient::advance).
///
/// ```
/// use socketserver::services::web::{Failure, Method, Response, Web};
/// use socketserver::testkit::WebClient;
/// use std::time::Duration;
///
/// let web = Web::new()
///     .post("/upper", |request, reply| {
///         reply.bytes("text/plain", request.body().to_ascii_uppercase())
///     })
///     .get("/find", |_, reply| reply.offload(|| Err(Failure::new(404, "no such thing"))))
///     .get("/slow", |_, reply| reply.after(Duration::from_secs(60)).text("at last"));
/// let mut client = WebClient::new(web);
///
/// let answer = client.post("/upper", "hello");
/// assert_eq!((answer.status(), answer.text()), (200, "HELLO"));
/// assert_eq!(answer.header("Content-Type"), Some("text/plain"));
///
/// assert_eq!(client.get("/find").status(), 404);
///
/// let slow = client.request(Method::GET, "/slow").start();
/// client.advance(Duration::from_secs(59));
/// assert!(client.answer(slow).is_none());
/// client.advance(Duration::from_secs(1));
/// assert_eq!(client.answer(slow).unwrap().text(), "at last");
/// ```
pub struct WebClient {
    network: Network,
    service: Box<dyn Service>,
    exchanges: Vec<Exchange>,
}

struct Exchange {
    client: Client,
    method: Method,
    received: Vec<u8>,
}

/// A request of a [`WebClient`] that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub struct WebExchange(usize);

impl WebClient {
    /// Creates a client of `web`, on a network with the default limits.
    pub fn new<S: Send + Sync + 'static>(web: Web<S>) -> WebClient {
        WebClient::on(Network::new(Limits::default()), web)
    }

    /// Creates a client of `web` on this network, with its mode and limits.
    ///
    /// ```
    /// use socketserver::Limits;
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::{Network, WebClient};
    ///
    /// let web = Web::new().get("/", |_, reply| reply.text("hello"));
    /// let network = Network::with_workers(Limits::default().connections(10));
    /// assert_eq!(WebClient::on(network, web).get("/").text(), "hello");
    /// ```
    pub fn on<S: Send + Sync + 'static>(network: Network, web: Web<S>) -> WebClient {
        WebClient { network, service: Box::new(web), exchanges: Vec::new() }
    }

    /// Sends a `GET` request for `path`, which may have a query. Returns the answer.
    ///
    /// # Panics
    ///
    /// As for [`WebRequest::send`].
    pub fn get(&mut self, path: &str) -> WebAnswer {
        self.request(Method::GET, path).send()
    }

    /// Sends a `POST` request for `path` with `body`. Returns the answer.
    ///
    /// # Panics
    ///
    /// As for [`WebRequest::send`].
    pub fn post(&mut self, path: &str, body: impl AsRef<[u8]>) -> WebAnswer {
        self.request(Method::POST, path).body(body).send()
    }

    /// Returns a new request, which takes fields and a body before it is sent.
    pub fn request(&mut self, method: Method, path: &str) -> WebRequest<'_> {
        let lines = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        WebRequest { client: self, method, lines, body: Vec::new() }
    }

    /// Advances the clock and runs everything due on the way, each at its time.
    pub fn advance(&mut self, time: Duration) {
        self.network.advance(time);
    }

    /// Returns the answer to a request, if it is complete.
    pub fn answer(&mut self, exchange: WebExchange) -> Option<WebAnswer> {
        self.receive(exchange);
        let exchange = self.exchanges.get(exchange.0)?;
        let is_closed = self.network.is_closed(exchange.client);
        let parsed = WebAnswer::parse(&exchange.method, &exchange.received, is_closed);
        parsed.map(|(answer, _)| answer)
    }

    /// Returns the part of the body of an answer that has arrived, for an answer that is streamed.
    ///
    /// ```
    /// use socketserver::services::web::{Method, Web};
    /// use socketserver::testkit::WebClient;
    /// use std::sync::mpsc;
    ///
    /// let (sender, writers) = mpsc::channel();
    /// let web = Web::new().get("/", move |_, reply| {
    ///     let (writer, answered) = reply.stream("text/plain");
    ///     sender.send(writer)?;
    ///     answered
    /// });
    /// let mut client = WebClient::new(web);
    /// let exchange = client.request(Method::GET, "/").start();
    /// writers.recv()?.write("hello")?;
    /// assert_eq!(client.arrived(exchange), b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arrived(&mut self, exchange: WebExchange) -> Vec<u8> {
        self.receive(exchange);
        let Some(exchange) = self.exchanges.get(exchange.0) else { return Vec::new() };
        let Some((_, lines, rest)) = head(&exchange.received) else { return Vec::new() };
        match Fields::new(&lines).find("transfer-encoding") {
            Some(_) => chunks(rest).0,
            None => rest.to_vec(),
        }
    }

    fn receive(&mut self, exchange: WebExchange) {
        self.network.settle();
        if let Some(exchange) = self.exchanges.get_mut(exchange.0) {
            exchange.received.extend(self.network.received(exchange.client));
        }
    }

    /// Resets the connection of a request. [`PendingReply`](crate::services::web::PendingReply) has
    /// an example.
    pub fn abandon(&mut self, exchange: WebExchange) {
        if let Some(exchange) = self.exchanges.get(exchange.0) {
            self.network.reset(exchange.client);
            self.network.settle();
        }
    }

    fn start(&mut self, method: Method, bytes: &[u8]) -> WebExchange {
        if let Some(handler) = self.service.accept(Peer::unix().into()) {
            let client = self.network.connect(handler);
            self.network.send(client, bytes);
            self.network.settle();
            self.exchanges.push(Exchange { client, method, received: Vec::new() });
        }
        WebExchange(self.exchanges.len() - 1)
    }
}

/// A request of a [`WebClient`] that has not been sent.
///
/// ```
/// use socketserver::services::web::{Method, Web};
/// use socketserver::testkit::WebClient;
///
/// let web = Web::new().put("/name", |request, reply| {
///     let kind = request.header("content-type").unwrap_or("unknown");
///     reply.header("x-kind", kind).bytes("text/plain", request.body())
/// });
/// let mut client = WebClient::new(web);
/// let request = client.request(Method::PUT, "/name").header("content-type", "text/plain");
/// let answer = request.body("Ann").send();
/// assert_eq!(answer.header("x-kind"), Some("text/plain"));
/// assert_eq!(answer.body(), b"Ann");
/// ```
#[must_use]
pub struct WebRequest<'c> {
    client: &'c mut WebClient,
    method: Method,
    lines: String,
    body: Vec<u8>,
}

impl WebRequest<'_> {
    /// Adds a field without checking it.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        // A string accepts everything.
        let _ = write!(self.lines, "{name}: {value}\r\n");
        self
    }

    /// Sets the body and its length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends the request. Returns the answer, which must be complete at once.
    ///
    /// # Panics
    ///
    /// If the answer is delayed or kept: use [`start`](WebRequest::start).
    #[allow(clippy::expect_used, reason = "a test that is wrong fails by panicking")]
    pub fn send(self) -> WebAnswer {
        let (client, method, bytes) = self.finish();
        let exchange = client.start(method, &bytes);
        client.answer(exchange).expect("the answer takes time, or is kept: use `start`")
    }

    /// Sends the request. [`WebClient::answer`] returns its answer when it is complete.
    pub fn start(self) -> WebExchange {
        let (client, method, bytes) = self.finish();
        client.start(method, &bytes)
    }
}

impl<'c> WebRequest<'c> {
    fn finish(self) -> (&'c mut WebClient, Method, Vec<u8>) {
        let mut lines = self.lines;
        if !self.body.is_empty() {
            let _ = write!(lines, "Content-Length: {}\r\n", self.body.len());
        }
        lines.push_str("\r\n");
        (self.client, self.method, [lines.as_bytes(), &self.body].concat())
    }
}

/// An answer that a [`WebClient`] has received: see [`WebRequest`] for an example.
#[derive(Clone, PartialEq, Eq)]
pub struct WebAnswer {
    status: u16,
    lines: Vec<u8>,
    body: Vec<u8>,
}

impl WebAnswer {
    /// Returns the number of the status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the value of the first field with this name, ignoring case, if it is UTF-8.
    /// [`WebClient`] has an example.
    pub fn header(&self, name: &str) -> Option<&str> {
        str::from_utf8(Fields::new(&self.lines).find(name)?).ok()
    }

    /// Returns the body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the body as text.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    #[allow(clippy::expect_used, reason = "a test that is wrong fails by panicking")]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// Parses the first final answer in `bytes`, and returns it and the bytes after it. Returns
    /// `None` if it is incomplete.
    pub(super) fn parse<'b>(
        method: &Method,
        bytes: &'b [u8],
        is_closed: bool,
    ) -> Option<(WebAnswer, &'b [u8])> {
        let (status, lines, rest) = head(bytes)?;
        let fields = Fields::new(&lines);
        let length = fields.clone().find("content-length");
        let (body, rest) = if *method == Method::HEAD || matches!(status, 204 | 304) {
            (Vec::new(), rest)
        } else if let Some(length) = length {
            let length = str::from_utf8(length).ok()?.parse().ok()?;
            let (body, rest) = rest.split_at_checked(length)?;
            (body.to_vec(), rest)
        } else if fields.find("transfer-encoding").is_some() {
            let (body, rest) = chunks(rest);
            (body, rest?)
        } else {
            (is_closed.then(|| rest.to_vec())?, &[][..])
        };
        Some((WebAnswer { status, lines, body }, rest))
    }
}

/// Returns the status and the lines of the first final head in `bytes`, and the bytes after it.
fn head(mut bytes: &[u8]) -> Option<(u16, Vec<u8>, &[u8])> {
    loop {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
        let (head, rest) = (bytes.get(..end + 2)?, bytes.get(end + 4..)?);
        let line_end = memchr::memmem::find(head, b"\r\n")?;
        let status: u16 = str::from_utf8(head.get(9..12)?).ok()?.parse().ok()?;
        if !(100..200).contains(&status) {
            return Some((status, head.get(line_end + 2..)?.to_vec(), rest));
        }
        bytes = rest;
    }
}

/// Returns the body of these chunks, and the bytes after them, or `None` if they are incomplete.
fn chunks(mut rest: &[u8]) -> (Vec<u8>, Option<&[u8]>) {
    let mut body = Vec::new();
    while let Some((data, after)) = chunk(rest) {
        if data.is_empty() {
            return (body, Some(after));
        }
        body.extend_from_slice(data);
        rest = after;
    }
    (body, None)
}

/// Returns the data of a whole chunk, and the bytes after it.
fn chunk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memmem::find(bytes, b"\r\n")?;
    let size = usize::from_str_radix(str::from_utf8(bytes.get(..end)?).ok()?, 16).ok()?;
    let (data, after) = bytes.get(end + 2..)?.split_at_checked(size)?;
    Some((data, after.get(2..)?))
}

impl fmt::Debug for WebAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebAnswer")
            .field("status", &self.status)
            .field("lines", &self.lines.escape_ascii().to_string())
            .field("body", &self.body.escape_ascii().to_string())
            .finish()
    }
}

impl fmt::Debug for WebRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRequest").field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl fmt::Debug for WebClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebClient").field("network", &self.network).finish_non_exhaustive()
    }
}
