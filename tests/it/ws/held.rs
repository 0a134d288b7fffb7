//! Handlers of WebSockets whose input the server does not read for a while.

use std::time::Duration;

use socketserver::protocol::ws::{Frame, WsLimits};
use socketserver::services::web::{Web, WebSocket};
use socketserver::services::ws::{WsContext, WsHandler};
use socketserver::testkit::Network;
use socketserver::{Close, Limits};

use super::client::{Peer, site};

const SECOND: Duration = Duration::from_secs(1);
/// The length of a message that does not fit into the output.
const LONG: usize = 1024 * 1024;

/// Does not read its peer while it works, or while a long message is sent.
struct Busy;

impl WsHandler for Busy {
    fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        match text {
            "work" => {
                ws.cx().pause();
                ws.cx().set_timer(0, 300 * SECOND);
            }
            _ => ws.send_binary(&vec![0; LONG]),
        }
        Ok(())
    }

    fn on_timer(&mut self, _: u64, ws: &mut WsContext<'_, '_>) {
        ws.send_text("worked");
        ws.cx().resume();
    }
}

fn scene() -> (Network, Web) {
    let limits = WsLimits::default().ping(Some(10 * SECOND));
    // A ping behind the long message would exceed the limit.
    (
        Network::new(Limits::default().output_hard(LONG / 4)),
        site(WebSocket::new().limits(limits), || Busy),
    )
}

#[test]
fn a_peer_that_is_not_read_is_not_taken_for_dead() {
    let (mut network, mut site) = scene();
    let mut peer = Peer::connect(&mut network, &mut site, b"");
    peer.send(&mut network, Frame::text("work"));
    let mut heard = Vec::new();
    for _ in 0..30 {
        for message in peer.heard_within(&mut network, 10 * SECOND) {
            if message == "ping " {
                peer.send(&mut network, Frame::pong(b""));
            }
            heard.push(message);
        }
    }
    // The pings show the proxies in between that the connection is in use.
    assert!(heard.iter().filter(|it| *it == "ping ").count() >= 10, "{heard:?}");
    assert!(heard.contains(&"worked".to_owned()), "{heard:?}");
    // From now on it is read, and must answer.
    let heard = peer.heard_within(&mut network, 60 * SECOND);
    assert_eq!(heard.last().map(String::as_str), Some("close 1008 no sign of life"));
}

#[test]
fn a_peer_that_takes_a_long_message_slowly_is_not_taken_for_dead() {
    let (mut network, mut site) = scene();
    let peer = Peer::connect(&mut network, &mut site, b"");
    network.window(peer.client, LONG / 20);
    peer.send(&mut network, Frame::text("long"));
    // A pong cannot come before the ping, and that follows the message.
    let mut received = 0;
    while received < LONG {
        network.advance(10 * SECOND);
        let piece = network.received(peer.client).len();
        assert_ne!(piece, 0, "cut after {received} bytes");
        received += piece;
    }
    assert_eq!(network.connections(), 1);
}
