//! Compressed answers: which ones, for which clients, and with which fields.

use http::Method;
use socketserver::services::web::middleware::Compression;
use socketserver::services::web::{Response, Web};
use socketserver::testkit::{Random, WebAnswer, WebClient};

fn text(len: usize) -> String {
    "all work and no play ".chars().cycle().take(len).collect()
}

/// A service whose answer is made by the closure.
fn client(make: impl Fn() -> Response + Send + Sync + 'static) -> WebClient {
    let web = Web::new().get("/", move |_, reply| reply.send(make()));
    WebClient::new(web.map_response(Compression::new().mapper()))
}

fn ask(client: &mut WebClient, method: Method, fields: &[(&str, &str)]) -> WebAnswer {
    let mut request = client.request(method, "/");
    for (name, value) in fields {
        request = request.header(name, value);
    }
    request.send()
}

/// The coding and the `Vary` of the answer to a client that accepts gzip.
fn of(make: impl Fn() -> Response + Send + Sync + 'static) -> (bool, Option<String>) {
    let answer = ask(&mut client(make), Method::GET, &[("accept-encoding", "gzip")]);
    let is_compressed = answer.header("content-encoding") == Some("gzip");
    assert_eq!(answer.body().starts_with(b"\x1f\x8b"), is_compressed);
    (is_compressed, answer.header("vary").map(str::to_owned))
}

#[test]
fn the_client_decides_by_weights() {
    let mut client = client(|| Response::new(200).text(text(2000)));
    for (accepts, is_compressed) in [
        (Some("gzip"), true),
        (Some("deflate, GZip;q=0.1"), true),
        (Some("x-gzip"), true),
        (Some("*"), true),
        (Some("br;q=1, *;q=0.5"), true),
        (Some("gzip;q=0.2, identity;q=0"), true),
        (Some("*;q=0.1, identity;q=0"), true),
        (Some("gzip;q=1, identity;q=1"), true),
        (None, false),
        (Some(""), false),
        (Some("br, deflate"), false),
        (Some("identity"), false),
        (Some("gzip;q=0"), false),
        (Some("*;q=0"), false),
        (Some("gzip;q=0, *"), false),
        (Some("gzip;q=0.5, identity;q=0.6"), false),
        (Some("gzip;q=2"), false),
        (Some("identity;q=0"), false),
    ] {
        let fields: Vec<_> =
            accepts.map(|accepts| ("accept-encoding", accepts)).into_iter().collect();
        let answer = ask(&mut client, Method::GET, &fields);
        let coding = is_compressed.then_some("gzip");
        assert_eq!(answer.header("content-encoding"), coding, "{accepts:?}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accepts:?}");
        assert_eq!(answer.body().len() < 200, is_compressed);
    }
}

#[test]
fn only_text_of_a_middle_length_is_compressed() {
    let both = (true, Some("accept-encoding".to_owned()));
    let neither = (false, None);
    for (len, expected) in
        [(1023, &neither), (1024, &both), (256 * 1024, &both), (256 * 1024 + 1, &neither)]
    {
        assert_eq!(&of(move || Response::new(200).text(text(len))), expected, "{len}");
    }
    for (content_type, expected) in [
        ("text/html", &both),
        ("TEXT/CSS; charset=utf-8", &both),
        ("application/json", &both),
        ("application/problem+json", &both),
        ("application/javascript", &both),
        ("image/svg+xml", &both),
        ("image/png", &neither),
        ("application/zip", &neither),
        ("application/octet-stream", &neither),
        ("", &neither),
    ] {
        let make = move || Response::new(200).bytes(content_type, text(2000));
        assert_eq!(&of(make), expected, "{content_type}");
    }
    assert_eq!(of(|| Response::new(404).text(text(2000))), both);
    let mut random = Random::new(1);
    let noise: Vec<u8> = (0..5000).map(|_| random.below(256) as u8).collect();
    let varies = (false, Some("accept-encoding".to_owned()));
    assert_eq!(of(move || Response::new(200).bytes("text/plain", noise.clone())), varies);
}

#[test]
fn answers_that_must_stay_as_they_are_do() {
    let same = |name: &'static str, value: &'static str| {
        of(move || Response::new(200).header(name, value).text(text(2000)))
    };
    assert_eq!(same("cache-control", "public, No-Transform"), (false, None));
    assert_eq!(same("content-digest", "sha-256=:AAAA:"), (false, None));
    assert_eq!(same("content-range", "bytes 0-1999/3000"), (false, None));
    assert_eq!(of(|| Response::new(206).text(text(2000))), (false, None));
    let web = Web::new()
        .get("/", |_, reply| reply.header("content-encoding", "br").text(text(2000)))
        .get("/pieces", |_, reply| reply.pieces("text/plain", vec![text(2000).into_bytes()]))
        .map_response(Compression::new().mapper());
    let mut client = WebClient::new(web);
    let answer = ask(&mut client, Method::GET, &[("accept-encoding", "gzip")]);
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (Some("br"), None));
    let request = client.request(Method::GET, "/pieces").header("accept-encoding", "gzip");
    assert_eq!(request.send().text(), text(2000));
}

#[test]
fn vary_is_said_once() {
    for (own, count) in [("origin, Accept-Encoding", 1), ("*", 1), ("origin", 2)] {
        let answer = move || Response::new(200).header("vary", own).text(text(2000));
        let web = Web::new()
            .get("/", move |_, reply| reply.send(answer()))
            .map_response(Compression::new().mapper())
            .map_response(|_, response| {
                let count = format!("{response:?}").matches("vary").count();
                response.set_header("x-count", count);
            });
        let mut client = WebClient::new(web);
        let answer = ask(&mut client, Method::GET, &[("accept-encoding", "gzip")]);
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert_eq!(answer.header("x-count"), Some(&*count.to_string()), "{own}");
    }
}

#[test]
fn a_strong_tag_becomes_weak_and_stays_so_in_a_304() {
    let web = Web::new().get("/", |request, reply| {
        let known = request.header("if-none-match").unwrap_or_default();
        match known.contains("\"one\"") {
            true => reply.status(304).header("etag", "\"one\"").empty(),
            false => {
                let reply = reply.header("etag", "\"one\"").header("accept-ranges", "bytes");
                reply.text(text(2000))
            }
        }
    });
    let mut client = WebClient::new(web.map_response(Compression::new().mapper()));
    let gzip = ("accept-encoding", "gzip");
    let answer = ask(&mut client, Method::GET, &[gzip]);
    assert_eq!(answer.header("etag"), Some("W/\"one\""));
    assert_eq!(answer.header("accept-ranges"), None);
    let plain = ask(&mut client, Method::GET, &[]);
    assert_eq!(
        (plain.header("etag"), plain.header("accept-ranges")),
        (Some("\"one\""), Some("bytes"))
    );
    for (known, expected) in [("W/\"one\"", "W/\"one\""), ("\"one\"", "\"one\"")] {
        let answer = ask(&mut client, Method::GET, &[gzip, ("if-none-match", known)]);
        assert_eq!((answer.status(), answer.header("etag")), (304, Some(expected)));
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.header("content-encoding"), None);
    }
    let weak = of(|| Response::new(200).header("etag", "W/\"one\"").text(text(2000)));
    assert!(weak.0);
}

#[test]
fn head_has_the_fields_of_get() {
    let mut client = client(|| Response::new(200).header("etag", "\"one\"").text(text(2000)));
    let get = ask(&mut client, Method::GET, &[("accept-encoding", "gzip")]);
    let head = ask(&mut client, Method::HEAD, &[("accept-encoding", "gzip")]);
    assert_eq!(head.body(), b"");
    for name in ["content-length", "content-encoding", "content-type", "etag", "vary"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(get.header("content-length"), Some(&*get.body().len().to_string()));
}

#[test]
fn both_bounds_can_be_set() {
    let compression = Compression::new().min_bytes(100).max_bytes(200);
    let web = Web::new()
        .get("/{len}", |request, reply| {
            let len: usize = request.param("len").parse()?;
            reply.text(text(len))
        })
        .map_response(compression.mapper());
    let mut client = WebClient::new(web);
    for (len, is_compressed) in [(99, false), (100, true), (200, true), (201, false)] {
        let path = format!("/{len}");
        let request = client.request(Method::GET, &path).header("accept-encoding", "gzip");
        assert_eq!(request.send().header("content-encoding").is_some(), is_compressed, "{len}");
    }
}
