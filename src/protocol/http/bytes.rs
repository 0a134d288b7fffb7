//! The bytes that are allowed in each place (RFC 9110, section 5, and RFC 3986).

use super::refusal::{Parsed, Refusal};

/// A set of bytes as a table, so that a test is one load.
pub(super) struct Bytes([bool; 256]);

impl Bytes {
    const fn of(members: &[u8]) -> Bytes {
        let mut set = [false; 256];
        let mut i = 0;
        while i < members.len() {
            set[members[i] as usize] = true;
            i += 1;
        }
        Bytes(set)
    }

    /// Letters, digits and `others`.
    const fn alphanumeric_and(others: &[u8]) -> Bytes {
        let mut set = Bytes::of(others).0;
        let mut i = 0;
        while i < 256 {
            set[i] |= (i as u8).is_ascii_alphanumeric();
            i += 1;
        }
        Bytes(set)
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        // In bounds for every byte, so the compiler leaves no check.
        self.0[usize::from(byte)]
    }

    /// Returns the position of the first byte at or after `from` that is not in the set, or the
    /// length of `input`.
    ///
    /// Not inlined, so that the loops of this function and of its caller keep their variables in
    /// registers.
    #[inline(never)]
    pub(super) fn end(&self, input: &[u8], from: usize) -> usize {
        let mut at = from;
        let mut rest = input.get(from..).unwrap_or_default();
        // Four bytes at a time take half the time.
        while let [a, b, c, d, tail @ ..] = rest {
            if !(self.has(*a) & self.has(*b) & self.has(*c) & self.has(*d)) {
                let before = [self.has(*a), self.has(*b), self.has(*c)];
                return at + before.iter().take_while(|ok| **ok).count();
            }
            at += 4;
            rest = tail;
        }
        at + rest.iter().take_while(|byte| self.has(**byte)).count()
    }

    /// Returns true if `input` is not empty and all of its bytes are in the set.
    pub(super) fn has_all(&self, input: &[u8]) -> bool {
        !input.is_empty() && self.end(input, 0) == input.len()
    }
}

/// The bytes of ports.
pub(super) static DIGIT: Bytes = Bytes::of(b"0123456789");
/// The digits of percent-encoding and of versions of addresses.
pub(super) static HEX_DIGIT: Bytes = Bytes::of(b"0123456789ABCDEFabcdef");
/// The bytes of methods and field names.
pub(super) static TOKEN: Bytes = Bytes::alphanumeric_and(b"!#$%&'*+-.^_`|~");
/// The bytes of paths (`pchar` and `/`), except for percent-encoding, and those that the URL
/// standard of WHATWG does not encode either. That turns `\` into `/` and encodes `{`, `}` and the
/// backtick.
pub(super) static PATH: Bytes = Bytes::alphanumeric_and(b"/-._~!$&'()*+,;=:@[]|^");
/// The bytes of queries: all visible ones that the URL standard of WHATWG does not encode there.
pub(super) static QUERY: Bytes = Bytes::alphanumeric_and(b"/?%-._~!$&'()*+,;=:@[]{}|\\^`");
/// The bytes of host names (`reg-name`), except for percent-encoding.
pub(super) static HOST: Bytes = Bytes::alphanumeric_and(b"-._~!$&'()*+,;=");

/// Checks that two digits follow a `%`. `%00` is refused as well: no path and no host needs a NUL.
pub(super) fn check_escape(after: &[u8]) -> Parsed<()> {
    match after {
        [b'0', b'0', ..] => Err(&Refusal { code: 400, why: "an encoded NUL" }),
        [high, low, ..] if HEX_DIGIT.has(*high) && HEX_DIGIT.has(*low) => Ok(()),
        _ => Err(&Refusal { code: 400, why: "bad percent-encoding" }),
    }
}

/// Returns true if the byte may occur in the value of a field: a visible byte, space, tab, or a
/// byte beyond ASCII.
pub(super) fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Returns true if all bytes may occur in the value of a field. Checks every byte, without an early
/// exit, so that the compiler can use vector instructions.
pub(super) fn is_field_value(value: &[u8]) -> bool {
    value.iter().fold(true, |ok, byte| ok & is_field_byte(*byte))
}

/// Returns true if `text` is a token (RFC 9110, section 5.6.2).
#[cfg(feature = "ws")]
pub(crate) fn is_token(text: &[u8]) -> bool {
    TOKEN.has_all(text)
}

/// Returns true if `line` is a whole line of a field: a name, a colon, a value, and CR LF.
#[cfg(feature = "ws")]
pub(crate) fn is_field_line(line: &[u8]) -> bool {
    let Some((name, [b':', value @ .., b'\r', b'\n'])) = line.split_at_checked(TOKEN.end(line, 0))
    else {
        return false;
    };
    !name.is_empty() && is_field_value(value)
}

/// Returns the position of the first byte at or after `from` that is neither space nor tab, the
/// only white space of HTTP.
#[inline]
pub(super) fn skip_space(input: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(b' ' | b'\t') = input.get(at) {
        at += 1;
    }
    at
}

/// Returns `value` without surrounding white space.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let mut value = value.get(skip_space(value, 0)..).unwrap_or_default();
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
