//! Bodies of requests: by length and in chunks, streamed, and where they get too long.

use std::sync::Arc;

use socketserver::protocol::http::{Http, HttpLimits, Message};
use socketserver::{Protocol, Step};

use crate::support::http::{Outcome, only, read, read_within, refusal};

fn by_length(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn chunked(chunks: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}

#[test]
fn a_body_by_length_is_read_to_its_last_byte() {
    let request = only(by_length("hello").as_bytes());
    assert!(request.has_body && request.is_complete);
    assert_eq!((request.content_length, request.body.as_slice()), (Some(5), b"hello".as_slice()));
}

#[test]
fn a_length_of_zero_means_no_body() {
    let request = only(by_length("").as_bytes());
    assert_eq!((request.has_body, request.content_length), (false, Some(0)));
}

#[test]
fn a_length_may_have_leading_zeros() {
    let request = only(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0005\r\n\r\nhello");
    assert_eq!(request.body, b"hello");
}

#[test]
fn any_method_may_have_a_body() {
    for method in ["GET", "DELETE", "OPTIONS", "HEAD", "BREW"] {
        let input = format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(only(input.as_bytes()).body, b"ok", "{method}");
    }
}

#[test]
fn a_post_without_length_has_no_body() {
    assert!(!only(b"POST / HTTP/1.1\r\nHost: h\r\n\r\n").has_body);
}

#[test]
fn an_old_client_sends_bodies_by_length() {
    assert_eq!(only(b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nok").body, b"ok");
}

#[test]
fn the_pieces_of_a_body_come_as_they_are_sent() {
    for (head, tail) in
        [(by_length("0123456789"), 10), (chunked("a\r\n0123456789\r\n0\r\n\r\n"), 17)]
    {
        let mut http = Http::new(Arc::new(HttpLimits::default()));
        // All but the last seven bytes of the data have arrived.
        let mut input = head.into_bytes();
        let len = input.len();
        input.truncate(len - tail + 3);
        let mut used = 0;
        let mut seen = Vec::new();
        while used < input.len() {
            match http.decode(&mut input[used..]).unwrap() {
                Step::Message(Message::Body { bytes, is_last }, n) => {
                    assert!(!is_last);
                    seen.extend_from_slice(bytes);
                    used += n;
                }
                Step::Message(_, n) | Step::Skip(n) => used += n,
                Step::NeedMore => break,
            }
        }
        assert_eq!((seen.as_slice(), used), (b"012".as_slice(), input.len()));
    }
}

#[test]
fn chunks_are_joined() {
    let request = only(chunked("5\r\nhello\r\n01\r\n,\r\n6\r\n world\r\n0\r\n\r\n").as_bytes());
    assert_eq!(request.content_length, None);
    assert_eq!(request.body, b"hello, world");
}

#[test]
fn chunk_sizes_are_hexadecimal_in_either_case_with_leading_zeros() {
    let data = "x".repeat(0x1f);
    for size in ["1f", "1F", "001f", "000000000000001F"] {
        for last in ["0", "0000000000000000"] {
            let request = only(chunked(&format!("{size}\r\n{data}\r\n{last}\r\n\r\n")).as_bytes());
            assert_eq!(request.body.len(), 0x1f);
        }
    }
}

#[test]
fn a_chunked_body_may_be_empty() {
    let request = only(chunked("0\r\n\r\n").as_bytes());
    assert!(request.has_body && request.is_complete && request.body.is_empty());
}

#[test]
fn data_of_a_chunk_may_look_like_anything() {
    let request = only(chunked("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n").as_bytes());
    assert_eq!(request.body, b"\r\n0\r\n\r\n");
}

#[test]
fn chunked_is_written_in_any_case() {
    let input =
        b"POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding:\t ChunKed \r\n\r\n1\r\na\r\n0\r\n\r\n";
    assert_eq!(only(input).body, b"a");
}

#[test]
fn extensions_of_chunks_are_read_over() {
    for extension in [
        ";a",
        ";a=b",
        ";a=b;c;d=e",
        ";a=\"\"",
        ";a=\"b c;d=e\"",
        ";a=\"say \\\"hi\\\" \\\\\";b",
        ";a=\"\tä\"",
        ";!#$%&'*+-.^_`|~=!",
        " ;a",
        "; a",
        "\t \t;\t a \t=\t b",
        ";a = \"b ; c\" ; d",
    ] {
        let chunks = format!("2{extension}\r\nok\r\n0{extension}\r\n\r\n");
        assert_eq!(only(chunked(&chunks).as_bytes()).body, b"ok", "{extension:?}");
    }
}

#[test]
fn the_line_of_a_chunk_size_has_a_limit() {
    let line = |len: usize| format!("2;{}\r\n", "x".repeat(len - "2;\r\n".len()));
    let input = |len: usize| chunked(&format!("{}ok\r\n0\r\n\r\n", line(len)));
    assert_eq!(only(input(256).as_bytes()).body, b"ok");
    assert_eq!(refusal(&read(input(257).as_bytes())), Some(400));
    assert_eq!(refusal(&read(chunked(&line(300)[..256]).as_bytes())), Some(400));
}

#[test]
fn trailers_are_dropped() {
    let trailers = "Expires: never\r\nX:\r\nContent-Length: 7\r\nTransfer-Encoding: gzip\r\n";
    let next = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
    let input = chunked(&format!("2\r\nok\r\n0\r\n{trailers}\r\n{next}"));
    let (requests, end) = read(input.as_bytes());
    assert_eq!((requests.len(), end), (2, Ok(0)));
    assert_eq!(requests[0].body, b"ok");
    assert_eq!(requests[0].fields.len(), 2);
    assert_eq!(requests[1].path, "/next");
}

#[test]
fn a_client_may_wait_for_the_go_ahead() {
    let input = |version: &str, value: &str, framing: &str| {
        format!("POST / HTTP/{version}\r\nHost: h\r\nExpect: {value}\r\n{framing}\r\n")
    };
    let expects = |input: String| read(input.as_bytes()).0[0].expects_continue;
    assert!(expects(input("1.1", "100-continue", "Content-Length: 1\r\n")));
    assert!(expects(input("1.1", "100-Continue", "Transfer-Encoding: chunked\r\n")));
    // There is no body, so there is nothing to wait for.
    assert!(!expects(input("1.1", "100-continue", "")));
    assert!(!expects(input("1.1", "100-continue", "Content-Length: 0\r\n")));
    // HTTP/1.0 does not define the expectation (RFC 9110, section 10.1.1).
    assert!(!expects(input("1.0", "100-continue", "Content-Length: 1\r\n")));
}

fn small() -> HttpLimits {
    HttpLimits::default().body(20).trailers(16)
}

fn within(input: &str) -> Outcome {
    read_within(&small(), input.as_bytes())
}

#[test]
fn a_length_at_the_limit_passes_and_one_above_gets_413() {
    assert_eq!(within(&by_length(&"x".repeat(20))).1, Ok(0));
    let outcome = within(&by_length(&"x".repeat(21)));
    assert_eq!(refusal(&outcome), Some(413));
    let huge = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n";
    assert_eq!(refusal(&within(huge)), Some(413));
}

#[test]
fn chunks_up_to_the_limit_pass_and_one_byte_more_gets_413() {
    let data = "x".repeat(20);
    assert_eq!(within(&chunked(&format!("14\r\n{data}\r\n0\r\n\r\n"))).1, Ok(0));
    assert_eq!(refusal(&within(&chunked(&format!("15\r\n{data}x\r\n0\r\n\r\n")))), Some(413));
    let halves = |last: &str| chunked(&format!("a\r\n0123456789\r\n{last}\r\n0\r\n\r\n"));
    assert_eq!(within(&halves("a\r\n0123456789")).1, Ok(0));
    assert_eq!(refusal(&within(&halves("b\r\n0123456789x"))), Some(413));
}

#[test]
fn sizes_of_chunks_whose_sum_overflows_get_413() {
    assert_eq!(refusal(&within(&chunked("ffffffffffffffff\r\n"))), Some(413));
    assert_eq!(refusal(&within(&chunked("1\r\nx\r\nffffffffffffffff\r\n"))), Some(413));
    let limits = HttpLimits::default().body(u64::MAX);
    let outcome = read_within(&limits, chunked("1\r\nx\r\nffffffffffffffff\r\n").as_bytes());
    assert_eq!(refusal(&outcome), Some(413));
}

#[test]
fn trailers_at_the_limit_pass_and_one_byte_more_gets_431() {
    for (trailers, status) in [
        ("A: 3456789 1234\r\n", Some(431)),
        ("A: 3456789 123\r\n", None),
        ("A: 45\r\nB: 3456\r\n", None),
        ("A: 45\r\nB: 34567\r\n", Some(431)),
        // The limit is exceeded already; the missing line end changes nothing.
        ("A: 3456789 12345", Some(431)),
    ] {
        let outcome = within(&chunked(&format!("2\r\nok\r\n0\r\n{trailers}\r\n")));
        assert_eq!(refusal(&outcome), status, "{trailers:?}");
    }
}
