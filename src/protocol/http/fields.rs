//! An iterator over the fields of a head, straight from its bytes.

use std::str;

use super::bytes::trim;

/// The fields of a head in the order they were sent, as names and values. Cheap to clone and to
/// iterate again: it allocates nothing.
///
/// ```
/// use socketserver::protocol::http::{Head, HttpLimits};
///
/// let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nAccept:  */* \r\n\r\n";
/// let head = Head::parse(bytes, &HttpLimits::default())?;
/// let fields: Vec<_> = head.fields().collect();
/// assert_eq!(fields, [("Host", b"a".as_slice()), ("Accept", b"*/*")]);
/// assert_eq!(head.fields().find("ACCEPT"), Some(b"*/*".as_slice()));
/// # Ok::<(), socketserver::Close>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// Complete lines, each with its CR LF; checked when the head was parsed.
    lines: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(lines: &'a [u8]) -> Fields<'a> {
        Fields { lines }
    }

    /// The value of the first field of this name, in whatever case it is written.
    #[must_use]
    pub fn find(mut self, name: &str) -> Option<&'a [u8]> {
        self.find_map(|(n, value)| n.eq_ignore_ascii_case(name).then_some(value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<(&'a str, &'a [u8])> {
        let end = memchr::memchr(b'\n', self.lines)?;
        let (line, rest) = self.lines.split_at(end + 1);
        self.lines = rest;
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at(colon);
        let name = str::from_utf8(name).ok()?;
        let value = value.get(1..value.len() - "\r\n".len()).unwrap_or_default();
        Some((name, trim(value)))
    }
}
