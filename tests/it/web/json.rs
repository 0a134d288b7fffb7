//! JSON bodies in both directions.

use std::collections::BTreeMap;

use http::Method;
use socketserver::services::web::{Answered, Reply, Request, Response, Web};
use socketserver::testkit::WebClient;

fn sum(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    let numbers: Vec<i64> = request.json()?;
    reply.json(&numbers.iter().sum::<i64>())
}

#[test]
fn a_body_is_read_as_json() {
    let mut client = WebClient::new(Web::new().post("/", sum).body_limit("/", 30));
    for (content_type, body, status, text) in [
        ("application/json", "[1, 2, 3]", 200, "6"),
        ("Application/JSON; charset=utf-8", "[]", 200, "0"),
        ("application/problem+json", "[1]", 200, "1"),
        (
            "text/json",
            "[1]",
            415,
            "415 Unsupported Media Type: the body must be application/json\n",
        ),
        ("", "[1]", 415, "415 Unsupported Media Type: the body must be application/json\n"),
        (
            "application/json",
            "[1",
            400,
            "400 Bad Request: the body: EOF while parsing a list at line 1 column 2\n",
        ),
        (
            "application/json",
            "{}",
            400,
            "400 Bad Request: the body: invalid type: map, expected a sequence at line 1 column 0\n",
        ),
        (
            "application/json",
            "",
            400,
            "400 Bad Request: the body: EOF while parsing a value at line 1 column 0\n",
        ),
        (
            "application/json",
            "[11111111, 22222222, 33333333333]",
            413,
            "413 Payload Too Large: the body is too long\n",
        ),
    ] {
        let request = client.request(Method::POST, "/").header("content-type", content_type);
        let answer = request.body(body).send();
        assert_eq!((answer.status(), answer.text()), (status, text), "{content_type} {body}");
    }
}

#[test]
fn a_value_is_written_as_json() {
    let unwritable = || BTreeMap::from([((1, 2), 3)]);
    let web = Web::new()
        .get("/reply", |_, reply| reply.status(201).json(&BTreeMap::from([("a", 1)])))
        .get("/response", |_, reply| reply.send(Response::new(200).json("text")))
        .get("/bad/reply", move |_, reply| reply.json(&unwritable()))
        .get("/bad/response", move |_, reply| reply.send(Response::new(200).json(&unwritable())));
    let mut client = WebClient::new(web);
    let answer = client.get("/reply");
    assert_eq!((answer.status(), answer.text()), (201, "{\"a\":1}"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(client.get("/response").text(), "\"text\"");
    for path in ["/bad/reply", "/bad/response"] {
        assert_eq!(client.get(path).text(), "500 Internal Server Error\n");
    }
}
