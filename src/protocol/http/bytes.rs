//! Which bytes may stand where (RFC 9110, section 5, and RFC 3986).

/// A set of bytes that is asked with one look.
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

    /// Letters, digits, and these.
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
        // In bounds for every byte: no check of it is left in the program.
        self.0[usize::from(byte)]
    }

    /// Where the first byte at or behind `from` stands that does not belong; the end of `input`
    /// if they all do.
    ///
    /// Not inlined: the loops keep all they need in registers, and their caller too.
    #[inline(never)]
    pub(super) fn end(&self, input: &[u8], from: usize) -> usize {
        let mut at = from;
        let mut rest = input.get(from..).unwrap_or_default();
        // Four at a time, which halves the work.
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

    /// Whether all of it belongs, and there is any.
    pub(super) fn has_all(&self, input: &[u8]) -> bool {
        !input.is_empty() && self.end(input, 0) == input.len()
    }
}

/// What ports are made of.
pub(super) static DIGIT: Bytes = Bytes::of(b"0123456789");
/// What methods and field names are made of.
pub(super) static TOKEN: Bytes = Bytes::alphanumeric_and(b"!#$%&'*+-.^_`|~");
/// What paths are made of (`pchar` and `/`), but for percent-encoding.
pub(super) static PATH: Bytes = Bytes::alphanumeric_and(b"/-._~!$&'()*+,;=:@");
/// What queries are made of. More than RFC 3986 has: browsers send `|`, `{` and the like as they
/// are, and nothing hangs on it.
pub(super) static QUERY: Bytes = Bytes::alphanumeric_and(b"/?%-._~!$&'()*+,;=:@[]{}|\\^`");
/// What host names are made of (`reg-name`), but for percent-encoding, which none needs.
pub(super) static HOST: Bytes = Bytes::alphanumeric_and(b"-._~!$&'()*+,;=");

/// Whether it may stand in the value of a field: visible bytes, space, tab, and what lies
/// beyond ASCII.
pub(super) fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Whether all of it may. It looks at every byte, which lets it look at many at once.
pub(super) fn is_field_value(value: &[u8]) -> bool {
    value.iter().fold(true, |ok, byte| ok & is_field_byte(*byte))
}

/// Where the first byte at or behind `from` stands that is neither space nor tab, which is all
/// that white space means here.
#[inline]
pub(super) fn skip_space(input: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(b' ' | b'\t') = input.get(at) {
        at += 1;
    }
    at
}

/// Without the white space around it.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let mut value = value.get(skip_space(value, 0)..).unwrap_or_default();
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
