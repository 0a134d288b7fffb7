//! The answers of the web service: their content, and the answers of routes that fail.

use std::time::Duration;

use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderValue, StatusCode};
use socketserver::Limits;
use socketserver::services::web::{Response, Web};
use socketserver::testkit::Network;

use crate::support::http::{answers, ask, connect};

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

#[test]
fn an_answer_has_the_given_parts() {
    let web = Web::new().get("/", |_, reply| {
        reply
            .status(StatusCode::CREATED)
            .header(ETAG, HeaderValue::from_static("\"1\""))
            .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .bytes("application/json", "{}")
    });
    let (said, _) = ask(web, request("/").as_bytes());
    let expected = "HTTP/1.1 201 Created\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                    Content-Type: application/json\r\netag: \"1\"\r\ncache-control: no-store\r\n\
                    Content-Length: 2\r\n\r\n{}";
    assert_eq!(String::from_utf8(said).unwrap(), expected);
}

#[test]
fn every_kind_of_body_has_its_type() {
    for (target, content_type, body) in [
        ("/text", Some("text/plain; charset=utf-8"), "t\u{e4}xt"),
        ("/html", Some("text/html; charset=utf-8"), "<p>"),
        ("/json", Some("application/json"), "[]"),
        ("/bytes", Some("image/x; a=\"b\""), "\0\r\n"),
        ("/empty", None, ""),
        ("/untyped", None, "?"),
    ] {
        let web = Web::new()
            .get("/text", |_, reply| reply.text("t\u{e4}xt"))
            .get("/html", |_, reply| reply.html("<p>"))
            .get("/json", |_, reply| reply.bytes("application/json", "[]"))
            .get("/bytes", |_, reply| reply.bytes("image/x; a=\"b\"", b"\0\r\n"))
            .get("/empty", |_, reply| reply.empty())
            .get("/untyped", |_, reply| reply.bytes("", b"?"));
        let (said, _) = ask(web, request(target).as_bytes());
        let answer = answers(&["GET"], &said).remove(0);
        assert_eq!((answer.field("content-type"), answer.text()), (content_type, body));
        assert_eq!(answer.field("content-length"), Some(body.len().to_string().as_str()));
    }
}

#[test]
fn parts_of_one_answer_are_not_in_the_next() {
    let mut web = Web::new()
        .get("/text", |_, reply| reply.text("a"))
        .get("/json", |_, reply| reply.bytes("application/json", "1"))
        .get("/teapot", |_, reply| reply.status(StatusCode::IM_A_TEAPOT).text("c"))
        .get("/tagged", |_, reply| reply.header(ETAG, HeaderValue::from_static("x")).text("d"))
        .get("/empty", |_, reply| reply.empty());
    let expected = [
        ("/text", 200, Some("text/plain; charset=utf-8"), None),
        ("/teapot", 418, Some("text/plain; charset=utf-8"), None),
        ("/text", 200, Some("text/plain; charset=utf-8"), None),
        ("/json", 200, Some("application/json"), None),
        ("/tagged", 200, Some("text/plain; charset=utf-8"), Some("x")),
        ("/empty", 200, None, None),
        ("/text", 200, Some("text/plain; charset=utf-8"), None),
    ];
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut web);
    let input: String = expected.iter().map(|(target, ..)| request(target)).collect();
    network.send(client, input.as_bytes());
    network.settle();
    let answers = answers(&["GET"; 7], &network.received(client));
    for (answer, (target, status, content_type, tag)) in answers.iter().zip(expected) {
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.field("content-type"), content_type, "{target}");
        assert_eq!(answer.field("etag"), tag, "{target}");
    }
}

#[test]
fn some_statuses_have_no_body_and_say_no_length() {
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        for delay in [Duration::ZERO, Duration::from_secs(1)] {
            let web = Web::new()
                .get("/", move |_, reply| reply.status(status).text("nobody may see this"))
                .get("/after", move |_, reply| reply.status(status).after(delay).text("nor this"))
                .get("/next", |_, reply| reply.text("next"));
            let mut network = Network::new(Limits::default());
            let client = connect(&mut network, &mut { web });
            let input = [request("/"), request("/after"), request("/next")].concat();
            network.send(client, input.as_bytes());
            network.advance(delay);
            let answers = answers(&["GET"; 3], &network.received(client));
            for answer in &answers[..2] {
                assert_eq!(answer.status, status.as_u16());
                assert_eq!(answer.field("content-length"), None);
            }
            assert_eq!(answers[2].text(), "next");
        }
    }
}

#[test]
fn a_content_type_cannot_smuggle_a_field() {
    for bad in ["a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\0", "\t", "a\x7f", "t\u{e4}xt"] {
        for target in ["/bytes", "/pieces", "/after"] {
            let web = Web::new()
                .get("/bytes", move |_, reply| reply.bytes(bad, b"x"))
                .get("/after", move |_, reply| reply.after(Duration::ZERO).bytes(bad, b"x"))
                .get("/pieces", move |_, reply| reply.pieces(bad, [b"x".to_vec()]));
            let (said, _) = ask(web, request(target).as_bytes());
            let answer = answers(&["GET"], &said).remove(0);
            assert_eq!(answer.field("content-type"), Some("application/octet-stream"));
            assert_eq!((answer.field("set-cookie"), answer.text()), (None, "x"));
        }
    }
}

#[test]
fn a_route_that_fails_is_answered_with_500_and_the_connection_goes_on() {
    let web = Web::new()
        .get("/fail", |_, _| Err("the secret reason".into()))
        .get("/parse", |request, reply| {
            let n: u32 = request.query().unwrap_or_default().parse()?;
            reply.text(n.to_string())
        })
        .get("/next", |_, reply| reply.text("next"));
    let input = [request("/fail"), request("/parse?x"), request("/parse?7"), request("/next")];
    let (said, is_closed) = ask(web, input.concat().as_bytes());
    let answers = answers(&["GET"; 4], &said);
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [500, 500, 200, 200]);
    assert!(!answers[0].text().contains("secret"));
    assert!(!is_closed && !answers[0].says_close());
}

#[test]
fn an_answer_is_taken_back_if_its_route_fails_afterwards() {
    let web = Web::new()
        .get("/text", |_, reply| reply.text("taken back").and(Err("no".into())))
        .get("/after", |_, reply| {
            reply.after(Duration::from_secs(1)).text("taken back").and(Err("no".into()))
        })
        .get("/pieces", |_, reply| {
            reply.pieces("text/x", [b"taken back".to_vec()]).and(Err("no".into()))
        })
        .get("/next", |_, reply| reply.text("next"));
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut { web });
    let input = ["/next", "/text", "/after", "/pieces", "/next"].map(request).concat();
    network.send(client, input.as_bytes());
    network.advance(Duration::from_secs(5));
    let answers = answers(&["GET"; 5], &network.received(client));
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 500, 500, 500, 200]);
}

#[test]
fn a_route_that_panics_ends_its_connection_after_the_answers_before_it() {
    let web = Web::new().get("/next", |_, reply| reply.text("next")).get("/panic", |_, reply| {
        let _ = reply.text("taken back");
        panic!("on purpose")
    });
    let mut web = { web };
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut web);
    let other = connect(&mut network, &mut web);
    let input = ["/next", "/panic", "/next"].map(request).concat();
    network.send(client, input.as_bytes());
    network.settle();
    let answers_ = answers(&["GET"; 2], &network.received(client));
    assert_eq!((answers_[0].status, answers_[1].status), (200, 500));
    assert!(answers_[1].says_close() && network.is_closed(client));
    network.shut(client);
    network.send(other, request("/next").as_bytes());
    network.settle();
    assert!(!network.is_reset(client));
    assert_eq!(answers(&["GET"], &network.received(other))[0].text(), "next");
}

#[test]
fn a_reset_content_has_no_body() {
    // RFC 9110, section 15.3.6.
    let web = || {
        Web::new()
            .get("/text", |_, reply| reply.status(StatusCode::RESET_CONTENT).text("nobody"))
            .get("/value", |_, reply| reply.send(Response::new(205).text("nobody")))
            .get("/pieces", |_, reply| {
                reply.status(StatusCode::RESET_CONTENT).pieces("text/x", [b"nobody".to_vec()])
            })
            .get("/next", |_, reply| reply.text("next"))
    };
    for path in ["/text", "/value", "/pieces"] {
        for version in ["1.1", "1.0\r\nConnection: keep-alive"] {
            let request = |path: &str| format!("GET {path} HTTP/{version}\r\nHost: h\r\n\r\n");
            let (said, _) = ask(web(), [request(path), request("/next")].concat().as_bytes());
            let said = String::from_utf8(said).unwrap();
            assert!(!said.contains("nobody"), "{said}");
            let answers = answers(&["GET"; 2], said.as_bytes());
            assert_eq!((answers[0].status, answers[0].text()), (205, ""), "{path} {said}");
            assert_eq!(answers[0].field("content-length"), Some("0"), "{path} {said}");
            assert_eq!(answers[1].text(), "next", "{path}");
        }
    }
}
