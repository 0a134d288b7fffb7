//! The lines around chunks (RFC 9112, section 7.1). Strict: bytes that one parser skips and another
//! reads allow request smuggling.

use memchr::memchr;

use super::bytes::{TOKEN, is_field_byte, is_field_value, skip_space};
use super::refusal::{Parsed, Refusal};

/// The longest line of a chunk's size, in bytes, including extensions.
const SIZE_LINE_MAX: usize = 256;
/// The most hexadecimal digits of a size: 64 bits.
const SIZE_DIGITS_MAX: usize = 16;

/// Returns the size at the start of `input` and the length of its line; `None` if the line is
/// incomplete.
pub(super) fn size(input: &[u8]) -> Parsed<Option<(u64, usize)>> {
    let too_long = &Refusal { code: 400, why: "a chunk size line that is too long" };
    let Some((text, len)) = line(input, SIZE_LINE_MAX, too_long)? else { return Ok(None) };
    let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = text.split_at(digits);
    if digits.is_empty() || digits.len() > SIZE_DIGITS_MAX {
        return Err(&Refusal { code: 400, why: "a chunk size that is not a number" });
    }
    let mut size = 0;
    for digit in digits {
        let value = char::from(*digit).to_digit(16).unwrap_or_default();
        size = size << 4 | u64::from(value);
    }
    check_extensions(extensions)?;
    Ok(Some((size, len)))
}

/// Returns a line of trailers, or the empty one that ends the body, and its length; `None` if the
/// line is incomplete. `room` bytes of trailers are still allowed.
pub(super) fn trailer(input: &[u8], room: usize) -> Parsed<Option<(&[u8], usize)>> {
    // The empty line that ends the trailers does not count.
    match input {
        [b'\r', b'\n', ..] => return Ok(Some((b"", 2))),
        [b'\r'] => return Ok(None),
        _ => {}
    }
    let too_long = &Refusal { code: 431, why: "trailers that are too long" };
    let Some((text, len)) = line(input, room, too_long)? else { return Ok(None) };
    let colon =
        memchr(b':', text).ok_or(&Refusal { code: 400, why: "a trailer without a colon" })?;
    let (name, value) = text.split_at(colon);
    if !TOKEN.has_all(name) {
        return Err(&Refusal { code: 400, why: "a malformed trailer name" });
    }
    if !is_field_value(value) {
        return Err(&Refusal { code: 400, why: "a malformed trailer value" });
    }
    Ok(Some((text, len)))
}

/// Returns the line at the start of `input`, without its CR LF, and its length including that. A
/// line of more than `max` bytes is `too_long`, whether or not its end has arrived.
fn line<'a>(
    input: &'a [u8],
    max: usize,
    too_long: &'static Refusal,
) -> Parsed<Option<(&'a [u8], usize)>> {
    let visible = input.get(..max).unwrap_or(input);
    match memchr(b'\n', visible) {
        Some(at) => match visible.get(..=at).and_then(|line| line.strip_suffix(b"\r\n")) {
            Some(text) => Ok(Some((text, at + 1))),
            None => Err(&Refusal { code: 400, why: "a line of the body does not end in CR LF" }),
        },
        None if input.len() >= max => Err(too_long),
        None => Ok(None),
    }
}

/// Checks any number of `;name`, `;name=value` and `;name="value"`, with white space around the
/// delimiters (RFC 9112, section 7.1.1). None may end the line: after it a parser that trims and
/// one that does not would see different sizes.
fn check_extensions(mut rest: &[u8]) -> Parsed<()> {
    let bad = || &Refusal { code: 400, why: "a malformed chunk extension" };
    while let Some(extension) = after(b';', rest) {
        let name_len = TOKEN.end(extension, 0);
        if name_len == 0 {
            return Err(bad());
        }
        rest = extension.get(name_len..).unwrap_or_default();
        let Some(value) = after(b'=', rest) else {
            continue;
        };
        let len = match value {
            [b'"', quoted @ ..] => quoted_len(quoted).ok_or_else(bad)? + 1,
            _ => TOKEN.end(value, 0),
        };
        if len == 0 {
            return Err(bad());
        }
        rest = value.get(len..).unwrap_or_default();
    }
    if rest.is_empty() { Ok(()) } else { Err(bad()) }
}

/// Returns the text after `delimiter` and the white space around it, if `text` begins with these.
fn after(delimiter: u8, text: &[u8]) -> Option<&[u8]> {
    let at = skip_space(text, 0);
    let is_there = text.get(at) == Some(&delimiter);
    text.get(skip_space(text, at + 1)..).filter(|_| is_there)
}

/// Returns the length of a quoted string after its opening quote, including the closing one.
fn quoted_len(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes.iter().enumerate();
    while let Some((at, byte)) = rest.next() {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => {
                rest.next().filter(|(_, escaped)| is_field_byte(**escaped))?;
            }
            byte if is_field_byte(*byte) => {}
            _ => return None,
        }
    }
    None
}
