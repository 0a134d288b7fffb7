//! Our parser of heads against another one: `httparse` reads all accepted heads in the same way.

use std::sync::Arc;

use socketserver::Protocol;
use socketserver::protocol::http::{Head, Http, HttpLimits, Message};
use socketserver::testkit::laws;

use crate::support::corpus::oracles::http_head::same_to_both;

const GOOD: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /a/b;c=d/%7e?e=f&g[]=h|i HTTP/1.1\r\nHost: h.example:80\r\nAccept: */*\r\n\r\n",
    "HEAD /old HTTP/1.0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nA:\r\nB: \t c d \t\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: x, close\r\n\r\n",
    "GET http://h:1/a?b HTTP/1.1\r\nHost: other\r\n\r\n",
    "GET /a[1]|^/%5b HTTP/1.2\r\nHost:\r\nExpect: , 100-continue,\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a%20b:8\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [v1.a]\r\n\r\n",
    "BREW https://[::2] HTTP/1.1\r\nHost: h\r\nX-!#$%&'*+-.^_`|~: \u{fc}\"\\()<>@\r\n\r\n",
];

/// Bytes with a meaning in some rule, and some that no rule allows.
const BYTES: &[u8] = b"\0\t\n\x0b\r !\"#%&*+,-./059:;=?@AZ[\\]_az|~\x7f\x80\xff";

/// `good` with one edit, in every way, most of which make it invalid.
fn mutants(good: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let edit =
        |at: usize, removed: usize, new: &[u8]| [&good[..at], new, &good[at + removed..]].concat();
    (0..good.len()).flat_map(move |at| {
        let replaced = BYTES.iter().map(move |byte| edit(at, 1, &[*byte]));
        let inserted = BYTES.iter().map(move |byte| edit(at, 0, &[*byte]));
        let removed = [edit(at, 1, b""), edit(at, 1, &[good[at], good[at]])];
        replaced.chain(inserted).chain(removed)
    })
}

#[test]
fn accepted_heads_are_read_in_the_same_way_by_another_parser() {
    let limits = HttpLimits::default();
    let (mut accepted, mut refused) = (0, 0);
    for good in GOOD {
        same_to_both(&Head::parse(good.as_bytes(), &limits).unwrap(), good.as_bytes());
        for input in mutants(good.as_bytes()) {
            match Head::parse(&input, &limits) {
                Ok(head) => {
                    accepted += 1;
                    same_to_both(&head, &input);
                }
                Err(_) => refused += 1,
            }
        }
    }
    // Neither is rare by accident: most mutants are still requests.
    assert!(accepted > 5_000 && refused > 5_000, "{accepted} accepted, {refused} refused");
}

#[test]
fn requests_that_are_nearly_right_keep_the_laws() {
    let limits = Arc::new(HttpLimits::default().request_line(60).head(110));
    for good in GOOD {
        // A prime number, so that all kinds of edits take part.
        for input in mutants(good.as_bytes()).step_by(31) {
            laws(
                || Http::new(Arc::clone(&limits)),
                |message, seen| match message {
                    Message::Head(head) => seen.extend_from_slice(head.as_bytes()),
                    Message::Body { bytes, .. } => seen.extend_from_slice(bytes),
                    other => panic!("an unknown message: {other:?}"),
                },
                &input,
            );
        }
    }
}

#[test]
fn the_decoder_accepts_the_heads_that_the_parser_accepts() {
    for good in GOOD {
        let mut input = good.as_bytes().to_vec();
        let mut http = Http::new(Arc::new(HttpLimits::default()));
        let step = http.decode(&mut input).unwrap();
        let socketserver::Step::Message(Message::Head(head), used) = step else {
            panic!("no head in {good:?}");
        };
        let parsed = Head::parse(good.as_bytes(), &HttpLimits::default()).unwrap();
        assert_eq!((head.as_bytes(), used), (good.as_bytes(), good.len()));
        assert_eq!((parsed.method(), parsed.path()), (head.method(), head.path()));
    }
}
