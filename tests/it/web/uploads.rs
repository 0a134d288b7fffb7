//! Limits of bodies that routes have for themselves.

use http::Method;
use socketserver::protocol::http::HttpLimits;
use socketserver::services::web::Web;
use socketserver::testkit::{Network, WebClient};
use socketserver::{Close, Limits};

use crate::support::http::{answers, ask, connect};

fn site() -> Web {
    let len = |request: &socketserver::services::web::Request<'_>| request.body().len().to_string();
    Web::new()
        .limits(HttpLimits::default().body(100))
        .put("/large/{name}", move |request, reply| reply.text(len(request)))
        .post("/large/{name}", move |request, reply| reply.text(len(request)))
        .put("/small", move |request, reply| reply.text(len(request)))
        .put("/other", move |request, reply| reply.text(len(request)))
        .body_limit("/large/{x}", 1000)
        .body_limit("/small", 10)
}

/// Path, the longest body that it takes, and the answers to that and to one more byte.
const LIMITS: &[(&str, usize, u16)] =
    &[("/large/a", 1000, 200), ("/small", 10, 200), ("/other", 100, 200), ("/nothing", 100, 404)];

#[test]
fn a_route_has_its_own_limit_above_or_below_that_of_the_service() {
    let mut client = WebClient::new(site());
    for (path, limit, status) in LIMITS {
        for (len, status) in [(*limit, *status), (limit + 1, 413)] {
            let answer = client.request(Method::PUT, path).body(vec![b'x'; len]).send();
            assert_eq!(answer.status(), status, "{path} {len}");
        }
    }
    let answer = client.post("/large/a", [b'x'; 1000]);
    assert_eq!(answer.text(), "1000");
}

#[test]
fn a_chunked_body_is_refused_when_it_has_grown_too_long() {
    for (path, limit, status) in LIMITS {
        for (len, status) in [(*limit, *status), (limit + 1, 413)] {
            let head =
                format!("PUT {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
            let input = [head, "1\r\nx\r\n".repeat(len), "0\r\n\r\n".to_owned()].concat();
            let (said, is_closed) = ask(site(), input.as_bytes());
            let answer = answers(&["PUT"], &said).remove(0);
            assert_eq!((answer.status, is_closed), (status, status == 413), "{path} {len}");
        }
    }
}

#[test]
fn a_body_that_is_too_long_for_its_route_is_refused_at_the_head() {
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network, &mut site());
        let head = format!("PUT /small HTTP/1.1\r\nHost: h\r\n{expect}Content-Length: 11\r\n\r\n");
        network.send(client, head.as_bytes());
        network.settle();
        let answer = answers(&["PUT"], &network.received(client)).remove(0);
        assert_eq!((answer.status, answer.says_close()), (413, true));
        assert_eq!(answer.text(), "413 Payload Too Large: the body is too long\n");
        network.send(client, b"hello world");
        network.shut(client);
        network.settle();
        assert_eq!((network.is_reset(client), network.connections()), (false, 0));
        let too_long = Close::Malformed { code: 413, why: "" };
        assert_eq!(network.metrics().closed(&too_long), 1);
    }
}

#[test]
fn a_refusal_of_head_has_no_body() {
    let input = "HEAD /small HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n";
    let (said, _) = ask(site(), input.as_bytes());
    assert_eq!(answers(&["HEAD"], &said)[0].status, 413);
}

/// RFC 9110, section 9.3.2.
#[test]
fn no_refusal_of_head_has_a_body() {
    let long = format!("X: {}", "x".repeat(20_000));
    let fields: &[(&str, &str, u16)] = &[
        ("/", "Expect: foo", 417),
        ("/", "Host: again", 400),
        ("/", "Content-Length: x", 400),
        ("/", "Content-Length: 1000000000", 413),
        ("/", "Transfer-Encoding: chunked\r\nContent-Length: 1", 400),
        ("/", "Transfer-Encoding: gzip, chunked", 501),
        ("/", &long, 431),
        ("/ /", "X: y", 400),
    ];
    for (target, field, status) in fields {
        for start in ["", "\r\n"] {
            let input = format!("{start}HEAD {target} HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n");
            for step in [1, 7, input.len()] {
                let mut network = Network::new(Limits::default());
                let client = connect(&mut network, &mut site());
                for piece in input.as_bytes().chunks(step) {
                    network.send(client, piece);
                    network.settle();
                }
                let said = network.received(client);
                let case = format!("{field:.20} in steps of {step}: {}", said.escape_ascii());
                let answers = answers(&["HEAD"], &said);
                assert_eq!(answers[0].status, *status, "{case}");
                assert!(said.ends_with(b"\r\n\r\n"), "{case}");
                let is_told = answers[0].field("content-length") != Some("0");
                assert!(is_told, "the length that GET would have: {case}");
            }
        }
    }
    // A late head; and the one after it, which is for GET.
    for (method, has_body) in [("HEAD", false), ("GET", true)] {
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network, &mut site());
        network.send(client, format!("{method} / HTTP/1.1\r\nHost").as_bytes());
        network.advance(std::time::Duration::from_secs(32));
        let said = network.received(client);
        assert_eq!(answers(&[method], &said)[0].status, 408);
        assert_eq!(!said.ends_with(b"\r\n\r\n"), has_body);
    }
}
