//! HTTP answers as a client reads them.

/// An answer, as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// From the first line.
    pub status: u16,
    /// In order.
    pub fields: Vec<(String, String)>,
    /// Without chunk sizes.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the value of a field, which must not occur twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "two {name} fields in {self:?}");
        value
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn says_close(&self) -> bool {
        self.field("connection") == Some("close")
    }
}

/// Returns the answers to requests with these methods; no bytes may be left over.
pub fn answers(methods: &[&str], bytes: &[u8]) -> Vec<Answer> {
    let mut rest = bytes;
    let mut found = Vec::new();
    for method in methods {
        let Some((answer, len)) = answer(method, rest) else {
            panic!("no whole answer to {method} in {}", rest.escape_ascii());
        };
        found.push(answer);
        rest = &rest[len..];
    }
    assert!(rest.is_empty(), "more than was asked for: {}", rest.escape_ascii());
    found
}

/// Returns the answer at the front of `bytes` and its length; `None` if it is incomplete. An answer
/// without a length ends with the bytes.
pub fn answer(method: &str, bytes: &[u8]) -> Option<(Answer, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(len) = head.parse(bytes).expect("a well-formed answer") else {
        return None;
    };
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let fields = head.headers.iter().map(|f| (f.name.to_owned(), text(f.value))).collect();
    let mut answer = Answer { status: head.code.unwrap(), fields, body: Vec::new() };
    let mut rest = &bytes[len..];
    let length = answer.field("content-length").map(|length| length.parse::<usize>().unwrap());
    let coding = answer.field("transfer-encoding").map(str::to_owned);
    assert!(length.is_none() || coding.is_none(), "both a length and a coding: {answer:?}");
    if method == "HEAD" || matches!(answer.status, 100..=199 | 204 | 304) {
        return Some((answer, len));
    }
    if coding.is_some() {
        while let Some((piece, after)) = chunk(rest)? {
            answer.body.extend_from_slice(piece);
            rest = after;
        }
        // The size line of the last chunk, and no trailers.
        return Some((answer, bytes.len() - rest.len() + "0\r\n\r\n".len()));
    }
    answer.body = rest.get(..length.unwrap_or(rest.len()))?.to_vec();
    let len = len + answer.body.len();
    Some((answer, len))
}

/// Returns one chunk and the bytes after it, or `Some(None)` for the last.
fn chunk(bytes: &[u8]) -> Option<Option<(&[u8], &[u8])>> {
    let httparse::Status::Complete((at, size)) = httparse::parse_chunk_size(bytes).unwrap() else {
        return None;
    };
    let size = usize::try_from(size).unwrap();
    let data = bytes.get(at..at + size)?;
    let after = bytes.get(at + size..)?.split_at_checked(2)?;
    assert_eq!(after.0, b"\r\n", "a chunk without its end");
    Some((size > 0).then_some((data, after.1)))
}
