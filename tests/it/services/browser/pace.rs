//! The pace of members with a browser, and of members with lines over a WebSocket.

use std::time::Duration;

use socketserver::protocol::ws::Frame;
use socketserver::services::chat::Chat;
use socketserver::testkit::Network;

use super::scene::Scene;
use crate::support::handlers::patient;
use crate::ws::client::{HANDSHAKE, Peer};

fn scene() -> Scene {
    let chat = Chat::new().line_rate(2, Duration::from_secs(1));
    Scene::of(chat, Network::new(patient()))
}

#[test]
fn the_messages_of_a_fast_browser_wait_and_none_is_lost() {
    let mut scene = scene();
    let nc = scene.nc();
    let mut ann = scene.browser();
    ann.ask(&mut scene, r#"{"type":"join","room":"lobby"}"#);
    scene.network.advance(Duration::from_secs(10));
    scene.hear(nc);
    for n in 0..5 {
        ann.say(&mut scene, "lobby", &n.to_string());
    }
    assert_eq!(scene.hear(nc), "guest-2: 0\nguest-2: 1\n");
    // It hears the others meanwhile.
    scene.line(nc, "slowly");
    let heard = ["lobby guest-2: 0", "lobby guest-2: 1", "lobby guest-1: slowly"];
    assert_eq!(ann.heard(&mut scene), heard);
    for n in 2..5 {
        scene.network.advance(Duration::from_secs(1));
        assert_eq!(scene.hear(nc), format!("guest-2: {n}\n"));
    }
    // A long text counts as several, and so does each message that says nothing.
    scene.network.advance(Duration::from_secs(10));
    ann.heard(&mut scene);
    ann.say(&mut scene, "lobby", &"x".repeat(1025));
    ann.send(&mut scene, r#"{"type":"who","room":"lobby"}"#);
    assert_eq!(ann.heard(&mut scene).len(), 1);
    scene.network.advance(Duration::from_secs(2));
    assert_eq!(ann.heard(&mut scene), ["names lobby 2: guest-1 guest-2"]);
    // Each room of a resumption counts.
    scene.network.advance(Duration::from_secs(10));
    ann.ask(&mut scene, r#"{"type":"resume","rooms":{"lobby":null,"tea":null,"sea":null}}"#);
    assert_eq!(ann.ask(&mut scene, "{}"), [""; 0]);
    scene.network.advance(Duration::from_secs(2));
    assert_eq!(ann.heard(&mut scene).len(), 1);
}

#[test]
fn a_fast_member_is_told_the_end_at_once() {
    let mut scene = scene();
    let mut ann = scene.browser();
    let client = scene.connect();
    let mut cat = Peer::shake(&mut scene.network, client, HANDSHAKE.as_bytes());
    cat.heard(&mut scene.network);
    for _ in 0..9 {
        ann.send(&mut scene, "{}");
        cat.send(&mut scene.network, Frame::text("hello"));
    }
    assert_eq!(ann.heard(&mut scene).len(), 2);
    scene.network.stop();
    assert_eq!(ann.heard(&mut scene), ["notice stopping the server is stopping", "close 1001 "]);
    assert_eq!(cat.heard(&mut scene.network), ["* the server is stopping", "close 1001 "]);
}
