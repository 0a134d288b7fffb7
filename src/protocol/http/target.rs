//! Request targets: the rules for them, and their parts.

use super::bytes::{PATH, QUERY, check_escape};
use super::host;
use super::refusal::{Parsed, Refusal};
use super::verb::Verb;

/// A range of bytes in a head. No range begins at 0, because the method comes first, so the default
/// means that the part is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// Heads are limited to 64 KiB.
    pub(super) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u16, end: end as u16 }
    }

    pub(super) fn is_there(self) -> bool {
        self.start != 0
    }

    pub(super) fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The parts of a request target (RFC 9112, section 3.2), in ASCII.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target {
    /// Empty if a complete URI has no path.
    pub(super) path: Span,
    pub(super) query: Span,
    /// Only if the target is a complete URI.
    pub(super) authority: Span,
}

/// Parses the target at `at`, and returns its end.
#[inline]
pub(super) fn take(verb: Verb, input: &[u8], at: usize) -> Parsed<(Target, usize)> {
    if input.get(at) != Some(&b'/') || verb == Verb::Connect {
        return take_other(verb, input, at);
    }
    let end = PATH.end(input, at);
    if input.get(end) == Some(&b' ') {
        return Ok((Target { path: Span::new(at, end), ..Target::default() }, end));
    }
    take_path(input, at, end)
}

/// Parses a path that begins at `at` and is well-formed up to `end`, and the query after it.
fn take_path(input: &[u8], at: usize, mut end: usize) -> Parsed<(Target, usize)> {
    while input.get(end) == Some(&b'%') {
        check_escape(input.get(end + 1..).unwrap_or_default())?;
        end = PATH.end(input, end + 1);
    }
    let mut target = Target { path: Span::new(at, end), ..Target::default() };
    if input.get(end) == Some(&b'?') {
        let start = end + 1;
        end = QUERY.end(input, start);
        target.query = Span::new(start, end);
    }
    Ok((target, end))
}

/// Parses a target that is not just a path.
#[cold]
fn take_other(verb: Verb, input: &[u8], at: usize) -> Parsed<(Target, usize)> {
    let rest = input.get(at..).unwrap_or_default();
    if rest.starts_with(b"* ") && verb == Verb::Options {
        return Ok((Target { path: Span::new(at, at + 1), ..Target::default() }, at + 1));
    }
    if verb == Verb::Connect {
        return Err(&Refusal { code: 501, why: "CONNECT: this server is not a proxy" });
    }
    // `http://host/path?query`, which a server must accept though only proxies receive it.
    let has_scheme = |scheme: &[u8]| {
        rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let start = match (has_scheme(b"http://"), has_scheme(b"https://")) {
        (true, _) => at + "http://".len(),
        (_, true) => at + "https://".len(),
        _ => return Err(&Refusal { code: 400, why: "the target is neither a path nor a URI" }),
    };
    let end = host::take(input, start)?;
    let authority = Span::new(start, end);
    let (target, end) = match input.get(end) {
        Some(b'/' | b'?') => take_path(input, end, PATH.end(input, end))?,
        _ => (Target { path: Span::new(end, end), ..Target::default() }, end),
    };
    Ok((Target { authority, ..target }, end))
}
