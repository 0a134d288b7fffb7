//! A named value from a client. Knows no request.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::failure::Failure;

/// A parameter of a request: a segment of its path, a value of its query or of its form, or a
/// cookie. It may be missing.
///
/// ```
/// use socketserver::services::web::{Answered, Reply, Request};
///
/// fn list(request: &Request, reply: Reply) -> Answered {
///     let shelf: u32 = request.param("shelf").parse()?; // 400 if it is not a number
///     let page: u32 = request.query_param("page").parse_or(1)?; // 1 if there is none
///     let order = request.query_param("order").unwrap_or("title");
///     reply.text(format!("page {page} of shelf {shelf} by {order}"))
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Param<'a> {
    origin: Origin,
    name: &'a str,
    value: Option<&'a str>,
}

/// Where a parameter comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Path,
    Query,
    Form,
    Cookie,
}

impl<'a> Param<'a> {
    pub(super) fn new(origin: Origin, name: &'a str, value: Option<&'a str>) -> Param<'a> {
        Param { origin, name, value }
    }

    /// Returns the value, if it was sent.
    pub fn as_str(self) -> Option<&'a str> {
        self.value
    }

    /// Returns the value, or `default` if it was not sent.
    pub fn unwrap_or(self, default: &'a str) -> &'a str {
        self.value.unwrap_or(default)
    }

    /// Returns the value as a `T`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with status 400 that names the parameter, if it was not sent or is not a `T`.
    /// A name that the pattern of the route does not have is the server's mistake, and 500.
    pub fn parse<T>(self) -> Result<T, Failure>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.value.ok_or_else(|| self.missing())?;
        text.parse().map_err(|why| Failure::bad_request(format!("{}: {why}", self.title())))
    }

    /// Returns the value as a `T`, or `default` if it was not sent.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with status 400 that names the parameter, if it was sent and is not a `T`.
    pub fn parse_or<T>(self, default: T) -> Result<T, Failure>
    where
        T: FromStr,
        T::Err: Display,
    {
        if self.value.is_none() { Ok(default) } else { self.parse() }
    }

    fn missing(self) -> Failure {
        match self.origin {
            Origin::Path => Failure::internal(format!("the route has no {}", self.title())),
            _ => Failure::bad_request(format!("the {} is missing", self.title())),
        }
    }

    fn title(self) -> String {
        let kind = match self.origin {
            Origin::Path => "path parameter",
            Origin::Query => "query parameter",
            Origin::Form => "form field",
            Origin::Cookie => "cookie",
        };
        format!("{kind} {}", self.name)
    }
}

/// Returns the first value of `name` in a query or form. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn find_in_form<'a>(text: &'a str, name: &str) -> Option<Cow<'a, str>> {
    text.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_form(key) == name).then(|| decode_form(value))
    })
}

fn decode_form(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return percent_decode_str(&spaced).decode_utf8_lossy().into_owned().into();
    }
    percent_decode_str(text).decode_utf8_lossy()
}

/// Returns the value of the first cookie of this name in a Cookie field.
pub(super) fn find_cookie<'a>(field: &'a str, name: &str) -> Option<&'a str> {
    field.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })
}
