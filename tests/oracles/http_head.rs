//! Heads of requests: parsed alike however they are cut and after any earlier head. A second parser
//! reads accepted heads in the same way.

use std::str;
use std::sync::Arc;

use socketserver::protocol::http::{Head, HttpLimits, Message, Version};
use socketserver::testkit::laws_in_parts;

use super::input::Input;
use super::watched::{Watched, show, show_head};

/// The most fields of a head in these tests, with limits above the defaults.
const FIELDS_MAX: usize = 128;

/// Checks the decoder against the laws of a protocol, and each head against `httparse`.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let limits = Arc::new(match input.flavour {
        0..4 => HttpLimits::default(),
        4 | 5 => HttpLimits::default().request_line(40).head(100).fields(3),
        _ => HttpLimits::default().request_line(20).head(300).body(30),
    });
    let show = |message: Message<'_>, seen: &mut Vec<u8>| {
        if let Message::Head(head) = &message {
            read_again(head, &limits);
            same_to_both(head, head.as_bytes());
            check_framing(head);
        }
        show(message, seen);
    };
    let _ = laws_in_parts(|| Watched::new(&limits), show, &input.parts());
}

/// Parses a head after another one: the parser caches a Host line, which must not matter.
fn read_again(head: &Head<'_>, limits: &HttpLimits) {
    Head::parse(b"GET / HTTP/1.1\r\nHost: another.example\r\n\r\n", limits).unwrap();
    let again = Head::parse(head.as_bytes(), limits).expect("accepted before");
    let [mut once, mut twice] = [Vec::new(), Vec::new()];
    show_head(head, &mut once);
    show_head(&again, &mut twice);
    assert!(once == twice, "{} depends on what was before", head.as_bytes().escape_ascii());
}

/// Checks that the end of the body is declared once and clearly, so that a proxy sees the same end.
fn check_framing(head: &Head<'_>) {
    let all = |name: &str| {
        let fields = head.fields().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| str::from_utf8(value).unwrap_or("?")).collect::<Vec<&str>>()
    };
    let shown = head.as_bytes().escape_ascii();
    match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => assert_eq!(head.content_length(), Some(0), "{shown}"),
        ([length], []) => assert_eq!(head.content_length(), length.parse().ok(), "{shown}"),
        ([], [coding]) => {
            assert!(coding.eq_ignore_ascii_case("chunked"), "{shown}");
            assert_eq!(head.content_length(), None, "{shown}");
        }
        _ => panic!("more than one end: {shown}"),
    }
    let hosts = all("host").len();
    assert!(hosts == 1 || hosts == 0 && head.version() == Version::Http10, "{shown}");
}

/// Checks that `httparse` parses `input`, the bytes of `head`, in the same way.
pub fn same_to_both(head: &Head<'_>, input: &[u8]) {
    let shown = input.escape_ascii();
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut other = httparse::Request::new(&mut fields);
    // A later minor version is treated as 1.1; `httparse` knows none.
    let line_len = input.iter().position(|byte| *byte == b'\r').unwrap_or_default();
    let mut known = input.to_vec();
    if let Some(minor @ b'2'..=b'9') = known[..line_len].last_mut() {
        *minor = b'1';
    }
    match other.parse(&known) {
        Ok(httparse::Status::Complete(len)) => assert_eq!(len, input.len(), "{shown}"),
        end => panic!("httparse says {end:?} to {shown}"),
    }
    assert_eq!(other.method, Some(head.method().as_str()), "{shown}");
    let minor = if head.version() == Version::Http11 { 1 } else { 0 };
    assert_eq!(other.version, Some(minor), "{shown}");
    assert_eq!(other.path, Some(target(head).as_str()), "{shown}");
    let theirs = other.headers.iter().map(|field| (field.name, field.value));
    assert!(head.fields().eq(theirs), "{shown}");
}

/// Rebuilds the target of the request line.
fn target(head: &Head<'_>) -> String {
    let line = head.as_bytes().split(|byte| *byte == b'\r').next().unwrap();
    let sent = str::from_utf8(line).unwrap().split(' ').nth(1).unwrap();
    let query = head.query().map(|query| format!("?{query}")).unwrap_or_default();
    let (path, host) = (head.path(), str::from_utf8(head.host()).unwrap());
    match sent.split_once("://").filter(|_| !sent.starts_with('/')) {
        // A URI without a path stands for the root, or for the whole server with OPTIONS.
        Some((scheme, rest)) if rest == host => {
            assert!(matches!(path, "/" | "*"), "{sent} is taken for {path}");
            format!("{scheme}://{host}")
        }
        Some((scheme, rest)) if rest.strip_prefix(host) == Some(&query) => {
            assert_eq!(path, "/");
            format!("{scheme}://{host}{query}")
        }
        Some((scheme, _)) => format!("{scheme}://{host}{path}{query}"),
        None => format!("{path}{query}"),
    }
}
