//! The page over HTTP, and the origins whose pages may connect to its WebSocket.

use std::time::Duration;

use socketserver::services::chat::Chat;
use socketserver::services::web::Method;
use socketserver::testkit::WebClient;

use super::scene::{Scene, handshake};
use crate::hub::network::take_all;
use crate::ws::client::Peer;

#[test]
fn the_files_of_the_page_have_a_type_a_tag_and_a_strict_policy() {
    let mut client = WebClient::new(Chat::new().web());
    for (path, content_type, part) in [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/index.html", "text/html; charset=utf-8", "<!doctype html>"),
        ("/chat.css", "text/css; charset=utf-8", "{"),
        ("/chat.js", "text/javascript; charset=utf-8", "from \"./link.js\""),
        ("/link.js", "text/javascript; charset=utf-8", "export class link"),
        ("/icon.svg", "image/svg+xml", "<svg"),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status(), answer.header("content-type")), (200, Some(content_type)));
        assert!(answer.text().to_lowercase().contains(part), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        let tag = answer.header("etag").unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let answer = client.request(Method::GET, path).header("if-none-match", &known).send();
            assert_eq!((answer.status(), answer.header("etag")), (304, Some(&*tag)), "{known}");
        }
        let answer = client.request(Method::GET, path).header("if-none-match", "\"x\"").send();
        assert_eq!(answer.status(), 200);
        assert_eq!(client.request(Method::HEAD, path).send().status(), 200);
        assert_eq!(client.request(Method::POST, path).send().status(), 405);
    }
    assert_eq!(client.get("/favicon.ico").status(), 404);
    assert_eq!(client.get("/ws").status(), 426);
}

#[test]
fn the_page_needs_nothing_that_its_policy_forbids() {
    let page = WebClient::new(Chat::new().web()).get("/").text().to_lowercase();
    for forbidden in [" style=", "<style", " onclick", "http://", "https://", "//cdn"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for script in page.split("<script").skip(1) {
        assert!(script.split('>').next().unwrap().contains("src="), "an inline script");
    }
}

#[test]
fn a_foreign_origin_may_not_connect() {
    let mut scene = Scene::new();
    for (origin, status) in [
        ("http://example.com", "101"),
        ("https://EXAMPLE.com", "101"),
        ("http://evil.example", "403"),
        ("http://example.com.evil.example", "403"),
        ("http://example.com:8080", "403"),
        ("null", "403"),
    ] {
        for handshake in [
            handshake(&format!("Origin: {origin}\r\n")),
            handshake(&format!("Origin: {origin}\r\n")).replace("chat.v1.json", "other"),
        ] {
            let client = scene.connect();
            scene.network.send(client, handshake.as_bytes());
            scene.network.settle();
            let answer = take_all(&mut scene.network, client);
            assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{origin}");
        }
    }
}

#[test]
fn other_origins_may_be_permitted() {
    let chat = Chat::new().origins(["https://example.org"]);
    let mut scene = Scene::of(chat, socketserver::testkit::Network::new(Default::default()));
    for (origin, status) in [("https://example.org", "101"), ("http://example.com", "403")] {
        let client = scene.connect();
        let handshake = handshake(&format!("Origin: {origin}\r\n"));
        scene.network.send(client, handshake.as_bytes());
        scene.network.settle();
        let answer = take_all(&mut scene.network, client);
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{origin}");
    }
}

#[test]
fn the_subprotocol_decides_and_another_one_gets_lines() {
    let mut scene = Scene::new();
    for (offer, is_json) in [("chat.v1.json", true), ("x, chat.v1.json", true), ("chat.v2", false)]
    {
        let client = scene.connect();
        let handshake = handshake("").replace("chat.v1.json", offer);
        let mut peer = Peer::shake(&mut scene.network, client, handshake.as_bytes());
        let heard = peer.heard(&mut scene.network);
        assert_eq!(heard[0].starts_with(r#"{"type":"hello","#), is_json, "{heard:?}");
    }
}

#[test]
fn a_client_that_is_silent_is_greeted_and_one_with_a_line_at_once() {
    let mut scene = Scene::new();
    let (silent, quick) = (scene.connect(), scene.connect());
    scene.network.send(quick, b"hello\n");
    assert!(scene.hear(quick).starts_with("* welcome: you are guest-1 in lobby"));
    assert_eq!(scene.hear(silent), "");
    scene.network.advance(Duration::from_millis(300));
    assert!(scene.hear(silent).starts_with("* welcome: you are guest-2 in lobby"));
}
