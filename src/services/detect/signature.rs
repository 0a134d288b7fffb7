//! Signatures: functions of the first bytes of a connection that recognise its protocol. Knows no
//! connection and no service.

/// The answer of a signature to the first bytes of a connection. [`Detect`](super::Detect) has an
/// example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The bytes begin a connection of this protocol.
    Yes,
    /// The bytes begin a connection of another protocol.
    No,
    /// The bytes may begin either: more of them decide.
    NeedMore,
}

/// The longest method that is known as one, in bytes. The registry of IANA has none above 17.
const METHOD_MAX: usize = 32;

/// The signature of HTTP/1.x: a request line up to the name of its version, as `GET / HTTP/`
/// (RFC 9112, section 3). So a line of text is not taken for a request by its first word, and any
/// method is: the service for HTTP answers unknown ones. The longest method has 32 bytes. An empty
/// line before the request line makes it text.
///
/// ```
/// use socketserver::services::detect::{Verdict, http};
///
/// assert_eq!(http(b"GET /index.html HTTP/1.1\r\n"), Verdict::Yes);
/// assert_eq!(http(b"G"), Verdict::NeedMore);
/// assert_eq!(http(b"Good morning, all\n"), Verdict::No);
/// assert_eq!(http(b"GET / and read it\n"), Verdict::No);
/// ```
#[must_use]
pub fn http(input: &[u8]) -> Verdict {
    let first = &input[..input.len().min(METHOD_MAX + 1)];
    let Some(end) = first.iter().position(|byte| !is_token(*byte)) else {
        return if input.len() > METHOD_MAX { Verdict::No } else { Verdict::NeedMore };
    };
    if end == 0 || input[end] != b' ' {
        return Verdict::No;
    }
    let rest = &input[end + 1..];
    match rest.iter().position(|byte| *byte <= b' ' || *byte == b'\x7f') {
        None => Verdict::NeedMore,
        Some(end) if end > 0 && rest[end] == b' ' => begins_with(&rest[end + 1..], b"HTTP/"),
        Some(_) => Verdict::No,
    }
}

/// Returns true for the characters of a method (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Returns the signature of a protocol that begins with these bytes.
///
/// ```
/// use socketserver::services::detect::{Verdict, starts_with};
///
/// let signature = starts_with(b"*1\r\n");
/// assert_eq!(signature(b"*1\r\n$4\r\nPING\r\n"), Verdict::Yes);
/// assert_eq!(signature(b"*1"), Verdict::NeedMore);
/// assert_eq!(signature(b"*2"), Verdict::No);
/// ```
pub fn starts_with(bytes: &'static [u8]) -> impl Fn(&[u8]) -> Verdict + Send + Sync + 'static {
    move |input| begins_with(input, bytes)
}

fn begins_with(input: &[u8], bytes: &[u8]) -> Verdict {
    match input.len() >= bytes.len() {
        true if input.starts_with(bytes) => Verdict::Yes,
        false if bytes.starts_with(input) => Verdict::NeedMore,
        _ => Verdict::No,
    }
}
