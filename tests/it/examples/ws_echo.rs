//! The `ws_echo` example as users run it, with another implementation as its client.

use std::net::{SocketAddr, TcpStream};

use tungstenite::handshake::client::generate_key;
use tungstenite::http::Request;
use tungstenite::{Message, WebSocket};

use crate::support::real::{Example, command, connect, example_path, tcp};

const NAME: &str = "ws_echo";

/// A client after its handshake.
fn client(address: SocketAddr) -> WebSocket<TcpStream> {
    let request = Request::builder()
        .uri(format!("ws://{address}/"))
        .header("Host", address.to_string())
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
        .body(())
        .unwrap();
    tungstenite::client(request, connect(address)).unwrap().0
}

/// Reads until the close frame, and answers it. Returns its code.
fn close_of(client: &mut WebSocket<TcpStream>) -> u16 {
    let Message::Close(Some(close)) = client.read().unwrap() else { panic!("no close frame") };
    // The answer is sent, and then the server ends the connection.
    assert!(matches!(client.read(), Err(tungstenite::Error::ConnectionClosed)));
    close.code.into()
}

#[test]
fn messages_of_any_length_are_sent_back_in_every_mode() {
    for mode in ["multiplex", "threads", "processes", "reactors"] {
        let arguments = ["--mode", mode, "--workers", "2"];
        let arguments = if mode == "multiplex" { &arguments[..2] } else { &arguments };
        let example = Example::start(NAME, arguments);
        let mut client = client(tcp(&example.addresses[0]));
        for len in [0, 1, 125, 126, 65_535, 65_536, 3_000_000] {
            for message in [Message::text("x".repeat(len)), Message::binary(vec![0xff; len])] {
                client.send(message.clone()).unwrap();
                assert_eq!(client.read().unwrap(), message);
            }
        }
        example.signal("TERM");
        assert_eq!(close_of(&mut client), 1001, "{mode}");
        assert_eq!(example.join().0, Some(0));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_shares_its_port_says_that_it_restarts() {
    for mode in ["multiplex", "processes", "reactors"] {
        let arguments = ["--reuse-port", "--mode", mode, "--workers", "2"];
        let arguments = if mode == "multiplex" { &arguments[..3] } else { &arguments };
        let old = Example::start(NAME, arguments);
        let address = tcp(&old.addresses[0]);
        let mut client = client(address);
        client.send(Message::text("old")).unwrap();
        assert_eq!(client.read().unwrap(), Message::text("old"));
        let mut next = command(&example_path(NAME));
        next.args(["--reuse-port", "--bind", &address.to_string()]);
        let new = Example::spawn(next, 1);
        old.signal("TERM");
        assert_eq!(close_of(&mut client), 1012, "{mode}");
        assert_eq!(old.join().0, Some(0));
        client = self::client(address);
        client.send(Message::text("new")).unwrap();
        assert_eq!(client.read().unwrap(), Message::text("new"));
        drop(new);
    }
}
