//! Request targets and hosts: which are well-formed, and what they consist of.

use http::Method;

use super::refuse;
use crate::Close;

/// A request target, taken apart (RFC 9112, section 3.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// Only if the target is a whole URI.
    pub(super) authority: Option<&'a str>,
}

pub(super) fn parse<'a>(method: &Method, target: &'a str) -> Result<Target<'a>, Close> {
    if target.starts_with('/') {
        let (path, query) = split_path(target)?;
        return Ok(Target {
            path,
            query,
            authority: None,
        });
    }
    if target == "*" && *method == Method::OPTIONS {
        return Ok(Target {
            path: target,
            query: None,
            authority: None,
        });
    }
    if *method == Method::CONNECT {
        return Err(refuse(501, "CONNECT: this is no proxy"));
    }
    absolute(method, target)
}

/// `http://host/path?query`, which a server must accept though only proxies are sent it.
fn absolute<'a>(method: &Method, target: &'a str) -> Result<Target<'a>, Close> {
    let scheme = |name: &str| match target.get(..name.len()) {
        Some(start) if start.eq_ignore_ascii_case(name) => target.get(name.len()..),
        _ => None,
    };
    let Some(rest) = scheme("http://").or_else(|| scheme("https://")) else {
        return Err(refuse(400, "the target is neither a path nor a URI"));
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    check_host(authority.as_bytes())?;
    let (path, query) = split_path(rest)?;
    let path = match path {
        "" if *method == Method::OPTIONS && query.is_none() => "*",
        "" => "/",
        path => path,
    };
    Ok(Target {
        path,
        query,
        authority: Some(authority),
    })
}

fn split_path(text: &str) -> Result<(&str, Option<&str>), Close> {
    let len = check_path(text)?;
    let (path, rest) = text.split_at(len);
    match rest.strip_prefix('?') {
        Some(query) if query.bytes().all(is_query_byte) => Ok((path, Some(query))),
        Some(_) => Err(refuse(400, "a byte that no query may have")),
        None => Ok((path, None)),
    }
}

/// How long the path is that `text` begins with; every byte up to the query must be allowed in
/// one and every `%` must be followed by two digits. `%00` is refused as well: there is nothing
/// it could be good for.
fn check_path(text: &str) -> Result<usize, Close> {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if PATH.contains(byte) {
            continue;
        }
        match byte {
            b'?' => return Ok(at),
            b'%' => {
                let digits = (bytes.next(), bytes.next());
                let (Some((_, high)), Some((_, low))) = digits else {
                    return Err(refuse(400, "bad percent-encoding in the path"));
                };
                if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
                    return Err(refuse(400, "bad percent-encoding in the path"));
                }
                if (high, low) == (b'0', b'0') {
                    return Err(refuse(400, "a NUL in the path"));
                }
            }
            _ => return Err(refuse(400, "a byte that no path may have")),
        }
    }
    Ok(text.len())
}

/// Lenient here: browsers send `|`, `{` and the like as they are, and nothing hangs on it.
fn is_query_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'#' | b'"' | b'<' | b'>')
}

/// A set of bytes that is asked with one look.
struct Bytes([bool; 256]);

impl Bytes {
    const fn of(allowed: &[u8]) -> Bytes {
        let mut set = [false; 256];
        let mut i = 0;
        while i < 256 {
            set[i] = (i as u8).is_ascii_alphanumeric();
            i += 1;
        }
        i = 0;
        while i < allowed.len() {
            set[allowed[i] as usize] = true;
            i += 1;
        }
        Bytes(set)
    }

    fn contains(&self, byte: u8) -> bool {
        // In bounds for every byte, so no check is left of this in the program.
        self.0[usize::from(byte)]
    }
}

/// RFC 3986, section 3.3: `pchar` and `/`, but for `%`.
static PATH: Bytes = Bytes::of(b"/-._~!$&'()*+,;=:@");
/// RFC 3986, section 3.2.2: `reg-name`, but for percent-encoding, which no host name needs.
static HOST: Bytes = Bytes::of(b"-._~!$&'()*+,;=");
/// Within the brackets of an IP literal.
static LITERAL: Bytes = Bytes::of(b":.");

/// Refuses what is no `host [":" port]`.
pub(super) fn check_host(value: &[u8]) -> Result<(), Close> {
    let (host_ok, rest) = match value {
        [b'[', rest @ ..] => {
            let end = rest
                .iter()
                .position(|byte| *byte == b']')
                .unwrap_or(rest.len());
            let (literal, rest) = rest.split_at(end);
            let ok = !literal.is_empty() && literal.iter().all(|byte| LITERAL.contains(*byte));
            match rest {
                [b']', rest @ ..] => (ok, rest),
                _ => (false, rest),
            }
        }
        _ => {
            let end = value
                .iter()
                .position(|byte| !HOST.contains(*byte))
                .unwrap_or(value.len());
            let (name, rest) = value.split_at(end);
            (!name.is_empty(), rest)
        }
    };
    let port_ok = match rest {
        [] => true,
        [b':', port @ ..] => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if host_ok && port_ok {
        Ok(())
    } else {
        Err(refuse(400, "a malformed host"))
    }
}
