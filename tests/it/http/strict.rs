//! Requests that HTTP refuses: the status, a single answer, and an orderly end. The table has those
//! that exceed limits; the others are among the cases of the testkit.

use std::collections::BTreeSet;
use std::str;

use socketserver::Limits;
use socketserver::protocol::http::HttpLimits;
use socketserver::services::web::Web;
use socketserver::testkit::Network;
use socketserver::testkit::http_cases::{Expected, http_cases};

use crate::support::http::{answer, answers, connect, read_within, refusal};

const TABLE: &str = include_str!("../../data/http/refused.txt");

const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

fn limits() -> HttpLimits {
    let others = HttpLimits::default();
    others.request_line(60).head(200).fields(8).body(20).trailers(16)
}

/// The requests of the table, and generated ones.
pub(crate) fn refused() -> Vec<(u16, Vec<u8>)> {
    let mut refused: Vec<_> = TABLE.lines().filter_map(entry).collect();
    let bad_hosts = BAD_HOSTS.iter().flat_map(|host| {
        let field = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let target = format!("GET http://{host}/ HTTP/1.1\r\nHost: h\r\n\r\n");
        // With a path it would be a host and a path.
        let is_host = !host.contains(['/', '?']);
        [Some(field), is_host.then_some(target)].into_iter().flatten()
    });
    refused.extend(http_cases().filter_map(|case| match case.expected {
        // The parser does not refuse TRACE.
        Expected::Closed(statuses) if !case.input.starts_with(b"TRACE") => match statuses[..] {
            [status @ 400..=599] => Some((status, case.input)),
            _ => None,
        },
        _ => None,
    }));
    refused.extend(bad_hosts.map(|input| (400, input.into_bytes())));
    refused.extend(controls_in_values().into_iter().map(|input| (400, input)));
    refused
}

/// One line of the table, unless it is empty or a comment.
fn entry(line: &str) -> Option<(u16, Vec<u8>)> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (status, input) = line.split_once(' ').expect("a status and an input");
    let (start, input) = match input.split_once(' ') {
        Some(("@get", rest)) => ("GET / HTTP/1.1\r\nHost: h\r\n", rest),
        Some(("@post", rest)) => ("POST / HTTP/1.1\r\nHost: h\r\n", rest),
        Some(("@chunked", rest)) => {
            ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", rest)
        }
        _ => ("", input),
    };
    Some((status.parse().expect("a status"), [start.as_bytes(), &unescaped(input)].concat()))
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            _ => match rest.next().expect("something behind the backslash") {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'\\' => b'\\',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("no such escape: {}", char::from(other)),
            },
        });
    }
    bytes
}

/// Every byte that no value may have, at the front, in the middle and at the end of values that are
/// checked by different rules.
fn controls_in_values() -> Vec<Vec<u8>> {
    let bytes = (0..=0x1f).chain([0x7f]).filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n'));
    let mut inputs = Vec::new();
    for byte in bytes {
        for (field, value) in [
            ("A", "bc"),
            ("Host", "hh"),
            ("Connection", "close"),
            ("Content-Length", "05"),
            ("Transfer-Encoding", "chunked"),
            ("Expect", "100-continue"),
        ] {
            for at in [0, value.len() / 2, value.len()] {
                let mut value = value.as_bytes().to_vec();
                value.insert(at, byte);
                let host = if field == "Host" { "" } else { "Host: h\r\n" };
                let start = format!("POST / HTTP/1.1\r\n{host}{field}: ");
                inputs.push([start.as_bytes(), &value, b"\r\n\r\n"].concat());
            }
        }
    }
    inputs
}

const BAD_HOSTS: &[&str] = &[
    ":80",
    "h h",
    "h, g",
    "h:x",
    "h:-1",
    "h:+1",
    "h:8x",
    "h:80:80",
    "h:123456",
    "u@h",
    "u:p@h",
    "h#f",
    "h/",
    "h?q",
    "http://h",
    "h\\g",
    "h\"",
    "<h>",
    "{h}",
    "h|g",
    "h^",
    "h`",
    "h%",
    "h%4",
    "h%4g",
    "h%00",
    "h%20 g",
    "[v1.]",
    "[v.a]",
    "[v1a]",
    "[vg.a]",
    "[w1.a]",
    "[v1.%61]",
    "[v1.[a]]",
    "[v1.a]x",
    "[v1.a]:x",
    "[fe80::1%25eth0]",
    "::1",
    "[::1",
    "[]",
    "[",
    "]",
    "[::g]",
    "[::1]x",
    "[::1]:x",
    "[::1]:123456",
    "[1.2.3.4]",
    "x[::1]",
    "[[::1]]",
    "ä",
    "h\u{a0}",
];

const GOOD_HOSTS: &[&str] = &[
    "h",
    "h:80",
    "h:",
    "h.example.",
    "a-b_c~d.example:65535",
    "127.0.0.1:8080",
    "[::1]",
    "[::1]:8080",
    "[2001:db8::ff00:42:8329]",
    "[::ffff:192.0.2.1]:1",
    "xn--bcher-kva.example",
    "!$&'()*+,;=",
    "a%20b",
    "%41%2F:80",
    "[v1.a]",
    "[V1f.a:b~!]:80",
];

#[test]
fn good_hosts_pass() {
    for host in GOOD_HOSTS {
        for input in [
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET / HTTP/1.0\r\nhOsT:\t{host} \t\r\n\r\n"),
            format!("GET http://{host} HTTP/1.1\r\nHost: other\r\n\r\n"),
            format!("GET http://{host}/?a HTTP/1.1\r\nHost: other\r\n\r\n"),
        ] {
            let (requests, end) = read_within(&HttpLimits::default(), input.as_bytes());
            assert_eq!(end, Ok(0), "{input:?}");
            assert_eq!(requests[0].host, *host, "{input:?}");
        }
    }
}

#[test]
fn every_status_of_a_refusal_occurs() {
    let statuses: BTreeSet<u16> = refused().into_iter().map(|(status, _)| status).collect();
    assert_eq!(Vec::from_iter(statuses), [400, 411, 413, 414, 417, 431, 501, 505]);
}

#[test]
fn bad_requests_are_refused_however_they_are_cut() {
    let mut wrong = Vec::new();
    for (status, input) in refused() {
        let outcome = read_within(&limits(), &input);
        let got = refusal(&outcome);
        // A body may be refused after its head was accepted; nothing else may be accepted.
        let complete = outcome.0.iter().filter(|request| request.is_complete).count();
        if got != Some(status) || complete > 0 {
            wrong.push(format!("{status} expected, {got:?}: {}", input.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_refusal_gets_one_answer_and_later_input_is_ignored() {
    let mut web = Web::new()
        .limits(limits())
        .any("/", |_, reply| reply.text("answered"))
        .get("/next", |_, reply| reply.text("smuggled"));
    let mut wrong = Vec::new();
    for (status, input) in refused() {
        if let Err(what) = refused_by(&mut web, status, &input) {
            wrong.push(format!("{what}: {}", input.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn refused_by(web: &mut Web, status: u16, input: &[u8]) -> Result<(), String> {
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, web);
    network.send(client, &[input, NEXT].concat());
    network.settle();
    let said = network.received(client);
    let (answer, len) = answer("POST", &said).ok_or("no whole answer")?;
    if len < said.len() {
        return Err(format!("{} and more", answer.status));
    }
    if answer.status != status {
        return Err(format!("{status} expected, {}", answer.status));
    }
    if !answer.says_close() || !network.is_closed(client) {
        return Err("the connection goes on".to_owned());
    }
    // Bytes that are on their way are read, so that no reset destroys the answer.
    network.send(client, NEXT);
    network.settle();
    if !network.received(client).is_empty() {
        return Err("a second answer".to_owned());
    }
    network.shut(client);
    network.settle();
    if network.is_reset(client) || network.connections() > 0 {
        return Err("not closed in good order".to_owned());
    }
    Ok(())
}

#[test]
fn a_request_before_the_refused_one_is_answered_first() {
    let mut web = Web::new().get("/next", |_, reply| reply.text("first"));
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut web);
    network.send(client, &[NEXT, b"GET / HTTP/1.1\r\n\r\n", NEXT].concat());
    network.settle();
    let answers = answers(&["GET", "GET"], &network.received(client));
    assert_eq!((answers[0].status, answers[1].status), (200, 400));
    assert_eq!((answers[0].says_close(), answers[1].says_close()), (false, true));
}
