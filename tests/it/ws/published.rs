//! Published messages: one form for the members that compress, and one for the others.

use std::sync::Arc;

use socketserver::protocol::ws::{Frame, Message, Role, Ws, WsLimits};
use socketserver::services::web::WebSocket;
use socketserver::services::ws::{WsContext, WsHandler};
use socketserver::testkit::{Client, Network};
use socketserver::{Limits, Notification, Protocol, Step, Topic};

use super::client::{HANDSHAKE, site};
use crate::support::http::connect;

/// Joins a room.
struct Member;

impl WsHandler for Member {
    fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
        ws.cx().join(&room());
    }

    /// Joins in another way.
    fn on_notify(&mut self, notification: Notification, ws: &mut WsContext<'_, '_>) {
        match notification {
            Notification::Published(_, bytes) => ws.send_text(&format!("{} bytes", bytes.len())),
            other => match other.downcast::<&str>() {
                Ok("subscribe") => ws.cx().subscribe(&room()),
                Ok("join") => ws.cx().join(&room()),
                _ => ws.cx().leave(&room()),
            },
        }
    }
}

fn room() -> Topic {
    Topic::new("room")
}

const NONE: &str = "x";
const WIDEST: &str = "permessage-deflate; client_max_window_bits";
const NARROW: &str = "permessage-deflate; server_max_window_bits=10";

/// A member after its handshake, which has offered this extension.
fn member(network: &mut Network, offer: &str) -> Client {
    let client = connect(network, &mut site(WebSocket::new().deflate(), || Member));
    let field = format!("\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n");
    network.send(client, HANDSHAKE.replace("\r\n\r\n", &field).as_bytes());
    network.settle();
    assert!(network.received(client).starts_with(b"HTTP/1.1 101 "));
    client
}

/// The texts in the frames of a server.
fn texts(bytes: &[u8]) -> Vec<String> {
    let mut ws = Ws::new(Role::Client, Arc::new(WsLimits::default())).deflated();
    let (mut bytes, mut texts) = (bytes.to_vec(), Vec::new());
    while let Ok(Step::Message(Message::Text(text), used)) = ws.decode(&mut bytes) {
        texts.push(text.into_owned());
        bytes.drain(..used);
    }
    assert!(bytes.is_empty(), "{}", bytes.escape_ascii());
    texts
}

#[test]
fn each_member_receives_the_form_that_it_has_agreed_on() {
    let mut network = Network::with_reactors(Limits::default(), 2);
    let members: Vec<Client> = (0..100).map(|_| member(&mut network, WIDEST)).collect();
    let plain: Vec<Client> =
        [NONE, NARROW].repeat(2).into_iter().map(|it| member(&mut network, it)).collect();
    for text in ["to all ".repeat(100), "x".repeat(64), "x".repeat(63), String::new()] {
        network.publish(&room(), Frame::text(&text));
        network.settle();
        let first = network.received(members[0]);
        assert_eq!(texts(&first).concat(), text);
        assert_eq!(first[0] == 0xc1, text.len() >= 64, "only long ones are compressed");
        assert!(members[1..].iter().all(|member| network.received(*member) == first));
        for member in &plain {
            assert_eq!(network.received(*member), Vec::from(Frame::text(&text)));
        }
    }
    // A control frame, and bytes that were encoded elsewhere.
    network.publish(&room(), Frame::ping(&[b'p'; 100]));
    network.publish(&room(), b"\x81\x02hi");
    network.settle();
    let expected = [Vec::from(Frame::ping(&[b'p'; 100])), b"\x81\x02hi".to_vec()].concat();
    for member in members.into_iter().chain(plain) {
        assert_eq!(network.received(member), expected);
    }
}

#[test]
fn nothing_is_lost_when_the_delivery_changes_between_two_messages() {
    let mut network = Network::new(Limits::default());
    let client = member(&mut network, WIDEST);
    let other = member(&mut network, NONE);
    let mut expected = Vec::new();
    // Each change comes while messages before it are undelivered.
    for (at, change) in ["subscribe", "join", "subscribe", "join", "leave"].iter().enumerate() {
        for part in 0..3 {
            let text = format!("{at} {part} ").repeat(30);
            network.publish(&room(), Frame::text(&text));
            expected.push(text);
        }
        network.notify(client, *change);
        network.settle();
    }
    let len = |text: &String| match text.strip_suffix(" bytes") {
        Some(len) => len.parse().unwrap(),
        None => Vec::from(Frame::text(text)).len(),
    };
    let heard: Vec<usize> = texts(&network.received(client)).iter().map(len).collect();
    let lens: Vec<usize> = expected.iter().map(len).collect();
    assert_eq!(heard, lens);
    assert_eq!(texts(&network.received(other)), expected);
}
