//! Mistakes in the routes of a web service: found when the server starts, and harmless if it is not
//! asked.

use http::Method;
use socketserver::Service;
use socketserver::services::web::{Reply, Request, Web};
use socketserver::testkit::WebClient;

use crate::support::log::{listen, records};

fn ok(_: &Request<'_>, reply: Reply<'_>) -> socketserver::services::web::Answered {
    reply.text("ok")
}

fn complaint(web: &Web) -> String {
    web.check().map_or_else(|error| error.to_string(), |()| "nothing".to_owned())
}

/// A pattern, and the start-up error for it.
const PATTERNS: &[(&str, &str)] = &[
    ("/a/{b}/{*c}", "nothing"),
    ("/", "nothing"),
    ("/{*rest}", "nothing"),
    ("/caf\u{e9} au lait/", "nothing"),
    ("nolead", "the route GET nolead must begin with '/'"),
    ("", "the route GET  must begin with '/'"),
    ("/bad{x}y", "the route GET /bad{x}y must not have braces within the segment 'bad{x}y'"),
    ("/{x", "the route GET /{x must not have braces within the segment '{x'"),
    ("/{}", "the route GET /{} must have a name in each pair of braces"),
    ("/{*}", "the route GET /{*} must have a name in each pair of braces"),
    ("/{{x}}", "the route GET /{{x}} must have a name in each pair of braces"),
    ("/{*a}/b", "the route GET /{*a}/b must end with its {*name}"),
    ("/{*a}/", "the route GET /{*a}/ must end with its {*name}"),
    ("/files/*", "the route GET /files/* must not contain '*': write /files/{*path}"),
    ("/f*s", "the route GET /f*s must not contain '*': write /{*path}"),
    ("/a?b=1", "the route GET /a?b=1 must not contain '?', for only the path is matched"),
    ("/a#b", "the route GET /a#b must not contain '#', for only the path is matched"),
    ("/{a}/x/{a}", "the route GET /{a}/x/{a} must not have {a} twice"),
];

#[test]
fn a_pattern_that_breaks_a_rule_is_named() {
    for (pattern, said) in PATTERNS {
        assert_eq!(complaint(&Web::new().get(pattern, ok)), *said);
    }
}

#[test]
fn routes_for_the_same_requests_are_named() {
    let twice = Web::new().get("/x", ok).get("/x", ok);
    assert_eq!(complaint(&twice), "the route GET /x is there twice");
    let renamed = Web::new().get("/y/{a}", ok).get("/y/{b}", ok);
    let said = "the routes GET /y/{a} and GET /y/{b} match the same requests";
    assert_eq!(complaint(&renamed), said);
    let any = Web::new().any("/z/{*a}", ok).any("/z/{*b}", ok);
    let said = "the routes ANY /z/{*a} and ANY /z/{*b} match the same requests";
    assert_eq!(complaint(&any), said);
    let nested = Web::new().get("/api/x", ok).nest("/api", Web::new().get("/x", ok));
    assert_eq!(complaint(&nested), "the route GET /api/x is there twice");
    let different = Web::new()
        .get("/y/{a}", ok)
        .post("/y/{b}", ok)
        .any("/y/{c}", ok)
        .get("/y/{*rest}", ok)
        .get("/y/z", ok);
    assert_eq!(complaint(&different), "nothing");
}

#[test]
fn a_route_that_would_never_be_called_is_named() {
    for method in [Method::TRACE, Method::CONNECT] {
        let said = format!(
            "the route {method} /x would never be called: the answer is always 501, in the routes \
             below /api"
        );
        let web = Web::new().nest("/api", Web::new().any("/x", ok).route(method, "/x", ok));
        assert_eq!(complaint(&web), said);
    }
}

#[test]
fn a_body_limit_needs_a_route() {
    let useless = Web::new().post("/a", ok).body_limit("/b", 1);
    let said = "the body limit of /b is for a path that has no route";
    assert_eq!(complaint(&useless), said);
    let broken = Web::new().body_limit("b", 1);
    assert_eq!(complaint(&broken), "the path b of a body limit must begin with '/'");
    let nested = Web::new().nest("/api", Web::new().post("/{id}", ok).body_limit("/{x}", 1));
    assert_eq!(complaint(&nested), "nothing");
}

#[test]
fn a_prefix_that_breaks_a_rule_is_named() {
    for (prefix, rule) in [
        ("api", "must begin with '/'"),
        ("/", "must not end with '/'"),
        ("/api/", "must not end with '/'"),
        ("/{*all}", "must not contain {*name}"),
        ("/a*", "must not contain '*': write /{*path}"),
    ] {
        let web = Web::new().nest(prefix, Web::new().get("/x", ok));
        assert_eq!(complaint(&web), format!("the prefix {prefix} of nested routes {rule}"));
    }
    let inner = Web::new().nest("/api", Web::new().get("x", ok));
    let said = "the route GET x must begin with '/', in the routes below /api";
    assert_eq!(complaint(&inner), said);
    let twice = Web::new().nest("/{id}", Web::new().get("/{id}", ok));
    assert_eq!(complaint(&twice), "the route GET /{id}/{id} must not have {id} twice");
}

#[test]
fn an_unchecked_service_answers_500_and_logs_the_error() {
    let log = listen();
    let web = Web::new().get("/fine", ok).get("unchecked-lead", ok);
    let mut client = WebClient::new(web);
    for method in [Method::GET, Method::POST] {
        let answer = client.request(method, "/fine").send();
        assert_eq!((answer.status(), answer.text()), (500, "500 Internal Server Error\n"));
    }
    let said = records(&log, "unchecked-lead");
    assert!(said[0].contains("GET /fine: the routes are wrong: the route GET unchecked-lead must"));
}
