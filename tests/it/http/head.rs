//! Heads of requests: the values parsed from valid ones, and the limits of their length.

use socketserver::protocol::http::{Head, HttpLimits};

use crate::support::http::{only, read, read_within, refusal};

#[test]
fn a_request_is_read_whole() {
    let request =
        only(b"PATCH /a/%62?c=d&e HTTP/1.1\r\nHost: h:8\r\nX-One:1\r\nx-two: \t 2 \t\r\n\r\n");
    assert_eq!(request.method, "PATCH");
    assert!(!request.is_old);
    assert_eq!(request.path, "/a/%62");
    assert_eq!(request.query.as_deref(), Some("c=d&e"));
    assert_eq!(request.host, "h:8");
    let fields: Vec<_> = request.fields.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    assert_eq!(fields, [("Host", b"h:8".as_slice()), ("X-One", b"1"), ("x-two", b"2")]);
    assert_eq!((request.has_body, request.content_length), (false, Some(0)));
}

#[test]
fn a_query_may_be_empty_or_missing() {
    let query = |target: &str| only(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
    assert_eq!(query("/").query, None);
    assert_eq!(query("/?").query.as_deref(), Some(""));
    assert_eq!(query("/?a?b").query.as_deref(), Some("a?b"));
}

#[test]
fn methods_are_any_token_and_case_matters() {
    for method in ["GET", "get", "M-SEARCH", "X!#$%&'*+.^_`|~9"] {
        let request = only(format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        assert_eq!(request.method, method);
    }
}

#[test]
fn values_may_be_empty_and_beyond_ascii() {
    let request =
        only(b"GET / HTTP/1.1\r\nHost: h\r\nA:\r\nB: \t \r\nC: \xff\xc3\xa4 x\tx\r\n\r\n");
    let values: Vec<_> = request.fields[1..].iter().map(|(_, value)| value.as_slice()).collect();
    assert_eq!(values, [b"".as_slice(), b"", b"\xff\xc3\xa4 x\tx"]);
}

/// Field lines of a request, and whether the connection stays open in HTTP/1.1 and in HTTP/1.0.
const CONNECTION: &[(&str, bool, bool)] = &[
    ("", true, false),
    ("Connection: close\r\n", false, false),
    ("Connection: keep-alive\r\n", true, true),
    ("connection: Keep-Alive\r\n", true, true),
    ("CONNECTION: CLOSE\r\n", false, false),
    ("Connection: x, close\r\n", false, false),
    ("Connection: close ,x\r\n", false, false),
    ("Connection: x,\tclose\t, y\r\n", false, false),
    ("Connection: keep-alive, close\r\n", false, false),
    ("Connection: close, keep-alive\r\n", false, false),
    ("Connection: , keep-alive,,\r\n", true, true),
    ("Connection: x\r\nConnection: close\r\n", false, false),
    ("Connection: close\r\nConnection: keep-alive\r\n", false, false),
    ("Connection: x\r\nConnection: keep-alive\r\n", true, true),
    ("Connection: closed, xclose, close-x\r\n", true, false),
    ("Connection:\r\n", true, false),
    ("Proxy-Connection: keep-alive\r\n", true, false),
    ("X-Connection: close\r\n", true, false),
];

#[test]
fn the_client_says_whether_the_connection_goes_on() {
    for (fields, new, old) in CONNECTION {
        for (version, keep) in [("1.1", new), ("1.0", old)] {
            let input = format!("GET / HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
            assert_eq!(only(input.as_bytes()).keep_alive, *keep, "{input:?}");
        }
    }
}

#[test]
fn an_old_client_need_not_name_a_host() {
    let request = only(b"GET /old HTTP/1.0\r\n\r\n");
    assert!(request.is_old);
    assert_eq!((request.path.as_str(), request.host.as_str()), ("/old", ""));
}

#[test]
fn a_host_that_was_seen_before_is_held_to_the_same_rules() {
    let known = "GET / HTTP/1.1\r\nHost: h.example\r\n\r\n";
    for (fields, status) in [
        ("Host: h.example\r\n", None),
        ("Host: h.example:1\r\n", None),
        ("Host: h.example2\r\n", None),
        ("Host: h.example \r\n", None),
        ("HOST: h.example\r\n", None),
        ("A: Host: h.example\r\nHost: x\r\n", None),
        ("Host: h.example\r\nHost: h.example\r\n", Some(400)),
        ("Host: x\r\nHost: h.example\r\n", Some(400)),
        ("Host: h.example/\r\n", Some(400)),
        ("Host: h.example\n", Some(400)),
        ("Host: h.example\r\n x\r\n", Some(400)),
        ("X-Host: h.example\r\n", Some(400)),
    ] {
        let input = format!("{known}GET / HTTP/1.1\r\n{fields}\r\n");
        let outcome = read(input.as_bytes());
        assert_eq!(refusal(&outcome), status, "{input:?}");
        assert_eq!(outcome.0[0].host, "h.example");
    }
}

/// A target; then its path, query and host.
const ABSOLUTE: &[(&str, &str, Option<&str>, &str)] = &[
    ("http://a.example/x/y?q=1", "/x/y", Some("q=1"), "a.example"),
    ("HTTP://a.example:81/", "/", None, "a.example:81"),
    ("https://a.example", "/", None, "a.example"),
    ("http://a.example?q", "/", Some("q"), "a.example"),
    ("http://[::1]:8080/%41", "/%41", None, "[::1]:8080"),
];

#[test]
fn a_target_that_is_a_uri_says_which_host_is_meant() {
    for (target, path, query, host) in ABSOLUTE {
        let input = format!("GET {target} HTTP/1.1\r\nHost: other.example\r\n\r\n");
        let request = only(input.as_bytes());
        assert_eq!(request.path, *path, "{target}");
        assert_eq!(request.query.as_deref(), *query, "{target}");
        assert_eq!(request.host, *host, "{target}");
    }
}

#[test]
fn options_may_ask_about_the_whole_server() {
    for target in ["*", "http://h.example", "http://h.example:80"] {
        let input = format!("OPTIONS {target} HTTP/1.1\r\nHost: h.example\r\n\r\n");
        assert_eq!(only(input.as_bytes()).path, "*", "{target}");
    }
    // With a path, the request is about that path.
    let input = b"OPTIONS http://h.example/ HTTP/1.1\r\nHost: h.example\r\n\r\n";
    assert_eq!(only(input).path, "/");
}

#[test]
fn only_options_may_ask_about_the_whole_server() {
    let outcome = read(b"GET * HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(refusal(&outcome), Some(400));
}

#[test]
fn one_empty_line_in_front_of_a_request_is_skipped() {
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let (requests, end) = read(format!("\r\n{request}\r\n{request}{request}").as_bytes());
    assert_eq!((requests.len(), end), (3, Ok(0)));
}

#[test]
fn two_empty_lines_in_front_of_a_request_are_refused() {
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(refusal(&read(format!("\r\n\r\n{request}").as_bytes())), Some(400));
    let outcome = read(format!("{request}\r\n\r\n{request}").as_bytes());
    assert_eq!((outcome.0.len(), refusal(&outcome)), (1, Some(400)));
}

#[test]
fn an_incomplete_head_waits() {
    let whole = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for len in 1..whole.len() {
        let (requests, end) = read(&whole[..len]);
        assert_eq!((requests.len(), end), (0, Ok(len)));
    }
}

#[test]
fn pipelined_requests_come_one_after_the_other() {
    let (requests, end) = read(
        b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab\
          GET /2 HTTP/1.1\r\nHost: h\r\n\r\n\
          POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n\
          GET /4",
    );
    let seen: Vec<_> = requests.iter().map(|r| (r.path.as_str(), r.body.as_slice())).collect();
    assert_eq!(seen, [("/1", b"ab".as_slice()), ("/2", b""), ("/3", b"c")]);
    assert!(requests.iter().all(|request| request.is_complete));
    assert_eq!(end, Ok("GET /4".len()));
}

fn small() -> HttpLimits {
    HttpLimits::default().request_line(60).head(120).fields(5)
}

#[test]
fn a_request_line_at_its_limit_passes_and_one_above_gets_414() {
    let line = |len: usize| {
        let path = "x".repeat(len - "GET / HTTP/1.1".len());
        format!("GET /{path} HTTP/1.1\r\nHost: h\r\n\r\n")
    };
    assert_eq!(read_within(&small(), line(60).as_bytes()).1, Ok(0));
    assert_eq!(refusal(&read_within(&small(), line(61).as_bytes())), Some(414));
    assert_eq!(refusal(&read_within(&small(), line(600).as_bytes())), Some(414));
}

#[test]
fn a_request_line_without_end_gets_414_as_soon_as_it_is_too_long() {
    let unfinished = |len: usize| "x".repeat(len);
    // These may still be 60 bytes and the CR of the line end.
    assert_eq!(read_within(&small(), unfinished(61).as_bytes()).1, Ok(61));
    assert_eq!(refusal(&read_within(&small(), unfinished(62).as_bytes())), Some(414));
}

#[test]
fn a_head_at_its_limit_passes_and_one_above_gets_431() {
    let head = |len: usize| {
        let start = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
        format!("{start}{}\r\n\r\n", "x".repeat(len - start.len() - 4))
    };
    assert_eq!(read_within(&small(), head(120).as_bytes()).1, Ok(0));
    assert_eq!(refusal(&read_within(&small(), head(121).as_bytes())), Some(431));
    // Bytes after a head do not count.
    let two = [head(120), head(120)].concat();
    assert_eq!(read_within(&small(), two.as_bytes()).0.len(), 2);
}

#[test]
fn a_head_without_end_gets_431_as_soon_as_it_is_too_long() {
    let unfinished = |len: usize| {
        let start = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
        format!("{start}{}", "x".repeat(len - start.len()))
    };
    assert_eq!(read_within(&small(), unfinished(120).as_bytes()).1, Ok(120));
    assert_eq!(refusal(&read_within(&small(), unfinished(121).as_bytes())), Some(431));
}

#[test]
fn as_many_fields_as_allowed_pass_and_one_more_gets_431() {
    let fields =
        |n: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(n - 1));
    assert_eq!(read_within(&small(), fields(5).as_bytes()).1, Ok(0));
    assert_eq!(refusal(&read_within(&small(), fields(6).as_bytes())), Some(431));
}

#[test]
fn a_later_minor_version_is_read_as_the_latest_known_one() {
    for minor in 1..=9 {
        let request = only(format!("GET / HTTP/1.{minor}\r\nHost: h\r\n\r\n").as_bytes());
        assert!(!request.is_old && request.keep_alive, "1.{minor}");
    }
}

#[test]
fn a_host_may_be_empty_if_the_target_has_none() {
    for (method, target) in [("GET", "/"), ("OPTIONS", "*"), ("GET", "/a?b")] {
        for host in ["Host:", "Host: \t", "hOST: "] {
            let input = format!("{method} {target} HTTP/1.1\r\n{host}\r\nA: b\r\n\r\n");
            assert_eq!(only(input.as_bytes()).host, "", "{input:?}");
        }
    }
    // The empty line that was just accepted must not pass where the target has a host.
    let empty = "GET / HTTP/1.1\r\nHost:\r\n\r\n";
    let outcome = read(format!("{empty}GET http://h/ HTTP/1.1\r\nHost:\r\n\r\n").as_bytes());
    assert_eq!((outcome.0.len(), refusal(&outcome)), (1, Some(400)));
}

/// Values of Expect, and true if the client waits.
const EXPECT: &[(&str, bool)] = &[
    ("100-continue", true),
    ("100-Continue", true),
    ("100-continue, 100-continue", true),
    ("100-continue,100-CONTINUE\t,\t100-continue", true),
    (", 100-continue", true),
    ("100-continue,,", true),
    ("100-continue\r\nExpect: 100-continue", true),
    ("", false),
    (" , ,", false),
];

#[test]
fn an_expectation_is_a_list() {
    for (value, waits) in EXPECT {
        let fields = format!("Host: h\r\nExpect: {value}\r\nContent-Length: 2\r\n");
        let request = only(format!("POST / HTTP/1.1\r\n{fields}\r\nok").as_bytes());
        assert_eq!(request.expects_continue, *waits, "{value:?}");
        let old = only(format!("POST / HTTP/1.0\r\n{fields}\r\nok").as_bytes());
        assert!(!old.expects_continue, "{value:?}");
    }
}

/// The bytes that the URL standard of WHATWG encodes in a path, and those it encodes in a query.
const ENCODED: [&[u8]; 2] = [b" \"#<>?`{}\\%", b" \"#<>"];

#[test]
fn targets_have_the_bytes_that_browsers_leave_raw() {
    let limits = HttpLimits::default();
    for (place, encoded) in [("/a", ENCODED[0]), ("/?a", ENCODED[1])] {
        for byte in 0..=u8::MAX {
            let is_raw = byte.is_ascii_graphic() && !encoded.contains(&byte);
            for start in [place.to_owned(), format!("http://h{place}")] {
                let target = [start.as_bytes(), &[byte], b"z"].concat();
                let input = [b"GET ", &target[..], b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
                let is_taken = Head::parse(&input, &limits).is_ok();
                let begins_query = byte == b'?' && encoded == ENCODED[0];
                assert_eq!(is_taken, is_raw || begins_query, "{}", input.escape_ascii());
            }
        }
    }
}
