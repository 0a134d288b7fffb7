//! The routes of the web service: which one answers, and the values passed to it.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use socketserver::services::web::Web;

use crate::support::http::{Answer, answers, ask};

/// A request without a body that keeps the connection open.
fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// The answer of `web` to one request, after which the connection must stay open.
fn one(web: Web, method: &str, target: &str) -> Answer {
    let (said, is_closed) = ask(web, request(method, target).as_bytes());
    assert!(!is_closed, "{method} {target}");
    answers(&[method], &said).remove(0)
}

fn routes() -> Web {
    Web::new()
        .get("/users/{id}", |request, reply| {
            reply.text(format!("user {}", request.param("id").unwrap_or("?")))
        })
        .get("/users/me", |_, reply| reply.text("fixed"))
        .get("/users/{id}/pets/{pet}", |request, reply| {
            let (id, pet) =
                (request.param("id").unwrap_or("?"), request.param("pet").unwrap_or("?"));
            reply.text(format!("{pet} of {id}"))
        })
        .get("/users/{first}/{second}", |_, reply| reply.text("never before the other"))
        .get("/a/b", |_, reply| reply.text("a, then b"))
        .get("/caf\u{e9} au lait", |_, reply| reply.text("coffee"))
        .get("/{a}/{b}/{c}/{d}", |request, reply| {
            let all =
                ["a", "b", "c", "d"].map(|name| request.param(name).unwrap_or("?").to_owned());
            reply.text(all.join("|"))
        })
}

/// A path, and the text of its answer; `None` for 404.
const FOUND: &[(&str, Option<&str>)] = &[
    ("/users/me", Some("fixed")),
    ("/users/you", Some("user you")),
    ("/users/%6De", Some("fixed")),
    ("/users/a%20b", Some("user a b")),
    ("/users/a+b", Some("user a+b")),
    ("/users/%C3%A4", Some("user \u{e4}")),
    ("/users/x%2Fy", Some("user x/y")),
    ("/users/%252F", Some("user %2F")),
    ("/users/me?x=1", Some("fixed")),
    ("/users/..", Some("user ..")),
    ("/users/7/pets/rex", Some("rex of 7")),
    ("/users/7/pets", Some("never before the other")),
    ("/caf%C3%A9%20au%20lait", Some("coffee")),
    ("/1/2/3/4", Some("1|2|3|4")),
    ("/a/b", Some("a, then b")),
    ("/%61/%62", Some("a, then b")),
    ("http://h/a/b?c", Some("a, then b")),
    ("/a%2Fb", None),
    ("/a%2fb", None),
    ("/users%2Fme", None),
    ("/a/b/", None),
    ("/a//b", None),
    ("//a/b", None),
    ("/A/b", None),
    ("/users/", None),
    ("/users", None),
    ("/users/%FF", None),
    ("/users/{id}/nobody/rex", Some("users|{id}|nobody|rex")),
    ("/", None),
];

#[test]
fn paths_are_matched_segment_by_segment() {
    for (target, found) in FOUND {
        let target = target.replace('{', "%7B").replace('}', "%7D");
        let answer = one(routes(), "GET", &target);
        match found {
            Some(text) => assert_eq!((answer.status, answer.text()), (200, *text), "{target}"),
            None => assert_eq!(answer.status, 404, "{target}"),
        }
    }
}

fn methods() -> Web {
    Web::new()
        .get("/page", |_, reply| reply.text("a page"))
        .post("/page", |_, reply| reply.text("posted"))
        .route(Method::DELETE, "/thing/{id}", |_, reply| reply.text("gone"))
        .any("/any", |request, reply| reply.text(request.method().as_str()))
        .get("/any", |_, reply| reply.text("its own"))
        .route(Method::HEAD, "/head", |_, reply| reply.text("the answer to HEAD"))
        .get("/head", |_, reply| reply.text("the answer to GET"))
        .route(Method::from_bytes(b"BREW").unwrap(), "/brewed", |_, reply| reply.text("a pot"))
}

/// The methods of an Allow field, whose order has no meaning.
fn allowed(answer: &Answer) -> BTreeSet<&str> {
    let names = answer.field("allow").expect("an Allow field").split(", ");
    let count = names.clone().count();
    let names = BTreeSet::from_iter(names);
    assert_eq!(names.len(), count, "a method twice");
    names
}

#[test]
fn a_method_without_route_gets_405_with_the_allowed_methods() {
    for (method, target, known) in [
        ("DELETE", "/page", &["GET", "HEAD", "OPTIONS", "POST"][..]),
        ("GET", "/thing/7", &["DELETE", "OPTIONS"]),
        ("BREW", "/head", &["GET", "HEAD", "OPTIONS"]),
        ("GET", "/brewed", &["BREW", "OPTIONS"]),
    ] {
        let answer = one(methods(), method, target);
        assert_eq!(answer.status, 405, "{method} {target}");
        assert_eq!(Vec::from_iter(allowed(&answer)), known, "{method} {target}");
    }
}

#[test]
fn options_are_answered_where_there_is_a_route() {
    let answer = one(methods(), "OPTIONS", "/page");
    assert_eq!(answer.status, 204);
    assert_eq!(Vec::from_iter(allowed(&answer)), ["GET", "HEAD", "OPTIONS", "POST"]);
    assert_eq!(one(methods(), "OPTIONS", "*").status, 204);
    assert_eq!(one(methods(), "OPTIONS", "/nothing").status, 404);
}

#[test]
fn a_method_of_ones_own_has_routes_like_any_other() {
    assert_eq!(one(methods(), "BREW", "/brewed").text(), "a pot");
}

#[test]
fn a_route_for_any_method_takes_those_that_have_none_of_their_own() {
    for method in ["POST", "OPTIONS", "DELETE", "brew"] {
        assert_eq!(one(methods(), method, "/any").text(), method);
    }
    assert_eq!(one(methods(), "GET", "/any").text(), "its own");
}

/// An unknown path, with a route for all of them.
fn with_fallback() -> Web {
    methods().not_found(|request, reply| reply.text(request.method().as_str()))
}

#[test]
fn an_unknown_method_gets_501_unless_a_route_takes_any() {
    for (method, target) in [
        ("get", "/page"),
        ("brew", "/brewed"),
        ("M-SEARCH", "/thing/7"),
        ("PROPFIND", "/head"),
        ("PROPFIND", "/nothing"),
    ] {
        let answer = one(methods(), method, target);
        assert_eq!((answer.status, answer.field("allow")), (501, None), "{method} {target}");
    }
    let answer = one(with_fallback(), "PROPFIND", "/nothing");
    assert_eq!((answer.status, answer.text()), (404, "PROPFIND"));
    let answer = one(with_fallback(), "PROPFIND", "/page");
    assert_eq!(answer.status, 501);
}

#[test]
fn trace_gets_501_everywhere() {
    for target in ["/page", "/thing/7", "/any", "/head", "/brewed", "/nothing", "/any?a", "/%61ny"]
    {
        for web in [methods(), with_fallback()] {
            let answer = one(web, "TRACE", target);
            assert_eq!((answer.status, answer.field("allow")), (501, None), "{target}");
        }
    }
    let nested = Web::new().nest("/in", with_fallback());
    assert_eq!(one(nested, "TRACE", "/in/any").status, 501);
    let catch_all = Web::new().any("/{*path}", |_, reply| reply.text("any"));
    assert_eq!(one(catch_all, "TRACE", "/x/y").status, 501);
    // The case of methods matters, so this is another one.
    assert_eq!(one(methods(), "trace", "/any").text(), "trace");
}

#[test]
fn head_is_answered_as_get_but_for_the_body() {
    let head = one(methods(), "HEAD", "/page");
    let get = one(methods(), "GET", "/page");
    assert_eq!((head.status, &head.fields), (get.status, &get.fields));
    assert_eq!((head.text(), get.text()), ("", "a page"));
    let own = one(methods(), "HEAD", "/head");
    assert_eq!(own.field("content-length"), Some("18"));
    // An answer 404 has no body either.
    let nothing = one(methods(), "HEAD", "/nothing");
    assert_eq!((nothing.status, nothing.text()), (404, ""));
}

#[test]
fn head_with_a_body_that_is_refused_is_answered_without_one() {
    let input = b"HEAD /page HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n";
    let (said, is_closed) = ask(methods(), input);
    let answers = answers(&["HEAD"], &said);
    assert_eq!((answers[0].status, answers[0].says_close(), is_closed), (400, true, true));
}

#[test]
fn a_service_without_routes_finds_nothing() {
    assert_eq!(one(Web::new(), "GET", "/").status, 404);
}

/// A query, and the parameter `a` of it.
const QUERIES: &[(&str, Option<&str>)] = &[
    ("", None),
    ("?", None),
    ("?a", Some("")),
    ("?a=", Some("")),
    ("?a=1", Some("1")),
    ("?b=2&a=1&a=3", Some("1")),
    ("?a=b=c", Some("b=c")),
    ("?a=b+c%20d", Some("b c d")),
    ("?a=%2B%26%3D", Some("+&=")),
    ("?%61=yes", Some("yes")),
    ("?&&a=1", Some("1")),
    ("?aa=1", None),
    ("?a=%C3%A4", Some("\u{e4}")),
    ("?a=%FF", Some("\u{fffd}")),
    ("?a=%zz%", Some("%zz%")),
];

#[test]
fn parameters_of_the_query_are_decoded_as_forms_are() {
    for (query, value) in QUERIES {
        let web = Web::new().get("/", |request, reply| {
            reply.text(format!("{:?}", request.query_param("a").as_str()))
        });
        let target = format!("/{query}");
        assert_eq!(one(web, "GET", &target).text(), format!("{value:?}"), "{query}");
    }
}

#[test]
fn a_route_is_told_everything_about_the_request() {
    let web = Web::new().post("/{x}", |request, reply| {
        let fields: Vec<_> = request.headers().map(|(name, _)| name.to_owned()).collect();
        let facts = [
            request.method().to_string(),
            request.path().to_owned(),
            request.query().unwrap_or("-").to_owned(),
            request.host().unwrap_or("-").to_owned(),
            request.header("x-TWO").unwrap_or("-").to_owned(),
            request.header("x-three").unwrap_or("-").to_owned(),
            request.param("y").unwrap_or("-").to_owned(),
            request.peer().to_string(),
            fields.join(","),
            String::from_utf8_lossy(request.body()).into_owned(),
        ];
        reply.text(facts.join(" "))
    });
    let input = "POST /%78?q HTTP/1.1\r\nHost: h:1\r\nX-One: 1\r\nX-Two: 2\r\nX-Two: 3\r\n\
                 Content-Length: 4\r\n\r\nbody";
    let (said, _) = ask(web, input.as_bytes());
    let expected = "POST /%78 q h:1 2 - - unix Host,X-One,X-Two,X-Two,Content-Length body";
    assert_eq!(answers(&["POST"], &said)[0].text(), expected);
}

#[test]
fn a_status_is_that_of_the_route() {
    let web = Web::new().get("/", |_, reply| reply.status(StatusCode::IM_A_TEAPOT).text("short"));
    assert_eq!(one(web, "GET", "/").status, 418);
}
