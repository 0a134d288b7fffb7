//! Hosts: the rule for them, and a cache of the host that nearly all requests name.

use std::cell::RefCell;
use std::str;

use memchr::memchr;

use super::bytes::{DIGIT, HEX_DIGIT, HOST, check_escape};
use super::refusal::{Parsed, Refusal};

/// Parses the `host [":" port]` at `at`, and returns its end.
pub(super) fn take(input: &[u8], at: usize) -> Parsed<usize> {
    let host_end = match input.get(at) {
        Some(b'[') => take_literal(input, at)?,
        _ => take_name(input, at)?,
    };
    if host_end == at {
        return Err(&Refusal { code: 400, why: "an empty host" });
    }
    if input.get(host_end) != Some(&b':') {
        return Ok(host_end);
    }
    let end = DIGIT.end(input, host_end + 1);
    if end - host_end > 6 {
        return Err(&Refusal { code: 400, why: "a port of more than five digits" });
    }
    Ok(end)
}

/// Parses a name (`reg-name`).
fn take_name(input: &[u8], at: usize) -> Parsed<usize> {
    let mut end = HOST.end(input, at);
    while input.get(end) == Some(&b'%') {
        check_escape(input.get(end + 1..).unwrap_or_default())?;
        end = HOST.end(input, end + 1);
    }
    Ok(end)
}

/// Parses an IPv6 address, or one of a later version, in brackets.
#[cold]
fn take_literal(input: &[u8], at: usize) -> Parsed<usize> {
    let rest = input.get(at + 1..).unwrap_or_default();
    let end = memchr(b']', rest).unwrap_or(0);
    let literal = rest.get(..end).and_then(|literal| str::from_utf8(literal).ok());
    match literal.map(str::parse::<std::net::Ipv6Addr>) {
        Some(Ok(_)) => Ok(at + 1 + end + 1),
        Some(Err(_)) if literal.is_some_and(is_future) => Ok(at + 1 + end + 1),
        _ => Err(&Refusal { code: 400, why: "a malformed host" }),
    }
}

/// Returns true for an address of a version after 6 (`IPvFuture` of RFC 3986, section 3.2.2).
fn is_future(literal: &str) -> bool {
    let parts = literal.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(version, address)| {
        let is_address = |byte: u8| byte == b':' || HOST.has(byte);
        HEX_DIGIT.has_all(version.as_bytes())
            && !address.is_empty()
            && address.bytes().all(is_address)
    })
}

/// The longest Host line that is cached.
const LINE_MAX: usize = 64;

/// A Host line that is known to be well-formed, with its CR LF.
struct KnownLine {
    bytes: [u8; LINE_MAX],
    len: usize,
}

thread_local! {
    // A cache, not state: a line that was well-formed once always is. Servers have few names, so
    // the cache saves most requests the check of half their bytes.
    static LAST: RefCell<KnownLine> =
        const { RefCell::new(KnownLine { bytes: [0; LINE_MAX], len: 0 }) };
}

/// Returns the end of the line at `at` if it is the cached Host line.
#[inline]
pub(super) fn known_line(input: &[u8], at: usize) -> Option<usize> {
    LAST.with_borrow(|known| {
        let line = known.bytes.get(..known.len)?;
        let rest = input.get(at..)?;
        (!line.is_empty() && rest.starts_with(line)).then_some(at + line.len())
    })
}

/// Caches a well-formed Host line.
pub(super) fn remember_line(line: &[u8]) {
    LAST.with_borrow_mut(|known| {
        if let Some(place) = known.bytes.get_mut(..line.len()) {
            place.copy_from_slice(line);
            known.len = line.len();
        }
    });
}
