//! Which bytes may stand where (RFC 9110, section 5, and RFC 3986).

/// A set of bytes that is asked with one look.
pub(super) struct Bytes([bool; 256]);

impl Bytes {
    /// Letters, digits, and these.
    const fn alphanumeric_and(others: &[u8]) -> Bytes {
        let mut set = [false; 256];
        let mut i = 0;
        while i < 256 {
            set[i] = (i as u8).is_ascii_alphanumeric();
            i += 1;
        }
        i = 0;
        while i < others.len() {
            set[others[i] as usize] = true;
            i += 1;
        }
        Bytes(set)
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        // In bounds for every byte: no check of it is left in the program.
        self.0[usize::from(byte)]
    }

    /// Cuts `input` in front of the first byte that does not belong.
    pub(super) fn split<'a>(&self, input: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let end = input.iter().position(|byte| !self.has(*byte)).unwrap_or(input.len());
        input.split_at(end)
    }
}

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

/// Without the white space around it, which means space and tab and no more.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut value = value;
    while let [first, rest @ ..] = value {
        if !is_space(first) {
            break;
        }
        value = rest;
    }
    while let [rest @ .., last] = value {
        if !is_space(last) {
            break;
        }
        value = rest;
    }
    value
}
