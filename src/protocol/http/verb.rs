//! Methods in one byte: what a parser and a router need of them.

use http::Method;

/// A method by its first appearance in RFC 9110 and RFC 5789, or the fact that it is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    /// Whatever token it is.
    Other,
}

impl Verb {
    pub(crate) fn of(name: &[u8]) -> Verb {
        match name {
            b"GET" => Verb::Get,
            b"HEAD" => Verb::Head,
            b"POST" => Verb::Post,
            b"PUT" => Verb::Put,
            b"DELETE" => Verb::Delete,
            b"CONNECT" => Verb::Connect,
            b"OPTIONS" => Verb::Options,
            b"TRACE" => Verb::Trace,
            b"PATCH" => Verb::Patch,
            _ => Verb::Other,
        }
    }

    /// The method of this name.
    pub(crate) fn method(self, name: &[u8]) -> Method {
        match self {
            Verb::Get => Method::GET,
            Verb::Head => Method::HEAD,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
            Verb::Connect => Method::CONNECT,
            Verb::Options => Method::OPTIONS,
            Verb::Trace => Method::TRACE,
            Verb::Patch => Method::PATCH,
            // A token was parsed, and any token is a method.
            Verb::Other => Method::from_bytes(name).unwrap_or_default(),
        }
    }
}
