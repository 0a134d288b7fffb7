//! Bodies of requests, by length and in chunks: decoded alike however they are cut, and with the
//! same bytes and end as by a second parser.

use std::cell::Cell;
use std::sync::Arc;

use socketserver::protocol::http::{HttpLimits, Message};
use socketserver::testkit::laws_in_parts;

use super::input::Input;
use super::watched::{Watched, show};

const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
const OF_20: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n";

/// Puts a head before the input, and checks the decoder against the laws of a protocol, and the
/// first body against a second parser. Bytes after the body are the next request.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let limits = Arc::new(match input.flavour {
        0 | 1 => HttpLimits::default(),
        _ => HttpLimits::default().head(120).body(40).trailers(30),
    });
    let head = if input.flavour < 6 { CHUNKED } else { OF_20 };
    let parts = [&[head], &*input.parts()].concat();

    // The position of the first body in the output.
    let first = Cell::new((0, None));
    let show = |message: Message<'_>, seen: &mut Vec<u8>| {
        let (is_head, is_last) = match message {
            Message::Head(_) => (true, false),
            Message::Body { is_last, .. } => (false, is_last),
            _ => (false, false),
        };
        show(message, seen);
        match first.get() {
            (0, _) if is_head => first.set((seen.len(), None)),
            (start, None) if is_last => first.set((start, Some(seen.len()))),
            _ => {}
        }
    };
    let (seen, _) = laws_in_parts(|| Watched::new(&limits), show, &parts);
    let (start, Some(end)) = first.get() else { return };
    let mut expected = match head {
        CHUNKED => dechunk(input.sent).expect("httparse finds no end of the body"),
        _ => input.sent[..20].to_vec(),
    };
    expected.extend_from_slice(b"<end>");
    assert_eq!(seen[start..end], expected, "{}", input.sent.escape_ascii());
}

/// Decodes the chunked body at the start of `rest`, if it is complete.
fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((at, size)) = httparse::parse_chunk_size(rest).ok()? else {
            return None;
        };
        let size = usize::try_from(size).ok()?;
        if size == 0 {
            let mut trailers = [httparse::EMPTY_HEADER; 128];
            let end = httparse::parse_headers(&rest[at..], &mut trailers).ok()?;
            return end.is_complete().then_some(body);
        }
        body.extend_from_slice(rest.get(at..at + size)?);
        rest = rest.get(at + size..)?.strip_prefix(b"\r\n")?;
    }
}
