//! The `api` example: its answers on a network in memory, and the program on sockets.

use std::process::Command;

use socketserver::services::web::Method;
use socketserver::testkit::{WebAnswer, WebClient};

use crate::support::output::run_to_end;
use crate::support::real::{Example, example_path, exchange, get};

#[path = "../../../examples/api.rs"]
#[allow(dead_code, reason = "the program is run as a process")]
mod example;

use example::{BODY_MAX, ITEMS_MAX, web};

const TOKEN: &str = "Bearer 31d4d96e";
const TEA: &str = r#"{"name":"tea","cents":250}"#;

fn client() -> WebClient {
    WebClient::new(web("31d4d96e".into()))
}

/// Sends a request with the token.
fn write(client: &mut WebClient, method: Method, path: &str, body: &str) -> WebAnswer {
    let request = client.request(method, path).header("authorization", TOKEN);
    request.header("content-type", "application/json").body(body).send()
}

fn post(client: &mut WebClient, body: &str) -> WebAnswer {
    write(client, Method::POST, "/items", body)
}

#[test]
fn an_item_is_added_shown_and_deleted() {
    let mut client = client();
    let added = post(&mut client, TEA);
    assert_eq!((added.status(), added.header("location")), (201, Some("/items/1")));
    assert_eq!(post(&mut client, TEA).header("location"), Some("/items/2"));

    let shown = client.get("/items/1");
    assert_eq!((shown.status(), shown.text()), (200, TEA));
    assert_eq!(shown.header("content-type"), Some("application/json"));

    let deleted = write(&mut client, Method::DELETE, "/items/1", "");
    assert_eq!((deleted.status(), deleted.text()), (204, ""));
    assert_eq!(client.get("/items/1").status(), 404);
    assert_eq!(write(&mut client, Method::DELETE, "/items/1", "").status(), 404);
    assert_eq!(client.get("/items/2").status(), 200);
}

#[test]
fn writing_needs_the_token_and_reading_does_not() {
    let mut client = client();
    assert_eq!(post(&mut client, TEA).status(), 201);
    for (method, path) in [(Method::POST, "/items"), (Method::DELETE, "/items/1")] {
        for token in [None, Some("31d4d96e"), Some("Bearer 31d4d96"), Some("Bearer 31d4d96f")] {
            let mut request = client.request(method.clone(), path);
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            let answer = request.header("content-type", "application/json").body(TEA).send();
            assert_eq!(answer.status(), 401, "{method} {token:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(client.get("/items/1").status(), 200);
    assert_eq!(client.get("/items/2").status(), 404);
}

#[test]
fn failures_are_explained_in_json() {
    let mut client = client();
    let missing = client.get("/items/7");
    assert_eq!(missing.text(), r#"{"error":"there is no such item"}"#);
    assert_eq!(missing.header("content-type"), Some("application/json"));
    let malformed = client.get("/items/seven");
    assert_eq!(malformed.status(), 400);
    assert_eq!(malformed.text(), r#"{"error":"path parameter id: invalid digit found in string"}"#);

    for body in ["", "{", r#"{"name":"tea"}"#, r#"{"name":"tea","cents":-1}"#, "[]", "{}{}"] {
        let answer = post(&mut client, body);
        assert_eq!(answer.status(), 400, "{body}");
        assert!(answer.text().starts_with(r#"{"error":"the body: "#), "{}", answer.text());
    }
    assert_eq!(post(&mut client, r#"{"name":"tea","cents":1,"id":7}"#).status(), 400);
    let request = client.request(Method::POST, "/items").header("authorization", TOKEN);
    let answer = request.header("content-type", "text/plain").body(TEA).send();
    assert_eq!(answer.status(), 415);
    assert_eq!(answer.text(), r#"{"error":"the body must be application/json"}"#);
}

#[test]
fn items_and_their_number_are_bounded() {
    let mut client = client();
    let name = "x".repeat(BODY_MAX as usize);
    let answer = post(&mut client, &format!(r#"{{"name":"{name}","cents":1}}"#));
    assert_eq!(answer.status(), 413);
    for _ in 0..ITEMS_MAX {
        assert_eq!(post(&mut client, TEA).status(), 201);
    }
    let full = post(&mut client, TEA);
    assert_eq!((full.status(), full.text()), (409, r#"{"error":"there are too many items"}"#));
    assert_eq!(write(&mut client, Method::DELETE, "/items/1", "").status(), 204);
    assert_eq!(post(&mut client, TEA).status(), 201);
}

#[test]
fn other_methods_and_paths_are_answered_as_http_says() {
    let mut client = client();
    let answer = write(&mut client, Method::PUT, "/items/1", TEA);
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, DELETE, OPTIONS"));
    assert_eq!(client.get("/").status(), 404);
}

#[test]
fn the_program_serves_clients_and_stops_on_a_signal() {
    let mut command = Command::new(example_path("api"));
    command.arg("127.0.0.1:0").env("API_TOKEN", "31d4d96e");
    let example = Example::spawn(command, 1);
    let mut client = example.client();
    let request = format!(
        "POST /items HTTP/1.1\r\nHost: h\r\nAuthorization: {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{TEA}",
        TEA.len()
    );
    let added = exchange(&mut client, &request);
    assert_eq!((added.status, added.field("location")), (201, Some("/items/1")));
    assert_eq!(get(&mut client, "/items/1").text(), TEA);
    assert_eq!(get(&mut client, "/items/2").status, 404);
    drop(client);
    example.signal("TERM");
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn it_does_not_start_without_a_token() {
    for token in [None, Some("")] {
        let mut command = Command::new(example_path("api"));
        command.arg("127.0.0.1:0").env_remove("API_TOKEN");
        token.map(|token| command.env("API_TOKEN", token));
        let output = run_to_end(&mut command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.starts_with("api: set API_TOKEN"), "{said}");
    }
}
