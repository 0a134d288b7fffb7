//! The head of a request: parsed by `httparse`, then held against every rule that decides where
//! the request ends and whom it is for.

use std::mem::MaybeUninit;

use http::Method;
use httparse::{Error, Header, Request, Status};

use super::fields::Fields;
use super::scan::{Scan, is_token_byte};
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

/// Where the body of a request ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
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
        self.target.path
    }

    /// What stands behind the `?`, as it was sent.
    pub fn query(&self) -> Option<&'a str> {
        self.target.query
    }

    /// The host that the request is for: from the target if it is a whole URI, else from the
    /// Host field. Empty for an HTTP/1.0 request that names none.
    pub fn host(&self) -> &'a [u8] {
        match self.target.authority {
            Some(authority) => authority.as_bytes(),
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
    /// [`Close::Malformed`] with the status to answer with. It does not look for bare line
    /// feeds, as [`Http`](super::Http) does before.
    ///
    /// ```
    /// use socketserver::protocol::http::{Head, HttpLimits};
    ///
    /// let head = Head::parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &HttpLimits::default())?;
    /// assert_eq!(head.host(), b"a");
    /// # Ok::<(), socketserver::Close>(())
    /// ```
    pub fn parse(bytes: &'a [u8], limits: &HttpLimits) -> Result<Head<'a>, Close> {
        match try_parse(bytes, limits)? {
            Some(head) => Ok(head),
            None => Err(refuse(400, "the head has no end")),
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
        if let Ok(Some(head)) = try_parse(input, limits) {
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

/// Whether a parsed head also keeps the rules that [`Scan::find_end`] checks.
fn is_proper(head: &Head<'_>, limits: &HttpLimits) -> bool {
    let bytes = head.bytes;
    let line_len = bytes.len() - head.fields.len() - 4;
    bytes.len() <= limits.head && line_len <= limits.request_line && every_lf_has_its_cr(bytes)
}

/// Written so that the compiler makes vector instructions of it.
fn every_lf_has_its_cr(bytes: &[u8]) -> bool {
    let feeds: usize = bytes.iter().map(|byte| usize::from(*byte == b'\n')).sum();
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    let ends: usize = pairs
        .map(|(a, b)| usize::from((*a == b'\r') & (*b == b'\n')))
        .sum();
    feeds == ends
}

/// The most fields a head may have, whatever the limits say: they are parsed on the stack.
const FIELDS_MAX: usize = 256;

fn try_parse<'a>(bytes: &'a [u8], limits: &HttpLimits) -> Result<Option<Head<'a>>, Close> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let room = fields
        .get_mut(..limits.fields.min(FIELDS_MAX))
        .unwrap_or_default();
    let mut request = Request::new(&mut []);
    let len = match request.parse_with_uninit_headers(bytes, room) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(explain(error, bytes)),
    };
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Ok(None);
    };
    let version = if version == 0 {
        Version::Http10
    } else {
        Version::Http11
    };
    let bytes = bytes.get(..len).unwrap_or_default();
    // "METHOD target HTTP/1.x\r\n": httparse accepts one space in each place.
    let fields_at = method.len() + target.len() + " HTTP/1.x\r\n".len() + 1;
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| refuse(400, "the method is no token"))?;
    let target = target::parse(&method, target)?;
    let facts = Facts::gather(request.headers, version, &method)?;
    let fields = bytes.get(fields_at..len - 2).unwrap_or_default();
    Ok(Some(Head {
        bytes,
        version,
        target,
        fields: Fields::new(fields),
        framing: facts.framing,
        keep_alive: facts.keep_alive,
        expects_continue: facts.expects_continue,
        method,
    }))
}

/// What the fields say that HTTP itself must know.
struct Facts {
    framing: Framing,
    keep_alive: bool,
    expects_continue: bool,
}

impl Facts {
    fn gather(fields: &[Header<'_>], version: Version, method: &Method) -> Result<Facts, Close> {
        let mut host = false;
        let mut length = None;
        let mut chunked = false;
        let mut expects = false;
        let mut persist = version == Version::Http11;
        let mut close = false;
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            // Lengths first: most fields are sorted out by theirs.
            match field.name.len() {
                4 if is("host") => {
                    if std::mem::replace(&mut host, true) {
                        return Err(refuse(400, "two Host fields"));
                    }
                    target::check_host(field.value)?;
                }
                6 if is("expect") => {
                    if !field.value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(refuse(417, "an expectation other than 100-continue"));
                    }
                    expects = true;
                }
                10 if is("connection") => {
                    for option in field.value.split(|byte| *byte == b',') {
                        let option = option.trim_ascii();
                        close |= option.eq_ignore_ascii_case(b"close");
                        persist |= option.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
                14 if is("content-length") => {
                    if length.replace(parse_length(field.value)?).is_some() {
                        return Err(refuse(400, "two Content-Length fields"));
                    }
                }
                17 if is("transfer-encoding") => {
                    if std::mem::replace(&mut chunked, true) {
                        return Err(refuse(400, "two Transfer-Encoding fields"));
                    }
                    check_coding(field.value)?;
                }
                _ => {}
            }
        }
        if version == Version::Http11 && !host {
            return Err(refuse(400, "no Host field"));
        }
        let framing = match (chunked, length) {
            (true, Some(_)) => return Err(refuse(400, "both a length and a coding")),
            (true, None) if version == Version::Http10 => {
                return Err(refuse(400, "a transfer coding in HTTP/1.0"));
            }
            (true, None) => Framing::Chunked,
            (false, Some(0)) => Framing::None,
            (false, Some(length)) => Framing::Length(length),
            // In HTTP/1.0 a body without a length ended with the connection; a request's cannot.
            (false, None) if version == Version::Http10 && carries_body(method) => {
                return Err(refuse(411, "a body of unknown length"));
            }
            (false, None) => Framing::None,
        };
        let expects_continue = expects && version == Version::Http11 && framing != Framing::None;
        Ok(Facts {
            framing,
            keep_alive: persist && !close,
            expects_continue,
        })
    }
}

fn carries_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Digits and nothing else: no sign, no list, no space.
fn parse_length(value: &[u8]) -> Result<u64, Close> {
    let mut length: u64 = 0;
    for byte in value {
        if !byte.is_ascii_digit() {
            return Err(refuse(400, "a Content-Length that is no number"));
        }
        let digit = u64::from(byte - b'0');
        length = length
            .checked_mul(10)
            .and_then(|length| length.checked_add(digit))
            .ok_or(refuse(400, "a Content-Length beyond all numbers"))?;
    }
    if value.is_empty() {
        return Err(refuse(400, "an empty Content-Length"));
    }
    Ok(length)
}

/// The one coding that can be undone here is `chunked`, alone.
fn check_coding(value: &[u8]) -> Result<(), Close> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value
        .split(|byte| *byte == b',')
        .map(|coding| coding.trim_ascii());
    let known = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let proper = |coding: &[u8]| !coding.is_empty() && coding.iter().all(|b| is_token_byte(*b));
    if codings.clone().any(|coding| !proper(coding)) {
        Err(refuse(
            400,
            "a Transfer-Encoding that is no list of codings",
        ))
    } else if codings.all(known) {
        Err(refuse(400, "chunked more than once"))
    } else {
        Err(refuse(501, "a transfer coding other than chunked"))
    }
}

fn explain(error: Error, bytes: &[u8]) -> Close {
    match error {
        Error::TooManyHeaders => refuse(431, "too many fields"),
        Error::Version if names_a_version(bytes) => refuse(505, "a version other than 1.0 and 1.1"),
        Error::Version => refuse(400, "the request line ends in no version"),
        Error::Token => refuse(400, "the request line is malformed"),
        Error::HeaderName => refuse(400, "a malformed field name"),
        Error::HeaderValue => refuse(400, "a malformed field value"),
        Error::NewLine => refuse(400, "a line of the head does not end in CR LF"),
        Error::Status => refuse(400, "the request line is malformed"),
    }
}

/// Whether the request line ends in something of the form `HTTP/2.0`.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    matches!(
        line,
        [.., b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit()
    )
}
