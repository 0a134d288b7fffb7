//! The handshake of WebSockets, and its refusals.

use socketserver::protocol::ws::Frame;
use socketserver::services::web::{Response, Web, WebSocket};
use socketserver::services::ws::{WsContext, WsHandler};
use socketserver::testkit::Network;
use socketserver::{Close, Limits};

use super::client::{HANDSHAKE, Peer, masked, site};
use crate::support::http::{Answer, answers, connect};

pub(super) struct Echo;

impl WsHandler for Echo {
    fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        ws.send_text(text);
        Ok(())
    }
}

fn answer_of(site: &mut Web, request: &str) -> Answer {
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, site);
    network.send(client, request.as_bytes());
    network.settle();
    answers(&["GET"], &network.received(client)).remove(0)
}

/// The status of the answer to the handshake with one part of it replaced.
fn status_with(from: &str, to: &str) -> u16 {
    assert!(HANDSHAKE.contains(from));
    let request = HANDSHAKE.replace(from, to);
    answer_of(&mut site(WebSocket::new(), || Echo), &request).status
}

#[test]
fn the_handshake_of_the_rfc_is_accepted() {
    let answer = answer_of(&mut site(WebSocket::new(), || Echo), HANDSHAKE);
    assert_eq!(answer.status, 101);
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    assert_eq!(answer.field("connection"), Some("Upgrade"));
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.field("sec-websocket-protocol"), None);
    assert_eq!(answer.field("sec-websocket-extensions"), None);
    assert_eq!(answer.field("content-length"), None);
}

#[test]
fn names_and_lists_are_read_as_http_reads_them() {
    for (from, to) in [
        ("Upgrade: websocket", "upgrade: h2c, WebSocket"),
        ("Connection: keep-alive, Upgrade", "Connection: keep-alive\r\nconnection: uPGRADE"),
        ("Sec-WebSocket-Key: ", "sec-websocket-key:   "),
    ] {
        assert_eq!(status_with(from, to), 101, "{to}");
    }
}

#[test]
fn another_request_is_told_what_is_required() {
    for (from, to) in [
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket", "Upgrade: websockets"),
        ("keep-alive, Upgrade", "keep-alive"),
        ("Version: 13", "Version: 8"),
        ("Sec-WebSocket-Version: 13\r\n", ""),
    ] {
        let request = HANDSHAKE.replace(from, to);
        let answer = answer_of(&mut site(WebSocket::new(), || Echo), &request);
        assert_eq!(answer.status, 426, "{from} -> {to}");
        assert_eq!(answer.field("sec-websocket-version"), Some("13"));
        assert_eq!(answer.field("upgrade"), Some("websocket"));
        assert_eq!(answer.field("connection"), Some("Upgrade"));
    }
}

#[test]
fn a_malformed_handshake_is_refused() {
    for (from, to) in [
        ("HTTP/1.1", "HTTP/1.0"),
        ("dGhlIHNhbXBsZSBub25jZQ==", ""),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR=="),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key"),
        ("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx"),
    ] {
        assert_eq!(status_with(from, to), 400, "{from} -> {to}");
    }
    let socket = WebSocket::new();
    let mut any =
        Web::new().any("/ws", move |request, reply| socket.accept(request, reply, |_| Echo));
    assert_eq!(answer_of(&mut any, &HANDSHAKE.replace("GET", "POST")).status, 400);
}

#[test]
fn a_foreign_origin_is_refused_if_origins_are_set() {
    let with =
        |origin: &str| HANDSHAKE.replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n"));
    let list = || WebSocket::new().origins(["https://a.example", "https://b.example:8443"]);
    for (socket, origin, status) in [
        (WebSocket::new(), "https://evil.example", 101),
        (list(), "https://a.example", 101),
        (list(), "https://B.example:8443", 101),
        (list(), "http://a.example", 403),
        (list(), "https://b.example", 403),
        (list(), "null", 403),
        (WebSocket::new().same_origin(), "http://example.com", 101),
        (WebSocket::new().same_origin(), "https://EXAMPLE.com", 101),
        (WebSocket::new().same_origin(), "http://example.com:81", 403),
        (WebSocket::new().same_origin(), "http://example.com.evil.example", 403),
        (WebSocket::new().same_origin(), "null", 403),
    ] {
        let answer = answer_of(&mut site(socket, || Echo), &with(origin));
        assert_eq!(answer.status, status, "{origin}");
    }
    for socket in [list(), WebSocket::new().same_origin()] {
        assert_eq!(answer_of(&mut site(socket, || Echo), HANDSHAKE).status, 101);
    }
}

#[test]
fn the_first_own_subprotocol_that_is_offered_is_chosen() {
    for (offers, chosen) in [
        ("Sec-WebSocket-Protocol: two, one\r\n", Some("one")),
        ("Sec-WebSocket-Protocol: three\r\nSec-WebSocket-Protocol: two\r\n", Some("two")),
        ("Sec-WebSocket-Protocol: One\r\n", None),
        ("", None),
    ] {
        let socket = WebSocket::new().subprotocols(["one", "two"]);
        let expected = chosen.map(str::to_owned);
        let mut web = Web::new().get("/ws", move |request, reply| {
            socket.accept(request, reply, |name| {
                assert_eq!(name.map(str::to_owned), expected);
                Echo
            })
        });
        let request = HANDSHAKE.replace("\r\n\r\n", &format!("\r\n{offers}\r\n"));
        let answer = answer_of(&mut web, &request);
        assert_eq!((answer.status, answer.field("sec-websocket-protocol")), (101, chosen));
    }
}

#[test]
fn frames_that_come_with_the_request_reach_the_handler() {
    let mut network = Network::new(Limits::default());
    let early = [masked(Frame::text("one")), masked(Frame::text("two"))].concat();
    for cut in 0..=early.len() {
        let (early, late) = early.split_at(cut);
        let mut site = site(WebSocket::new(), || Echo);
        let mut peer = Peer::connect(&mut network, &mut site, early);
        network.send(peer.client, late);
        assert_eq!(peer.heard(&mut network), ["one", "two"]);
    }
}

#[test]
fn fields_of_the_reply_and_mappers_see_the_answer() {
    let socket = WebSocket::new();
    let mut web = Web::new()
        .get("/ws", move |request, reply| {
            socket.accept(request, reply.header("x-one", "1"), |_| Echo)
        })
        .map_response(|_, response| {
            response.set_header("x-two", response.status().as_str().to_owned());
        });
    let answer = answer_of(&mut web, HANDSHAKE);
    assert_eq!((answer.field("x-one"), answer.field("x-two")), (Some("1"), Some("101")));

    let socket = WebSocket::new();
    let mut web = Web::new()
        .get("/ws", move |request, reply| socket.accept(request, reply, |_| Echo))
        .map_response(|_, response| *response = Response::new(503).text("not now"));
    assert_eq!(answer_of(&mut web, HANDSHAKE).status, 503);
}
