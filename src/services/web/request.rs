//! A request as a route sees it.

use std::borrow::Cow;
use std::{fmt, str};

use http::Method;
use percent_encoding::percent_decode_str;

use crate::net::peer::Peer;
use crate::protocol::http::{Fields, Head};

/// The parameters of a path: name and decoded value.
pub(super) type Params<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// A request, complete with its body. It borrows from the connection's input.
///
/// ```
/// use socketserver::services::web::{Answered, Reply, Request};
///
/// fn show<'r>(request: &Request<'_>, reply: Reply<'r>) -> Answered<'r> {
///     let page: u32 = request.query_param("page").unwrap_or("1".into()).parse()?;
///     reply.text(&format!(
///         "{} {} asks for page {page} with {}\n",
///         request.peer(),
///         request.method(),
///         request.header("user-agent").unwrap_or("something"),
///     ))
/// }
/// ```
pub struct Request<'a> {
    head: &'a Head<'a>,
    body: &'a [u8],
    peer: &'a Peer,
    pub(super) params: Params<'a>,
}

impl<'a> Request<'a> {
    pub(super) fn new(head: &'a Head<'a>, body: &'a [u8], peer: &'a Peer) -> Request<'a> {
        Request { head, body, peer, params: Params::new() }
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.head.method()
    }

    pub(super) fn head(&self) -> &'a Head<'a> {
        self.head
    }

    /// The path as it was sent, percent-encoded.
    pub fn path(&self) -> &'a str {
        self.head.path()
    }

    /// The value of the path's parameter `{name}`, decoded.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    /// What stands behind the `?`, as it was sent.
    pub fn query(&self) -> Option<&'a str> {
        self.head.query()
    }

    /// The first value of `name` in the query, decoded as forms are: `+` is a space. Bytes that
    /// are no UTF-8 become U+FFFD.
    pub fn query_param(&self, name: &str) -> Option<Cow<'a, str>> {
        self.query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_form(key) == name).then(|| decode_form(value))
        })
    }

    /// The value of the first field of this name, in whatever case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.head.fields().find(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// All fields in the order they were sent.
    pub fn headers(&self) -> Fields<'a> {
        self.head.fields()
    }

    /// The host that the request is for.
    pub fn host(&self) -> Option<&'a str> {
        str::from_utf8(self.head.host()).ok()
    }

    /// The body; empty if there was none.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Who asks.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }
}

fn decode_form(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return percent_decode_str(&spaced).decode_utf8_lossy().into_owned().into();
    }
    percent_decode_str(text).decode_utf8_lossy()
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("query", &self.query())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}
