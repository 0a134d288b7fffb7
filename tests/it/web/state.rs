//! Routes: their state, the forms they are written in, and the proof that they have answered.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use socketserver::services::web::{
    Answered, Failure, Reply, Request, Response, Sent, StatusCode, Web,
};
use socketserver::testkit::WebClient;

use crate::support::log::{listen, records};

struct App {
    visits: AtomicU64,
}

fn visit(request: &Request<'_, App>, reply: Reply<'_>) -> Answered {
    reply.text((1 + request.state().visits.fetch_add(1, Ordering::Relaxed)).to_string())
}

#[test]
fn routes_share_the_state_of_their_router() {
    let app = App { visits: AtomicU64::new(0) };
    let web = Web::with_state(app)
        .get("/a", visit)
        .get("/b", visit)
        .get("/c", |request, reply| visit(request, reply.header("x-c", "1")));
    let mut client = WebClient::new(web);
    let visits = ["/a", "/b", "/c", "/a"].map(|path| client.get(path).text().to_owned());
    assert_eq!(visits, ["1", "2", "3", "4"]);
}

/// As a user writes it, whose crate has no lint against hidden lifetimes.
#[allow(elided_lifetimes_in_paths, reason = "this is the form that is tested")]
fn plain(_: &Request, reply: Reply) -> Answered {
    reply.text("plain")
}

#[test]
fn a_route_is_a_function_a_closure_or_a_closure_in_a_variable() {
    let variable = |_: &Request<'_>, reply: Reply<'_>| reply.text("variable");
    let web = Web::new()
        .get("/plain", plain)
        .get("/variable", variable)
        .get("/closure", |_, reply| reply.text("closure"));
    let mut client = WebClient::new(web);
    for name in ["plain", "variable", "closure"] {
        assert_eq!(client.get(&format!("/{name}")).text(), name);
    }
}

#[test]
fn the_proof_of_another_answer_proves_nothing() {
    let log = listen();
    let kept: Mutex<Option<Sent>> = Mutex::new(None);
    let web = Web::new().get("/smuggle", move |_, reply| {
        let mut kept = kept.lock().unwrap();
        if let Some(sent) = kept.take() {
            return Ok(sent);
        }
        *kept = Some(reply.text("taken back")?);
        Err(Failure::new(503, "keeps the proof"))
    });
    let mut client = WebClient::new(web);
    assert_eq!(client.get("/smuggle").status(), 503);
    let answer = client.get("/smuggle");
    assert_eq!((answer.status(), answer.text()), (500, "500 Internal Server Error\n"));
    let said = records(&log, "/smuggle");
    assert!(said[0].starts_with("ERROR") && said[0].ends_with("keeps the proof"), "{said:?}");
    assert!(said[1].ends_with("the route returned the proof of another answer"), "{said:?}");
}

#[test]
fn a_failure_has_a_status_a_reason_and_a_source() {
    let failure = Failure::new(404, "no such item");
    assert_eq!((failure.status(), failure.reason()), (StatusCode::NOT_FOUND, "no such item"));
    assert_eq!(failure.to_string(), "no such item");
    assert!(failure.source().is_none());
    let error = "x".parse::<u32>().unwrap_err();
    let failure = Failure::from(error.clone());
    assert_eq!(failure.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(failure.source().unwrap().to_string(), error.to_string());
    assert!(failure.source().unwrap().is::<std::num::ParseIntError>());
    for odd in [100, 200, 302, 1000] {
        assert_eq!(Failure::new(odd, "").status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(Failure::bad_request("").status(), StatusCode::BAD_REQUEST);
}

#[test]
fn the_reason_of_a_4xx_is_sent_as_one_line_and_that_of_a_5xx_is_not() {
    let log = listen();
    let web = Web::new().get("/told/{status}", |request, _| {
        let status: u16 = request.param("status").parse()?;
        Err(Failure::new(status, "a\r\nreason"))
    });
    let mut client = WebClient::new(web);
    let answer = client.get("/told/418");
    assert_eq!(answer.text(), "418 I'm a teapot: a\\r\\nreason\n");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(client.get("/told/503").text(), "503 Service Unavailable\n");
    let said = records(&log, "/told/");
    assert!(said[0].starts_with("DEBUG") && said[0].ends_with("GET /told/418: a\\r\\nreason"));
    assert!(said[1].starts_with("ERROR") && said[1].ends_with("GET /told/503: a\\r\\nreason"));
}

#[test]
fn a_response_can_be_sent_with_the_fields_of_the_reply() {
    let web = Web::new()
        .get("/sent", |_, reply| {
            let response = Response::new(201).header("x-b", "2").text("made");
            reply.status(500).header("x-a", "1").send(response)
        })
        .get("/moved", |_, reply| reply.send(Response::redirect("/sent?a=b")))
        .get("/bytes", |_, reply| {
            reply.send(Response::default().header("content-length", "99").bytes("a/b", [1, 2]))
        })
        .get("/close", |_, reply| reply.send(Response::new(200).header("connection", "close")))
        .get("/pieces", |_, reply| {
            reply.send(Response::new(200).pieces("a/b", ["one, ", "two"].map(Vec::from)))
        });
    let mut client = WebClient::new(web);
    let sent = client.get("/sent");
    assert_eq!((sent.status(), sent.text()), (201, "made"));
    assert_eq!([sent.header("x-a"), sent.header("x-b")], [Some("1"), Some("2")]);
    let moved = client.get("/moved");
    assert_eq!((moved.status(), moved.header("location")), (303, Some("/sent?a=b")));
    let bytes = client.get("/bytes");
    assert_eq!((bytes.body(), bytes.header("content-length")), (&[1, 2][..], Some("2")));
    assert_eq!(client.get("/close").header("connection"), Some("close"));
    let pieces = client.get("/pieces");
    assert_eq!((pieces.text(), pieces.header("transfer-encoding")), ("one, two", Some("chunked")));
}

#[test]
fn an_answer_that_http_does_not_allow_is_500() {
    let log = listen();
    let web = Web::new()
        .get("/odd/name", |_, reply| reply.header("a b", "x").text("no"))
        .get("/odd/value", |_, reply| reply.header("x-a", "x\r\ny: z").text("no"))
        .get("/odd/status", |_, reply| reply.status(99).text("no"))
        .get("/odd/interim", |_, reply| reply.status(101).text("no"))
        .get("/odd/response", |_, reply| reply.send(Response::new(200).header("x\n", "y")))
        .get("/odd/location", |_, reply| reply.send(Response::redirect("/\r\nset-cookie: a=b")));
    let mut client = WebClient::new(web);
    for name in ["name", "value", "status", "interim", "response", "location"] {
        assert_eq!(client.get(&format!("/odd/{name}")).text(), "500 Internal Server Error\n");
    }
    let said = records(&log, "/odd/");
    assert_eq!(said.len(), 6);
    assert!(said[1].ends_with("GET /odd/value: the value of the field x-a is malformed"));
}
