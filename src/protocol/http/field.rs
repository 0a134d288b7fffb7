//! One field of a head: its name, its value and the end of its line.

use memchr::memchr;

use super::bytes::{TOKEN, is_field_value, skip_space};
use super::framing::Facts;
use super::host;
use super::refusal::{Parsed, Refusal};
use super::steps::{name_len, plain_len};
use super::target::Span;

/// Parses the field that `input` begins with, and returns the input after its line.
///
/// A field of plain ASCII is parsed in steps of several bytes. Every other one, the Host field and
/// every malformed one are left to [`take_by_bytes`], which alone refuses.
#[inline(always)]
pub(super) fn take<'a>(input: &'a [u8], authority: Span, facts: &mut Facts) -> Parsed<&'a [u8]> {
    if let Some((name, [b':', after @ ..])) = input.split_at_checked(name_len(input))
        && let Some((value, [b'\r', b'\n', rest @ ..])) = after.split_at_checked(plain_len(after))
        && !name.is_empty()
        && !is_host(name)
    {
        return facts.note(name, value).map(|()| rest);
    }
    take_by_bytes(input, authority, facts)
}

fn is_host(name: &[u8]) -> bool {
    name.len() == 4 && name.eq_ignore_ascii_case(b"host")
}

/// Parses any field, with one check for each byte.
#[inline(never)]
fn take_by_bytes<'a>(input: &'a [u8], authority: Span, facts: &mut Facts) -> Parsed<&'a [u8]> {
    let colon = TOKEN.end(input, 0);
    let name = input.get(..colon).unwrap_or_default();
    if name.is_empty() || input.get(colon) != Some(&b':') {
        return Err(&Refusal { code: 400, why: "a malformed field name" });
    }
    let start = skip_space(input, colon + 1);
    let end = if is_host(name) {
        facts.note_host()?;
        if let Some(end) = host::known_line(input, 0) {
            return Ok(input.get(end..).unwrap_or_default());
        }
        take_host(input, start, authority)?
    } else {
        let rest = input.get(start..).unwrap_or_default();
        let value = rest.get(..memchr(b'\r', rest).unwrap_or(rest.len())).unwrap_or_default();
        if !is_field_value(value) {
            return Err(&Refusal { code: 400, why: "a malformed field value" });
        }
        facts.note(name, value)?;
        start + value.len()
    };
    match input.get(end..) {
        Some([b'\r', b'\n', rest @ ..]) => Ok(rest),
        _ => Err(&Refusal { code: 400, why: "a malformed host or line end" }),
    }
}

/// Parses the host at `start` of the Host line that `input` begins with, and returns its end.
#[inline]
fn take_host(input: &[u8], start: usize, authority: Span) -> Parsed<usize> {
    // No host is known for a target without an authority (RFC 9112, section 3.2). The cache has no
    // empty line, because the next target may have an authority.
    if input.get(start) == Some(&b'\r') && !authority.is_there() {
        return Ok(start);
    }
    let end = skip_space(input, host::take(input, start)?);
    if input.get(end..end + 2) == Some(b"\r\n") {
        host::remember_line(input.get(..end + 2).unwrap_or_default());
    }
    Ok(end)
}

#[cfg(test)]
mod tests;
