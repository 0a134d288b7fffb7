//! Methods as one byte, for the parser and the router.

use http::Method;

/// A method that RFC 9110 or RFC 5789 defines, or any other.
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
    /// Any other token. Must be the last variant.
    Other,
}

impl Verb {
    /// The methods that have a name, in their order.
    pub(crate) const ALL: [Verb; 9] = [
        Verb::Get,
        Verb::Head,
        Verb::Post,
        Verb::Put,
        Verb::Delete,
        Verb::Connect,
        Verb::Options,
        Verb::Trace,
        Verb::Patch,
    ];

    pub(crate) fn of(name: &[u8]) -> Verb {
        let is_it = |verb: &Verb| verb.name().as_bytes() == name;
        Verb::ALL.into_iter().find(is_it).unwrap_or(Verb::Other)
    }

    /// Returns the name of the method; empty for [`Verb::Other`].
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Head => "HEAD",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
            Verb::Connect => "CONNECT",
            Verb::Options => "OPTIONS",
            Verb::Trace => "TRACE",
            Verb::Patch => "PATCH",
            Verb::Other => "",
        }
    }

    /// Returns the method, which the request spells `name`.
    pub(crate) fn method(self, name: &[u8]) -> Method {
        match self {
            Verb::Get => Method::GET,
            // The parser accepted a token, and any token is a method.
            _ => Method::from_bytes(name).unwrap_or_default(),
        }
    }
}
