//! History makes no difference: parsers and encoders with a cache give the same results whatever
//! their thread or connection has handled before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, thread};

use http::StatusCode;
use socketserver::protocol::http::{Answer, Connection, HttpLimits, Length};
use socketserver::services::web::Web;
use socketserver::testkit::{Random, seeds};

use crate::http::strict;
use crate::support::http::{Outcome, ask, decode_all};

/// The result of `work` on a new thread.
fn at_first<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(work).join().unwrap()
}

/// Runs each input twice in a row, in random order, and compares the results with those on a new
/// thread.
fn same_in_any_order<I, T>(inputs: &BTreeSet<I>, run: fn(&I) -> T)
where
    I: Clone + Ord + Send + std::fmt::Debug + 'static,
    T: PartialEq + Send + std::fmt::Debug + 'static,
{
    let all: Vec<(I, T)> = inputs
        .iter()
        .map(|input| {
            let own = input.clone();
            (input.clone(), at_first(move || run(&own)))
        })
        .collect();
    seeds(0..4, |seed| {
        let mut random = Random::new(seed);
        let mut order: Vec<usize> = (0..all.len()).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        let mut before = None;
        for (input, want) in order.iter().map(|at| &all[*at]) {
            for time in ["once", "twice"] {
                let got = run(input);
                assert!(got == *want, "{input:?} after {before:?}, {time}: {got:?}, not {want:?}");
            }
            before = Some(input);
        }
    });
}

/// All inputs in a folder of the fuzzer's corpus.
fn corpus(name: &str) -> BTreeSet<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// Host lines that resemble each other.
fn host_lines() -> BTreeSet<String> {
    let mut lines: BTreeSet<String> = [
        "Host: a",
        "Host: ab",
        "Host: a:8",
        "Host: a:80",
        "Host: a:123456",
        "host: a",
        "HOST: a",
        "Host:a",
        "Host:  a",
        "Host: a ",
        "Host: a\t",
        "Host : a",
        " Host: a",
        "Host: a b",
        "Host: a\r\n b",
        "Host: a\r\n\tb",
        "Host: a\r\nHost: a",
        "Host: a\r\nHost: b",
        "Host: ",
        "Host:",
        "Host",
        "Host: [::1]",
        "Host: [::1]:80",
        "Host: [::g]",
        "Host: [::1",
        "Host: a/",
        "Host: a@b",
        "Host: a\0",
        "Host: a\r",
        "Host: a,b",
        "Hosts: a",
        "X-Host: a",
        "Host: %41",
        "Host: a\r\nX: y",
        "X: y\r\nHost: a",
        "X: Host: a",
        "X: y\r\n Host: a",
        "X: y",
    ]
    .map(str::to_owned)
    .into();
    // Around every length that is cached: the next longer line begins with the same bytes.
    for len in 1..140 {
        lines.insert(format!("Host: {}", "h".repeat(len)));
        lines.insert(format!("Host: {}!", "h".repeat(len)));
        lines.insert(format!("Host: {}/", "h".repeat(len)));
    }
    lines
}

fn requests() -> BTreeSet<Vec<u8>> {
    let mut requests: BTreeSet<Vec<u8>> =
        ["http_head", "http_body", "web"].into_iter().flat_map(corpus).collect();
    requests.extend(strict::refused().into_iter().map(|(_, input)| input));
    for line in host_lines() {
        for (target, version) in [("/", "1.1"), ("/", "1.0"), ("http://b/", "1.1")] {
            let head = format!("GET {target} HTTP/{version}\r\n{line}\r\n\r\n");
            requests.insert(head.into_bytes());
        }
    }
    requests
}

fn decode(input: &[u8]) -> Outcome {
    decode_all(&HttpLimits::default(), input)
}

#[test]
fn a_request_is_read_the_same_whatever_was_read_before() {
    same_in_any_order(&requests(), |input| decode(input));
}

/// Lines that resemble each other, in pairs.
#[test]
fn a_host_line_is_read_the_same_after_any_other() {
    let lines: Vec<Vec<u8>> = host_lines()
        .into_iter()
        .filter(|line| line.len() < 20 || (60..70).contains(&line.len()))
        .map(|line| format!("GET / HTTP/1.1\r\n{line}\r\n\r\n").into_bytes())
        .collect();
    let want: Vec<Outcome> = lines
        .iter()
        .map(|line| {
            let line = line.clone();
            at_first(move || decode(&line))
        })
        .collect();
    for before in &lines {
        for (line, want) in lines.iter().zip(&want) {
            let _ = decode(before);
            let got = decode(line);
            assert!(
                got == *want,
                "{} after {}: {got:?}, not {want:?}",
                line.escape_ascii(),
                before.escape_ascii()
            );
        }
    }
}

/// Status, content type and time of an answer in seconds.
type Opening = (u16, String, u64);

fn open((status, content_type, unix_seconds): &Opening) -> String {
    let mut out = Vec::new();
    Answer::new(StatusCode::from_u16(*status).unwrap(), Length::Fixed(5), Connection::KeepAlive)
        .content_type(content_type)
        .append(&mut out, *unix_seconds);
    String::from_utf8(out).unwrap()
}

#[test]
fn an_answer_begins_the_same_whatever_was_answered_before() {
    let mut openings = BTreeSet::new();
    for len in 0..220 {
        for (status, byte, second) in
            [(200, "a", 0), (200, "b", 0), (404, "a", 0), (200, "a", 1), (204, "a", 784_111_777)]
        {
            openings.insert((status, byte.repeat(len), second));
        }
    }
    // Each answer carries its own values, however long.
    for (status, content_type, second) in &openings {
        let said = open(&(*status, content_type.clone(), *second));
        let line = format!("\r\nContent-Type: {content_type}\r\n");
        assert_eq!(said.contains(&line), !content_type.is_empty(), "{said}");
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
        assert!(said.ends_with("\r\nContent-Length: 5\r\n\r\n"), "{said}");
    }
    same_in_any_order(&openings, open);
}

fn site() -> Web {
    let long = "t".repeat(150);
    Web::new()
        .get("/", |_, reply| reply.text("welcome"))
        .get("/json", |_, reply| reply.bytes("application/json", "{}"))
        .get("/created", |_, reply| reply.status(StatusCode::CREATED).text("made"))
        .get("/none", |_, reply| reply.status(StatusCode::NO_CONTENT).empty())
        .get("/long", move |_, reply| reply.bytes(&long, b"long"))
        .get("/field", |_, reply| {
            let value = http::HeaderValue::from_static("x");
            reply.header(http::header::ETAG, value).text("field")
        })
        .get("/panic", |_, _| panic!("asked for"))
        .post("/echo", |request, reply| reply.bytes("application/x", request.body()))
}

/// Requests that keep the connection open.
const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /json HTTP/1.1\r\nHost: other\r\nX: y\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
    "HEAD /nothing HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /created HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /none HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /long HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /field?a=b HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\nT: u\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
];

/// Checks that a sequence of requests gets the answers of its parts, in order.
fn sums_up(parts: &[&str], is_last: fn(&str) -> bool) {
    let said = |input: &str| String::from_utf8(ask(site(), input.as_bytes()).0).unwrap();
    let alone: BTreeMap<&str, String> = parts.iter().map(|part| (*part, said(part))).collect();
    seeds(0..200, |seed| {
        let mut random = Random::new(seed);
        let mut sequence: Vec<&str> = (0..8).map(|_| parts[random.below(parts.len())]).collect();
        if let Some(last) = sequence.iter().position(|part| is_last(part)) {
            sequence.truncate(last + 1);
        }
        let want: String = sequence.iter().map(|part| &*alone[part]).collect();
        assert_eq!(said(&sequence.concat()), want, "seed {seed}: {sequence:#?}");
    });
}

#[test]
fn a_request_is_answered_the_same_whatever_its_connection_asked_before() {
    sums_up(REQUESTS, |_| false);
}

#[test]
fn the_last_request_is_answered_the_same_whatever_its_connection_asked_before() {
    let last = [
        "GET /panic HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "HEAD /\r\n\r\n",
    ];
    let all: Vec<&str> = REQUESTS.iter().copied().chain(last).collect();
    sums_up(&all, |part| !REQUESTS.contains(&part));
}
