//! The head of a request: its lines, held against every rule that decides where the request
//! ends and whom it is for.

use http::Method;
use memchr::memchr;

use super::bytes::{TOKEN, is_field_value, trim};
use super::fields::Fields;
use super::framing::{Facts, Framing};
use super::scan::Scan;
use super::target::{self, Target};
use super::{HttpLimits, refuse};
use crate::Close;

/// The version of a request; others than these two are refused with 505.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0: closes unless asked not to, knows no chunked coding.
    Http10,
    /// HTTP/1.1
    Http11,
}

/// The head of a request. It borrows from the input.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    bytes: &'a [u8],
    method: Method,
    version: Version,
    target: Target<'a>,
    fields: Fields<'a>,
    framing: Framing,
    keep_alive: bool,
    expects_continue: bool,
}

impl<'a> Head<'a> {
    /// The method, whatever token it is.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The version of the request.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The path as it was sent, percent-encoded: it begins with `/`, or is `*` for `OPTIONS *`.
    pub fn path(&self) -> &'a str {
        // It is ASCII; only a handler that asks pays for the compiler's proof.
        str::from_utf8(self.target.path).unwrap_or_default()
    }

    pub(crate) fn path_bytes(&self) -> &'a [u8] {
        self.target.path
    }

    /// What stands behind the `?`, as it was sent.
    pub fn query(&self) -> Option<&'a str> {
        self.target.query.map(|query| str::from_utf8(query).unwrap_or_default())
    }

    /// The host that the request is for: from the target if it is a whole URI, else from the
    /// Host field. Empty for an HTTP/1.0 request that names none.
    pub fn host(&self) -> &'a [u8] {
        match self.target.authority {
            Some(authority) => authority,
            None => self.fields.clone().find("host").unwrap_or_default(),
        }
    }

    /// The fields, in the order they were sent.
    pub fn fields(&self) -> Fields<'a> {
        self.fields.clone()
    }

    /// Whether a body follows.
    pub fn has_body(&self) -> bool {
        self.framing != Framing::None
    }

    /// The length of the body as the head gives it; `None` for a chunked one.
    pub fn content_length(&self) -> Option<u64> {
        match self.framing {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        }
    }

    /// Whether the client wants to go on with this connection afterwards.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// The head as it was sent; [`Head::parse`] makes the same of it again.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    /// Parses a whole head, with the empty line at its end.
    ///
    /// # Errors
    ///
    /// [`Close::Malformed`] with the status to answer with. The lengths of the head and of its
    /// first line are [`Http`](super::Http)'s to check.
    ///
    /// ```
    /// use socketserver::protocol::http::{Head, HttpLimits};
    ///
    /// let head = Head::parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &HttpLimits::default())?;
    /// assert_eq!(head.host(), b"a");
    /// # Ok::<(), socketserver::Close>(())
    /// ```
    pub fn parse(bytes: &'a [u8], limits: &HttpLimits) -> Result<Head<'a>, Close> {
        let head = try_parse(bytes, limits)?;
        match head.bytes.len() == bytes.len() {
            true => Ok(head),
            false => Err(refuse(400, "bytes behind the head")),
        }
    }
}

/// Decodes the head at the front of `input`, if it is all there; `scan` remembers how far it was
/// looked at.
///
/// A head that comes in one piece, as nearly all do, is parsed at once. One that does not is not
/// parsed again until its end has come, so that feeding it byte by byte costs nothing extra.
pub(super) fn decode<'a>(
    input: &'a [u8],
    scan: &mut Scan,
    limits: &HttpLimits,
) -> Result<Option<(Head<'a>, usize)>, Close> {
    if scan.is_fresh() {
        if let Ok(head) = try_parse(input, limits) {
            if is_proper(&head, limits) {
                let len = head.bytes.len();
                return Ok(Some((head, len)));
            }
        }
    }
    // Incomplete or wrong. Which of the two, and what is wrong first, is found out in order.
    let Some(len) = scan.find_end(input, limits)? else {
        return Ok(None);
    };
    let head = Head::parse(input.get(..len).unwrap_or_default(), limits)?;
    Ok(Some((head, len)))
}

/// Whether a parsed head also keeps the limits that [`Scan::find_end`] checks.
fn is_proper(head: &Head<'_>, limits: &HttpLimits) -> bool {
    let line_len = head.bytes.len() - head.fields.len() - 4;
    head.bytes.len() <= limits.head && line_len <= limits.request_line
}

/// Parses the head that `input` begins with.
///
/// Every byte is looked at once, by the rule for the place it is in: what that rule does not
/// allow ends the name, the target or the value, and then must be what belongs there. An
/// incomplete head is an error like any other here: [`decode`] has to find out.
fn try_parse<'a>(input: &'a [u8], limits: &HttpLimits) -> Result<Head<'a>, Close> {
    let (method, rest) = TOKEN.split(input);
    let method = Method::from_bytes(method)
        .map_err(|_| refuse(400, "the request line begins with no method"))?;
    let Some(rest) = rest.strip_prefix(b" ") else {
        return Err(refuse(400, "no space behind the method"));
    };
    let (target, rest) = target::take(&method, rest)?;
    let (version, lines) = take_version(rest)?;
    let mut facts = Facts::default();
    let mut rest = lines;
    let mut count = 0;
    let after = loop {
        if let Some(after) = rest.strip_prefix(b"\r\n") {
            break after;
        }
        rest = take_field(rest, &mut facts)?;
        count += 1;
    };
    if count > limits.fields {
        return Err(refuse(431, "too many fields"));
    }
    let facts = facts.conclude(version, &method)?;
    Ok(Head {
        bytes: &input[..input.len() - after.len()],
        version,
        target,
        fields: Fields::new(&lines[..lines.len() - rest.len()]),
        framing: facts.framing,
        keep_alive: facts.keep_alive,
        expects_continue: facts.expects_continue,
        method,
    })
}

/// Takes the version and the end of the request line.
fn take_version(input: &[u8]) -> Result<(Version, &[u8]), Close> {
    match input.split_at_checked(b" HTTP/1.1\r\n".len()) {
        Some((b" HTTP/1.1\r\n", rest)) => Ok((Version::Http11, rest)),
        Some((b" HTTP/1.0\r\n", rest)) => Ok((Version::Http10, rest)),
        Some(([b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b'\r', b'\n'], _))
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(refuse(505, "a version other than 1.0 and 1.1"))
        }
        _ => Err(refuse(400, "a malformed target or version")),
    }
}

/// Takes one field with the end of its line.
fn take_field<'a>(input: &'a [u8], facts: &mut Facts) -> Result<&'a [u8], Close> {
    let (name, rest) = TOKEN.split(input);
    let (false, Some(rest)) = (name.is_empty(), rest.strip_prefix(b":")) else {
        return Err(refuse(400, "a malformed field name"));
    };
    let end = memchr(b'\r', rest).unwrap_or(rest.len());
    let (value, rest) = rest.split_at(end);
    let Some(rest) = rest.strip_prefix(b"\r\n") else {
        return Err(refuse(400, "a line of the head does not end in CR LF"));
    };
    let value = trim(value);
    if !facts.gather(name, value)? && !is_field_value(value) {
        return Err(refuse(400, "a malformed field value"));
    }
    Ok(rest)
}
