//! Guards, mappers, and the answers of failures and unknown paths.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use socketserver::services::web::{Failure, Request, Response, Web};
use socketserver::testkit::{Network, WebClient};
use socketserver::{Limits, Metrics};

use crate::support::http::{answers, connect};
use crate::support::log::{listen, records};

fn key(request: &Request<'_>) -> Result<(), Response> {
    match request.header("x-key") {
        Some("right") => Ok(()),
        Some("panic") => panic!("a guard panics"),
        _ => Err(Response::new(401).header("www-authenticate", "Key").text("no key\n")),
    }
}

fn guarded() -> (Web, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let web = Web::new()
        .get("/", |_, reply| reply.text("secret"))
        .put("/file/{name}", |request, reply| reply.text(request.body().len().to_string()))
        .guard(move |request| {
            counter.fetch_add(1, Ordering::Relaxed);
            // The parameters are there, the body is not.
            let is_file = request.param("name").as_str().is_some();
            assert_eq!((is_file, request.body()), (request.path() != "/", &b""[..]));
            Ok(())
        })
        .guard(key);
    (web, asked)
}

#[test]
fn a_guard_is_asked_once_for_each_request_that_has_a_route() {
    let (web, asked) = guarded();
    let mut client = WebClient::new(web);
    let mut ask = |method: Method, path: &str, key: &str, body: &str| {
        let answer = client.request(method, path).header("x-key", key).body(body).send();
        (answer.status(), asked.load(Ordering::Relaxed))
    };
    assert_eq!(ask(Method::GET, "/", "right", ""), (200, 1));
    assert_eq!(ask(Method::GET, "/", "wrong", ""), (401, 2));
    assert_eq!(ask(Method::HEAD, "/", "wrong", ""), (401, 3));
    assert_eq!(ask(Method::PUT, "/file/a", "right", "abc"), (200, 4));
    assert_eq!(ask(Method::PUT, "/file/a", "wrong", "abc"), (401, 5));
    assert_eq!(ask(Method::POST, "/file/a", "wrong", "abc"), (405, 5));
    assert_eq!(ask(Method::GET, "/nothing", "wrong", ""), (404, 5));
    assert_eq!(ask(Method::OPTIONS, "/", "wrong", ""), (204, 5));
}

const PUT: &str = "PUT /file/a HTTP/1.1\r\nHost: h\r\nX-Key: wrong\r\n";

#[test]
fn a_guard_refuses_an_upload_before_it_has_come() {
    for fields in [
        "Content-Length: 1000000\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Expect: 100-continue\r\nContent-Length: 5\r\n",
    ] {
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network, &mut guarded().0);
        network.send(client, format!("{PUT}{fields}\r\n").as_bytes());
        network.settle();
        let answer = answers(&["PUT"], &network.received(client)).remove(0);
        assert_eq!((answer.status, answer.text()), (401, "no key\n"), "{fields}");
        assert!(answer.says_close() && network.is_closed(client));
        // It lingers, so that a client that goes on sending can read the answer.
        network.send(client, &[b'x'; 10_000]);
        network.settle();
        network.shut(client);
        network.settle();
        assert_eq!((network.is_reset(client), network.connections()), (false, 0));
    }
}

#[test]
fn an_upload_that_the_guards_admit_is_read() {
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut guarded().0);
    let head = PUT.replace("wrong", "right");
    let head = format!("{head}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    network.send(client, head.as_bytes());
    network.settle();
    assert_eq!(network.received(client), b"HTTP/1.1 100 Continue\r\n\r\n");
    network.send(client, b"hello");
    network.settle();
    assert_eq!(answers(&["PUT"], &network.received(client))[0].text(), "5");
}

#[test]
fn code_that_panics_ends_its_connection_and_nothing_else() {
    let web = || {
        guarded()
            .0
            .get("/map", |_, reply| reply.text("x"))
            .map_response(|request, _| assert!(request.path() != "/map", "a mapper panics"))
            .on_failure(|request, _| match request.path() {
                "/" => panic!("the answer to a failure panics"),
                _ => Response::new(500).text("failed"),
            })
    };
    for request in [
        "GET / HTTP/1.1\r\nHost: h\r\nX-Key: panic\r\n\r\n",
        "PUT /file/a HTTP/1.1\r\nHost: h\r\nX-Key: panic\r\nContent-Length: 9\r\n\r\n",
        "GET /map HTTP/1.1\r\nHost: h\r\nX-Key: right\r\n\r\n",
    ] {
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network, &mut web());
        network.send(client, request.as_bytes());
        network.settle();
        let answer = answers(&["GET"], &network.received(client)).remove(0);
        assert_eq!(answer.status, 500, "{request}");
        assert!(answer.says_close() && network.is_closed(client));
        network.shut(client);
        network.settle();
        let panicked = |metrics: &Metrics| metrics.closed(&socketserver::Close::Panicked);
        assert_eq!(panicked(&network.metrics()), 1);
    }
}

#[test]
fn a_mapper_changes_every_answer() {
    let web = Web::new()
        .get("/", |_, reply| reply.header("etag", "1").text("direct"))
        .get("/after", |_, reply| reply.after(Duration::from_secs(1)).text("after"))
        .get("/offload", |_, reply| reply.offload(|| Ok(Response::new(201).text("offload"))))
        .get("/kept", |_, reply| {
            let (pending, answered) = reply.keep();
            pending.send(Response::new(200).text("kept"));
            answered
        })
        .get("/pieces", |_, reply| reply.pieces("a/b", [b"pieces".to_vec()]))
        .get("/fails", |_, _| Err(Failure::new(409, "failed")))
        .get("/bad", |_, reply| reply.text("bad"))
        .map_response(|request, response| {
            response.set_header("x-path", request.path());
            response.set_header("etag", "2");
            response.remove_header("x-none");
            if request.path() == "/bad" {
                response.set_header("x-path", "a\nb");
            }
            if request.path() == "/after" {
                let text = [response.body(), b", mapped"].concat();
                response.set_body("text/mapped", text);
                response.set_status(202);
            }
        });
    let mut client = WebClient::new(web);
    for (path, status, text) in [
        ("/", 200, "direct"),
        ("/after", 202, "after, mapped"),
        ("/offload", 201, "offload"),
        ("/kept", 200, "kept"),
        ("/pieces", 200, "pieces"),
        ("/fails", 409, "409 Conflict: failed\n"),
        ("/nothing", 404, "404 Not Found\n"),
    ] {
        let exchange = client.request(Method::GET, path).start();
        client.advance(Duration::from_secs(1));
        let answer = client.answer(exchange).unwrap();
        assert_eq!((answer.status(), answer.text()), (status, text), "{path}");
        assert_eq!(answer.header("x-path"), Some(path));
        assert_eq!(answer.header("etag"), Some("2"));
    }
    let bad = client.get("/bad");
    assert_eq!((bad.status(), bad.header("x-path")), (500, None));
    let other = client.request(Method::POST, "/").send();
    assert_eq!((other.status(), other.header("x-path")), (405, Some("/")));
    assert!(other.header("allow").is_some());
}

#[test]
fn failures_are_answered_in_the_words_of_the_service() {
    let log = listen();
    let web = Web::new()
        .get("/words/failure", |_, _| Err(Failure::new(409, "taken")))
        .get("/words/error", |_, _| Err("secret".into()))
        .get("/words/panic", |_, _| panic!("asked to"))
        .get("/words/offload", |_, reply| reply.offload(|| Err(Failure::new(404, "none"))))
        .on_failure(|request, failure| {
            let text = format!("{} {} {}", request.path(), failure.status().as_u16(), failure);
            Response::new(failure.status()).html(text)
        });
    let mut client = WebClient::new(web);
    for (path, text) in [
        ("/words/failure", "/words/failure 409 taken"),
        ("/words/error", "/words/error 500 secret"),
        ("/words/panic", "/words/panic 500 panicked: asked to"),
        ("/words/offload", "/words/offload 404 none"),
    ] {
        let answer = client.get(path);
        assert_eq!(answer.text(), text);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    }
    assert_eq!(records(&log, "/words/").len(), 4);
}

#[test]
fn a_site_has_its_own_page_for_unknown_paths() {
    let web =
        Web::new().get("/", |_, reply| reply.text("root")).not_found(
            |request, reply| match request.path() {
                "/late" => reply.offload(|| Ok(Response::new(410).text("offloaded"))),
                path => reply.text(format!("no {path}")),
            },
        );
    let mut client = WebClient::new(web);
    for (path, status, text) in
        [("/x", 404, "no /x"), ("/late", 410, "offloaded"), ("/", 200, "root")]
    {
        let answer = client.get(path);
        assert_eq!((answer.status(), answer.text()), (status, text));
    }
    assert_eq!(client.request(Method::POST, "/y").body("x").send().text(), "no /y");
    assert_eq!(client.request(Method::DELETE, "/").send().status(), 405);
}
