//! Request targets and hosts: which are well-formed, and what they consist of.

use http::Method;
use memchr::memchr;

use super::bytes::{HOST, PATH, QUERY};
use super::refuse;
use crate::Close;

/// A request target, taken apart (RFC 9112, section 3.2). All of it is ASCII.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) path: &'a [u8],
    pub(super) query: Option<&'a [u8]>,
    /// Only if the target is a whole URI.
    pub(super) authority: Option<&'a [u8]>,
}

/// Takes the target that `input` begins with; what is left begins with the space behind it.
pub(super) fn take<'a>(method: &Method, input: &'a [u8]) -> Result<(Target<'a>, &'a [u8]), Close> {
    if input.first() == Some(&b'/') {
        let (path, query, rest) = take_path(input)?;
        return Ok((Target { path, query, authority: None }, rest));
    }
    let (target, rest) = match memchr(b' ', input) {
        Some(end) => input.split_at(end),
        None => return Err(refuse(400, "the request line has no version")),
    };
    if target == b"*" && *method == Method::OPTIONS {
        return Ok((Target { path: target, query: None, authority: None }, rest));
    }
    if *method == Method::CONNECT {
        return Err(refuse(501, "CONNECT: this is no proxy"));
    }
    Ok((absolute(method, target)?, rest))
}

/// `http://host/path?query`, which a server must accept though only proxies are sent it.
fn absolute<'a>(method: &Method, target: &'a [u8]) -> Result<Target<'a>, Close> {
    let after = |scheme: &[u8]| match target.split_at_checked(scheme.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(scheme) => Some(rest),
        _ => None,
    };
    let Some(rest) = after(b"http://").or_else(|| after(b"https://")) else {
        return Err(refuse(400, "the target is neither a path nor a URI"));
    };
    let is_end = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
    let end = rest.iter().position(is_end).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    check_host(authority)?;
    let (path, query, rest) = take_path(rest)?;
    if !rest.is_empty() {
        return Err(refuse(400, "a byte that no target may have"));
    }
    let path = match path {
        b"" if *method == Method::OPTIONS && query.is_none() => b"*",
        b"" => b"/",
        path => path,
    };
    Ok(Target { path, query, authority: Some(authority) })
}

/// Path, query, and what is left behind them.
type Parts<'a> = (&'a [u8], Option<&'a [u8]>, &'a [u8]);

fn take_path(input: &[u8]) -> Result<Parts<'_>, Close> {
    let (mut path, mut rest) = PATH.split(input);
    while let [b'%', after @ ..] = rest {
        check_escape(after)?;
        let more = PATH.split(after).0.len().max(2);
        (path, rest) = input.split_at(path.len() + 1 + more);
    }
    match rest.strip_prefix(b"?") {
        Some(rest) => {
            let (query, rest) = QUERY.split(rest);
            Ok((path, Some(query), rest))
        }
        None => Ok((path, None, rest)),
    }
}

/// `%` must be followed by two digits. `%00` is refused as well: there is nothing that a NUL
/// could be good for.
fn check_escape(after: &[u8]) -> Result<(), Close> {
    match after {
        [b'0', b'0', ..] => Err(refuse(400, "a NUL in the path")),
        [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => Ok(()),
        _ => Err(refuse(400, "bad percent-encoding in the path")),
    }
}

/// Refuses what is no `host [":" port]`.
pub(super) fn check_host(value: &[u8]) -> Result<(), Close> {
    let (host_ok, rest) = match value {
        [b'[', rest @ ..] => {
            let is_literal = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            let end = rest.iter().position(|byte| !is_literal(byte)).unwrap_or(rest.len());
            match rest.split_at(end) {
                (literal, [b']', rest @ ..]) => (!literal.is_empty(), rest),
                (_, rest) => (false, rest),
            }
        }
        _ => {
            let (name, rest) = HOST.split(value);
            (!name.is_empty(), rest)
        }
    };
    let port_ok = match rest {
        [] => true,
        [b':', port @ ..] => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if host_ok && port_ok { Ok(()) } else { Err(refuse(400, "a malformed host")) }
}
