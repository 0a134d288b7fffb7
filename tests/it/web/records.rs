//! The records of answered requests.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use socketserver::protocol::http::HttpLimits;
use socketserver::services::web::{Failure, Method, PendingReply, Response, Web};
use socketserver::testkit::{Network, WebClient};
use socketserver::{Incoming, Limits, Peer, Server, Service, Subnet};

use crate::support::real::{Running, get, soon};

fn recorded(web: Web) -> (Web, Receiver<String>) {
    let (sender, lines) = channel();
    let web = web.on_answer(move |record| {
        let (method, path) = (record.method(), record.path());
        let (status, bytes) = (record.status().as_u16(), record.bytes());
        let _ = sender.send(format!("{method} {path} {status} {bytes} {:?}", record.duration()));
    });
    (web, lines)
}

#[track_caller]
fn next(lines: &Receiver<String>) -> String {
    let line = lines.try_recv().expect("a record");
    assert!(lines.try_recv().is_err(), "one record");
    line
}

#[test]
fn each_kind_of_answer_has_one_record() {
    let (sender, kept) = channel::<PendingReply>();
    let (web, lines) = recorded(
        Web::new()
            .get("/plain", |_, reply| reply.text("hello"))
            .post("/upload", |request, reply| reply.bytes("text/x", request.body()))
            .get("/fields", |_, reply| reply.header("x-y", "z").text("12"))
            .get("/closes", |_, reply| reply.header("connection", "close").text("123"))
            .get("/fails", |_, _| Err(Failure::new(418, "tea")))
            .get("/late", |_, reply| reply.after(Duration::from_secs(2)).text("1234"))
            .get("/work", |_, reply| reply.offload(|| Ok(Response::new(201).text("12345"))))
            .get("/keep", move |_, reply| {
                let (pending, answered) = reply.keep();
                sender.send(pending)?;
                answered
            })
            .get("/pieces", |_, reply| reply.pieces("text/x", vec![vec![b'x'; 10]; 3]))
            .get("/empty", |_, reply| reply.status(204).empty()),
    );
    let mut client = WebClient::new(web.limits(HttpLimits::default().body(10)));
    for (target, expected) in [
        ("/plain?query", "GET /plain 200 5 0ns"),
        ("/fields", "GET /fields 200 2 0ns"),
        ("/closes", "GET /closes 200 3 0ns"),
        ("/work", "GET /work 201 5 0ns"),
        ("/pieces", "GET /pieces 200 30 0ns"),
        ("/empty", "GET /empty 204 0 0ns"),
        ("/%0Anone", "GET /%0Anone 404 14 0ns"),
    ] {
        client.get(target);
        assert_eq!(next(&lines), expected);
    }
    client.get("/fails");
    assert!(next(&lines).starts_with("GET /fails 418 "));
    client.request(Method::HEAD, "/plain").send();
    assert_eq!(next(&lines), "HEAD /plain 200 0 0ns");
    client.post("/upload", "1234567");
    assert_eq!(next(&lines), "POST /upload 200 7 0ns");
    client.post("/upload", "12345678901");
    assert_eq!(next(&lines), "POST /upload 413 44 0ns");
    let late = client.request(Method::GET, "/late").start();
    assert!(lines.try_recv().is_err());
    client.advance(Duration::from_secs(2));
    assert!(client.answer(late).is_some());
    assert_eq!(next(&lines), "GET /late 200 4 2s");
    let waiting = client.request(Method::GET, "/keep").start();
    client.advance(Duration::from_secs(3));
    kept.try_recv().unwrap().send(Response::new(200).text("123456"));
    assert!(client.answer(waiting).is_some());
    assert_eq!(next(&lines), "GET /keep 200 6 3s");
    let gone = client.request(Method::GET, "/keep").start();
    client.abandon(gone);
    drop(kept);
    assert!(lines.try_recv().is_err(), "no answer, no record");
}

#[test]
fn bytes_that_are_not_a_request_are_recorded_without_one() {
    let (mut web, lines) = recorded(Web::new());
    let mut network = Network::new(Limits::default());
    let handler = web
        .accept(Incoming::new(
            Peer::unix(),
            "127.0.0.1:80".parse::<socketserver::Address>().unwrap(),
        ))
        .unwrap();
    let client = network.connect(handler);
    network.send(client, b"G\x1b]E\r\nT / HTTP/1.1\r\n\r\n");
    network.settle();
    assert!(next(&lines).starts_with("  400 "));
}

#[test]
fn a_panic_of_the_route_or_of_the_hook_ends_no_more_than_the_connection() {
    let (web, lines) = recorded(Web::new().get("/panic", |_, _| panic!("on purpose")));
    WebClient::new(web).get("/panic");
    assert!(next(&lines).starts_with("GET /panic 500 "));
    let web = Web::new().get("/", |_, reply| reply.text("hello")).on_answer(|_| panic!("hook"));
    let mut client = WebClient::new(web);
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn the_duration_of_a_route_that_blocks_shows_on_a_real_clock() {
    let (sender, durations) = channel();
    let (begun, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let web = Web::new()
        .get("/", move |_, reply| {
            // Nothing is ever sent: this is a route that takes 20 ms.
            let _ = wait.lock().unwrap().recv_timeout(Duration::from_millis(20));
            reply.text("slow")
        })
        .on_answer(move |record| {
            let _ = sender.send(record.duration());
        });
    let server = Server::new().listen("127.0.0.1:0", web).unwrap();
    let running = Running::start(server);
    assert_eq!(get(&mut running.client(), "/").text(), "slow");
    let duration = soon(&durations);
    assert!(duration >= Duration::from_millis(20), "{duration:?}");
    drop(begun);
}

#[test]
fn an_answer_in_pieces_that_is_cut_is_recorded_with_the_bytes_written() {
    let (sender, records) = channel();
    let web = Web::new()
        .get("/", |_, reply| reply.pieces("text/x", std::iter::repeat(vec![b'x'; 1000])))
        .on_answer(move |record| {
            let _ = sender.send((record.path().to_owned(), record.bytes()));
        });
    let running = Running::start(Server::new().listen("127.0.0.1:0", web).unwrap());
    let mut client = running.client();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    client.read_exact(&mut [0; 5_000]).unwrap();
    drop(client);
    let (path, bytes) = soon(&records);
    assert!(path == "/" && bytes >= 4_000 && bytes % 1000 == 0, "{path} {bytes}");
}

#[test]
fn a_body_above_every_limit_is_recorded_with_its_head_and_its_client() {
    let (sender, lines) = channel();
    let web = Web::new()
        .post("/upload", |_, reply| reply.empty())
        .limits(HttpLimits::default().body(10))
        .trust_proxies(["unix".parse::<Subnet>().unwrap()])
        .on_answer(move |record| {
            let (method, path, query) = (record.method(), record.path(), record.query());
            let (status, peer) = (record.status().as_u16(), record.peer());
            let _ = sender.send(format!("{peer} {method} {path} {query:?} {status}"));
        });
    let mut client = WebClient::new(web);
    for (method, target, expected) in [
        (Method::POST, "/upload?x", "POST /upload Some(\"x\") 413"),
        (Method::HEAD, "/upload", "HEAD /upload None 413"),
        (Method::GET, "/none", "GET /none None 413"),
    ] {
        let request = client.request(method, target).header("X-Forwarded-For", "192.0.2.9");
        assert_eq!(request.body("12345678901").send().status(), 413);
        assert_eq!(next(&lines), format!("192.0.2.9 {expected}"));
    }
}
