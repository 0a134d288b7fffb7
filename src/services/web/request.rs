//! A request as a route sees it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::{fmt, str};

use http::Method;

use super::memo::Memo;
use super::param::{Origin, Param, find_cookie, find_in_form};
use crate::history::Position;
use crate::net::address::Address;
use crate::net::local::Ends;
use crate::net::peer::Peer;
use crate::now::Now;
use crate::protocol::http::{Fields, Head};

/// The parameters of a path: name and decoded value.
pub(super) type Params<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// A request, complete with its body. It borrows from the connection's input.
///
/// ```
/// use socketserver::services::web::{Answered, Reply, Request};
///
/// fn show(request: &Request, reply: Reply) -> Answered {
///     let page: u32 = request.query_param("page").parse_or(1)?;
///     reply.text(format!(
///         "{} {} asks for page {page} with {}\n",
///         request.peer(),
///         request.method(),
///         request.header("user-agent").unwrap_or("something"),
///     ))
/// }
/// ```
pub struct Request<'a, S = ()> {
    head: &'a Head<'a>,
    body: &'a [u8],
    ends: Ends<'a>,
    /// The state of the router whose route, guard or mapper is called.
    pub(super) state: &'a S,
    /// `None` for most requests, in one word.
    more: OnceCell<Box<More<'a>>>,
}

#[derive(Default)]
struct More<'a> {
    params: Params<'a>,
    memo: Memo,
    is_from_proxy: bool,
}

impl<'a, S> Request<'a, S> {
    #[inline(always)]
    pub(super) fn new(
        head: &'a Head<'a>,
        body: &'a [u8],
        ends: Ends<'a>,
        state: &'a S,
    ) -> Request<'a, S> {
        Request { head, body, ends, state, more: OnceCell::new() }
    }

    /// Sets the parameters of the path.
    pub(super) fn set_params(&mut self, params: Params<'a>) {
        if !params.is_empty() {
            self.more = OnceCell::from(Box::new(More { params, ..More::default() }));
        }
    }

    pub(super) fn head(&self) -> &'a Head<'a> {
        self.head
    }

    /// Returns the state of the router, given to [`Web::with_state`](super::Web::with_state).
    pub fn state(&self) -> &'a S {
        self.state
    }

    /// Returns the method.
    pub fn method(&self) -> Method {
        self.head.method()
    }

    /// Returns the path as it was sent, percent-encoded.
    pub fn path(&self) -> &'a str {
        self.head.path()
    }

    /// Returns the parameter `{name}` or `{*name}` of the path, decoded.
    pub fn param<'q>(&'q self, name: &'q str) -> Param<'q> {
        let mut params = self.more.get().into_iter().flat_map(|more| &more.params);
        let found = params.find(|(known, _)| *known == name);
        Param::new(Origin::Path, name, found.map(|(_, value)| &**value))
    }

    /// Returns the text after the `?`, as it was sent.
    pub fn query(&self) -> Option<&'a str> {
        self.head.query()
    }

    /// Returns the first value of `name` in the query, decoded as forms are: `+` is a space. Bytes
    /// that are not UTF-8 become U+FFFD.
    pub fn query_param<'q>(&'q self, name: &'q str) -> Param<'q> {
        let value = self.query().and_then(|query| find_in_form(query, name));
        Param::new(Origin::Query, name, value.map(|value| self.keep(value)))
    }

    /// Returns the first value of the field `name` of a form (`application/x-www-form-urlencoded`)
    /// in the body, decoded as [`query_param`](Request::query_param) decodes it. A body of another
    /// content type has no fields.
    ///
    /// ```
    /// use socketserver::services::web::{Method, Web};
    /// use socketserver::testkit::WebClient;
    ///
    /// let web = Web::new().post("/vote", |request, reply| {
    ///     let count: u32 = request.form("count").parse()?; // 400 if it is not a number
    ///     let name = request.form("name").unwrap_or("anonymous");
    ///     reply.text(format!("{count} for {name}"))
    /// });
    /// let mut client = WebClient::new(web);
    /// let request = client.request(Method::POST, "/vote").body("name=Ann+Lee&count=3");
    /// let request = request.header("content-type", "application/x-www-form-urlencoded");
    /// assert_eq!(request.send().text(), "3 for Ann Lee");
    /// ```
    pub fn form<'q>(&'q self, name: &'q str) -> Param<'q> {
        let is_form = self.media_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let body = str::from_utf8(self.body).ok().filter(|_| is_form);
        let value = body.and_then(|body| find_in_form(body, name));
        Param::new(Origin::Form, name, value.map(|value| self.keep(value)))
    }

    /// Returns the value of the first cookie with this name, as it was sent.
    ///
    /// ```
    /// use socketserver::services::web::{Method, Web};
    /// use socketserver::testkit::WebClient;
    ///
    /// let web = Web::new().get("/", |request, reply| {
    ///     reply.text(request.cookie("theme").unwrap_or("light"))
    /// });
    /// let mut client = WebClient::new(web);
    /// assert_eq!(client.get("/").text(), "light");
    /// let request = client.request(Method::GET, "/").header("cookie", "lang=en; theme=dark");
    /// assert_eq!(request.send().text(), "dark");
    /// ```
    pub fn cookie<'q>(&'q self, name: &'q str) -> Param<'q> {
        let fields = self.headers().filter(|(field, _)| field.eq_ignore_ascii_case("cookie"));
        let mut fields = fields.filter_map(|(_, value)| str::from_utf8(value).ok());
        Param::new(Origin::Cookie, name, fields.find_map(|field| find_cookie(field, name)))
    }

    /// Returns the value of the first field with this name, ignoring case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.head.fields().find(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// Returns the position in the field `Last-Event-ID`, with which a browser continues after a
    /// cut of its events. A malformed one is [`Position::NOWHERE`], so that the client is told of a
    /// gap. [`Reply::events`](super::Reply::events) has an example.
    pub fn last_event_id(&self) -> Option<Position> {
        let id = self.head.fields().find("last-event-id")?;
        let position = str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        Some(position.unwrap_or(Position::NOWHERE))
    }

    /// Returns all fields in the order they were sent.
    pub fn headers(&self) -> Fields<'a> {
        self.head.fields()
    }

    /// Returns the host that the request is for.
    pub fn host(&self) -> Option<&'a str> {
        str::from_utf8(self.head.host()).ok()
    }

    /// Returns the body; empty without one. Guards, mappers and the answers to failures have an
    /// empty body, because they are called before it has arrived or after it was dropped.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Returns the client: the other end of the connection, or the client that a
    /// [trusted](super::Web::trust_proxies) proxy names, often without a port.
    pub fn peer(&self) -> &'a Peer {
        self.ends.peer
    }

    /// Returns the local address of the connection: see
    /// [`Context::local_address`](crate::Context::local_address).
    #[must_use]
    pub fn local_address(&self) -> &'a Address {
        self.ends.locals.current()
    }

    /// Returns the time of the turn in which the route, guard or mapper is called.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::WebClient;
    /// use std::time::Duration;
    ///
    /// let web = Web::new().get("/uptime", |request, reply| {
    ///     reply.text(request.now().elapsed().as_secs().to_string())
    /// });
    /// let mut client = WebClient::new(web);
    /// client.advance(Duration::from_secs(90));
    /// assert_eq!(client.get("/uptime").text(), "90");
    /// ```
    #[must_use]
    pub fn now(&self) -> Now {
        *self.ends.now
    }

    /// Notes that the connection is from a trusted proxy.
    pub(super) fn note_proxy(&mut self) {
        let mut more = self.more.take().unwrap_or_default();
        more.is_from_proxy = true;
        self.more = OnceCell::from(more);
    }

    /// Returns true in a mapper if the connection is from a trusted proxy.
    pub(super) fn is_from_proxy(&self) -> bool {
        self.more.get().is_some_and(|more| more.is_from_proxy)
    }

    /// Returns the content type without its parameters.
    pub(super) fn media_type(&self) -> &'a str {
        let content_type = self.header("content-type").unwrap_or_default();
        content_type.split(';').next().unwrap_or_default().trim()
    }

    /// Keeps a value as long as the request.
    fn keep<'q>(&'q self, value: Cow<'q, str>) -> &'q str {
        match value {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => self.more.get_or_init(Box::default).memo.keep(text),
        }
    }
}

impl<S> fmt::Debug for Request<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("query", &self.query())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}
