//! The head of a request. Its lines are checked against every rule that decides where the request
//! ends and which host receives it.

use std::str;

use super::bytes::TOKEN;
use super::field;
use super::fields::Fields;
use super::framing::{Facts, Framing};
use super::host;
use super::limits::HttpLimits;
use super::refusal::{Parsed, Refusal};
use super::target::{self, Span, Target};
use super::verb::Verb;
use super::version::Version;
use crate::close::Close;
use http::Method;

/// The head of a request, borrowed from the input.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    bytes: &'a [u8],
    verb: Verb,
    version: Version,
    target: Target,
    fields: Span,
    framing: Framing,
    keep_alive: bool,
    expects_continue: bool,
}

impl<'a> Head<'a> {
    /// Returns the method, which may be any token.
    #[must_use]
    pub fn method(&self) -> Method {
        self.verb.method(self.method_bytes())
    }

    pub(crate) fn method_bytes(&self) -> &'a [u8] {
        self.bytes.get(..TOKEN.end(self.bytes, 0)).unwrap_or_default()
    }

    /// Returns the same head with `keep_alive` off.
    pub(crate) fn closing(self) -> Head<'a> {
        Head { keep_alive: false, ..self }
    }

    pub(crate) fn verb(&self) -> Verb {
        self.verb
    }

    /// Returns the version of the request.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the path as it was sent, percent-encoded. It begins with `/`, or is `*` for
    /// `OPTIONS *`.
    #[must_use]
    pub fn path(&self) -> &'a str {
        // The path is ASCII. The check that the compiler needs costs time only if a handler asks.
        str::from_utf8(self.path_bytes()).unwrap_or_default()
    }

    pub(crate) fn path_bytes(&self) -> &'a [u8] {
        match self.target.path.of(self.bytes) {
            // RFC 9112, section 3.2.4, and RFC 9110, section 4.2.3.
            b"" if self.verb == Verb::Options && !self.target.query.is_there() => b"*",
            b"" => b"/",
            path => path,
        }
    }

    /// Returns the text after the `?`, as it was sent.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        let query = self.target.query.of(self.bytes);
        self.target.query.is_there().then(|| str::from_utf8(query).unwrap_or_default())
    }

    /// Returns the host that the request is for, as it was sent: from the target if that is a whole
    /// URI, otherwise from the Host field. Empty if that field is, or for an HTTP/1.0 request
    /// without it.
    #[must_use]
    pub fn host(&self) -> &'a [u8] {
        match self.target.authority.is_there() {
            true => self.target.authority.of(self.bytes),
            false => self.fields().find("host").unwrap_or_default(),
        }
    }

    /// Returns the fields, in the order in which they were sent.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        Fields::new(self.fields.of(self.bytes))
    }

    /// Returns true if a body follows.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.framing != Framing::None
    }

    /// Returns the length of the body in bytes, as in the head. Returns `None` for a chunked body.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        match self.framing {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        }
    }

    /// Returns true if the client will use the connection for further requests.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Returns true if the client waits for `100 Continue` before it sends the body.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Returns the head as it was sent, which [`Head::parse`] parses again.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns true if the head also satisfies the limits that
    /// [`Scan::find_end`](super::scan::Scan::find_end) checks.
    fn is_proper(&self, limits: &HttpLimits) -> bool {
        let line_len = self.bytes.len() - self.fields.len() - 4;
        self.bytes.len() <= limits.head && line_len <= limits.request_line
    }

    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    /// Parses a complete head, including the empty line at its end.
    ///
    /// # Errors
    ///
    /// Returns [`Close::Malformed`] with the status to answer with. The lengths of the head and of
    /// its first line are not checked here: [`Http`](super::Http) does that.
    ///
    /// ```
    /// use socketserver::protocol::http::{Head, HttpLimits};
    ///
    /// let head = Head::parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &HttpLimits::default())?;
    /// assert_eq!(head.host(), b"a");
    /// # Ok::<(), socketserver::Close>(())
    /// ```
    #[cold]
    pub fn parse(bytes: &'a [u8], limits: &HttpLimits) -> Result<Head<'a>, Close> {
        let head = try_parse(bytes, limits)?;
        if head.bytes.len() != bytes.len() {
            return Err((&Refusal { code: 400, why: "bytes after the head" }).into());
        }
        Ok(head)
    }
}

/// Returns the head at the start of `input` if it is complete and well-formed. Otherwise
/// [`Scan::find_end`](super::scan::Scan::find_end) finds out if it is incomplete or malformed.
#[inline]
pub(super) fn whole<'a>(input: &'a [u8], limits: &HttpLimits) -> Option<Head<'a>> {
    try_parse(input, limits).ok().filter(|head| head.is_proper(limits))
}

/// The longest head, regardless of the limits.
pub(super) const HEAD_MAX: usize = u16::MAX as usize;

/// Parses the head that `input` begins with.
///
/// Each byte is checked by the rule for its place. A byte that the rule does not allow ends the
/// name, the target or the value, and must be the right delimiter. An incomplete head is an error
/// like any other here.
#[inline(always)]
fn try_parse<'a>(input: &'a [u8], limits: &HttpLimits) -> Parsed<Head<'a>> {
    // Positions in a head fit into 16 bits.
    let input = input.get(..HEAD_MAX).unwrap_or(input);
    let (verb, at) = take_method(input)?;
    let (target, at) = target::take(verb, input, at)?;
    let (version, fields_start) = take_version(input, at)?;
    let mut facts = Facts::default();
    // Nearly all requests begin with the Host field, many have no other.
    let (mut at, mut count) = match host::known_line(input, fields_start) {
        Some(end) => facts.note_host().map(|()| (end, 1))?,
        None => (fields_start, 0),
    };
    let rest = input.get(at..).unwrap_or_default();
    if !rest.starts_with(b"\r\n") {
        let (others, rest) = take_fields(rest, &target, &mut facts)?;
        count += others;
        at = input.len() - rest.len();
    }
    if count > limits.fields {
        return Err(&Refusal { code: 431, why: "too many fields" });
    }
    let end = facts.conclude(version, verb)?;
    Ok(Head {
        verb,
        bytes: input.get(..at + 2).unwrap_or_default(),
        version,
        target,
        fields: Span::new(fields_start, at),
        framing: end.framing,
        keep_alive: end.keep_alive,
        expects_continue: end.expects_continue,
    })
}

/// Parses the method and the space after it.
#[inline]
fn take_method(input: &[u8]) -> Parsed<(Verb, usize)> {
    if input.starts_with(b"GET ") {
        return Ok((Verb::Get, 4));
    }
    let end = TOKEN.end(input, 0);
    if end == 0 || input.get(end) != Some(&b' ') {
        return Err(&Refusal { code: 400, why: "the request line does not begin with a method" });
    }
    Ok((Verb::of(input.get(..end).unwrap_or_default()), end + 1))
}

/// Parses the version and the end of the request line, which begin at `at`.
#[inline]
fn take_version(input: &[u8], at: usize) -> Parsed<(Version, usize)> {
    let rest = input.get(at..).unwrap_or_default();
    let end = at + b" HTTP/1.1\r\n".len();
    if rest.starts_with(b" HTTP/1.1\r\n") {
        return Ok((Version::Http11, end));
    }
    match rest {
        [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0', b'\r', b'\n', ..] => {
            Ok((Version::Http10, end))
        }
        // A later minor version is treated as the latest known one (RFC 9110, section 2.5).
        [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9', b'\r', b'\n', ..] => {
            Ok((Version::Http11, end))
        }
        [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b'\r', b'\n', ..]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(&Refusal { code: 505, why: "a major version other than 1" })
        }
        _ => Err(&Refusal { code: 400, why: "a malformed target or version" }),
    }
}

/// Parses the fields that `input` begins with, and returns their number and the input after them.
///
/// Not inlined, so that the constants of a step stay in registers.
#[inline(never)]
fn take_fields<'a>(
    input: &'a [u8],
    target: &Target,
    facts: &mut Facts,
) -> Parsed<(usize, &'a [u8])> {
    let mut rest = input;
    let mut count = 0;
    while !rest.starts_with(b"\r\n") {
        rest = field::take(rest, target, facts)?;
        count += 1;
    }
    Ok((count, rest))
}
