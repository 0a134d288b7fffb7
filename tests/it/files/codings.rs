//! Precompressed neighbours: RFC 9110, section 12.5.3.

use socketserver::services::files::Files;
use socketserver::services::web::Method;

use super::{MODIFIED, ask, client, client_of, date, directory};

const FILES: &[(&str, &str)] = &[
    ("both.html", "plain"),
    ("both.html.br", "brotli"),
    ("both.html.gz", "gzipped"),
    ("one.html", "plain"),
    ("one.html.gz", "gzipped"),
    ("image.png", "plain"),
    ("image.png.gz", "gzipped"),
];

/// The file, `Accept-Encoding`, the body.
const ROWS: &[(&str, &str, &str)] = &[
    ("both.html", "br", "brotli"),
    ("both.html", "gzip", "gzipped"),
    ("both.html", "x-gzip", "gzipped"),
    ("both.html", "gzip, deflate, br, zstd", "brotli"),
    ("both.html", "br;q=0.5, gzip", "gzipped"),
    ("both.html", "br;q=0.5, gzip;q=0.50", "brotli"),
    ("both.html", "br; Q=0 , gzip;q=0.001", "gzipped"),
    ("both.html", "BR", "brotli"),
    ("both.html", "*", "brotli"),
    ("both.html", "br;q=0, *", "gzipped"),
    ("both.html", "identity, br;q=0.9", "plain"),
    ("both.html", "identity;q=0.5, br;q=0.9", "brotli"),
    ("both.html", "identity", "plain"),
    ("both.html", "", "plain"),
    ("both.html", "br;q=2, gzip;q=x", "plain"),
    ("both.html", "br;q=0.1234", "plain"),
    ("both.html", "br;q=0, gzip;q=0.0", "plain"),
    // `.gz` is gzip and nothing else.
    ("both.html", "deflate, zstd, compress", "plain"),
    ("one.html", "br, gzip", "gzipped"),
    ("one.html", "br", "plain"),
    ("image.png", "gzip", "plain"),
];

#[test]
fn the_client_chooses_the_coding() {
    let dir = directory(FILES);
    let mut client = client(dir.path());
    for (name, accepted, body) in ROWS {
        let fields = [("accept-encoding", *accepted)];
        let answer = ask(&mut client, Method::GET, &format!("/f/{name}"), &fields);
        assert_eq!(answer.text(), *body, "{name}: {accepted}");
        let coding = match *body {
            "brotli" => Some("br"),
            "gzipped" => Some("gzip"),
            _ => None,
        };
        assert_eq!(answer.header("content-encoding"), coding, "{name}: {accepted}");
        let varies = name.ends_with("html").then_some("accept-encoding");
        assert_eq!(answer.header("vary"), varies, "{name}: {accepted}");
        let kind = if name.ends_with("html") { "text/html; charset=utf-8" } else { "image/png" };
        assert_eq!(answer.header("content-type"), Some(kind), "{name}");
    }
}

#[test]
fn a_neighbour_has_its_own_tag_and_ranges() {
    let dir = directory(FILES);
    let mut client = client(dir.path());
    let gzip = ("accept-encoding", "gzip");
    let plain = client.get("/f/both.html").header("etag").unwrap().to_owned();
    let packed = ask(&mut client, Method::GET, "/f/both.html", &[gzip]);
    let tag = packed.header("etag").unwrap().to_owned();
    assert_ne!(tag, plain);
    let answer = ask(&mut client, Method::GET, "/f/both.html", &[gzip, ("if-none-match", &tag)]);
    assert_eq!((answer.status(), answer.header("vary")), (304, Some("accept-encoding")));
    assert_eq!(answer.header("content-encoding"), None);
    let answer = ask(&mut client, Method::GET, "/f/both.html", &[gzip, ("if-none-match", &plain)]);
    assert_eq!(answer.status(), 200);
    let fields = [gzip, ("range", "bytes=4-"), ("if-range", &tag)];
    let answer = ask(&mut client, Method::GET, "/f/both.html", &fields);
    assert_eq!((answer.status(), answer.text()), (206, "ped"));
    assert_eq!(answer.header("content-range"), Some("bytes 4-6/7"));
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let head = ask(&mut client, Method::HEAD, "/f/both.html", &[gzip]);
    assert_eq!(head.header("content-length"), Some("7"));
}

#[test]
fn an_old_neighbour_is_ignored() {
    let dir = directory(FILES);
    date(&dir.path().join("one.html.gz"), MODIFIED - 1);
    let mut client = client(dir.path());
    let fields = [("accept-encoding", "gzip")];
    assert_eq!(ask(&mut client, Method::GET, "/f/one.html", &fields).text(), "plain");
    date(&dir.path().join("one.html.gz"), MODIFIED + 1);
    assert_eq!(ask(&mut client, Method::GET, "/f/one.html", &fields).text(), "gzipped");
    std::fs::remove_file(dir.path().join("one.html")).unwrap();
    assert_eq!(ask(&mut client, Method::GET, "/f/one.html", &fields).status(), 404);
}

#[test]
fn neighbours_can_be_switched_off() {
    let dir = directory(FILES);
    let mut client = client_of(Files::new(dir.path()).unwrap().without_precompressed());
    let fields = [("accept-encoding", "br, gzip")];
    let answer = ask(&mut client, Method::GET, "/f/both.html", &fields);
    assert_eq!((answer.text(), answer.header("vary")), ("plain", None));
    // As a file of its own it has no coding.
    let answer = client.get("/f/both.html.gz");
    assert_eq!(answer.header("content-type"), Some("application/gzip"));
    assert_eq!(answer.header("content-encoding"), None);
}
