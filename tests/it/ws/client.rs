//! A WebSocket client on a network in memory.

use std::sync::Arc;
use std::time::Duration;

use socketserver::Protocol;
use socketserver::Step;
use socketserver::protocol::ws::{Frame, Message, Role, Ws, WsLimits};
use socketserver::services::web::{Web, WebSocket};
use socketserver::services::ws::WsHandler;
use socketserver::testkit::{Client, Network};

use crate::hub::network::take_all;
use crate::support::http::connect;

pub(crate) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: example.com\r\n\
    Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A service with one route, `/ws`.
pub(crate) fn site<H: WsHandler + 'static>(
    socket: WebSocket,
    make: impl Fn() -> H + Send + Sync + 'static,
) -> Web {
    Web::new().get("/ws", move |request, reply| socket.accept(request, reply, |_| make()))
}

/// The bytes of a frame of a client.
pub(crate) fn masked(frame: Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.append_masked(&mut bytes, [0x37, 0xfa, 0x21, 0x3d]);
    bytes
}

/// A client after its handshake.
pub(crate) struct Peer {
    pub(crate) client: Client,
    ws: Ws,
    pending: Vec<u8>,
}

impl Peer {
    /// Makes the handshake, and sends `early` with it.
    pub(crate) fn connect(network: &mut Network, site: &mut Web, early: &[u8]) -> Peer {
        let client = connect(network, site);
        Peer::shake(network, client, &[HANDSHAKE.as_bytes(), early].concat())
    }

    /// Makes the handshake of a connection.
    pub(crate) fn shake(network: &mut Network, client: Client, handshake: &[u8]) -> Peer {
        network.send(client, handshake);
        network.settle();
        let received = network.received(client);
        let end = received.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4;
        assert!(received.starts_with(b"HTTP/1.1 101 "), "{}", received.escape_ascii());
        let ws = Ws::new(Role::Client, Arc::new(WsLimits::default()));
        Peer { client, ws, pending: received[end..].to_vec() }
    }

    pub(crate) fn send(&self, network: &mut Network, frame: Frame<'_>) {
        network.send(self.client, &masked(frame));
        network.settle();
    }

    /// The messages that have come, as text.
    pub(crate) fn heard(&mut self, network: &mut Network) -> Vec<String> {
        self.pending.extend(take_all(network, self.client));
        let mut heard = Vec::new();
        loop {
            let used = match self.ws.decode(&mut self.pending).unwrap() {
                Step::Message(message, used) => {
                    heard.push(match message {
                        Message::Text(text) => text.into_owned(),
                        Message::Binary(bytes) => format!("binary {}", bytes.escape_ascii()),
                        Message::Ping(bytes) => format!("ping {}", bytes.escape_ascii()),
                        Message::Pong(bytes) => format!("pong {}", bytes.escape_ascii()),
                        Message::Close(code, reason) => format!("close {code} {reason}"),
                        _ => unreachable!(),
                    });
                    used
                }
                Step::Skip(used) => used,
                Step::NeedMore => break,
            };
            self.pending.drain(..used);
        }
        heard
    }

    /// The messages that come in this time.
    pub(crate) fn heard_within(&mut self, network: &mut Network, time: Duration) -> Vec<String> {
        network.advance(time);
        self.heard(network)
    }
}
