//! Clients: with the server of this crate on a network in memory, and with another implementation
//! on real sockets.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, thread};

use socketserver::protocol::ws::{CloseCode, Handshake, HandshakeError, Role, WsLimits};
use socketserver::services::web::{Web, WebSocket};
use socketserver::services::ws::{self, WsContext, WsHandler};
use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Limits, Server};

use crate::support::http::connect;

type Notes = Arc<Mutex<Vec<String>>>;

/// Notes its calls, and obeys some texts.
struct Noting(Notes);

impl Noting {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }
}

impl WsHandler for Noting {
    fn on_handshake(&mut self, subprotocol: Option<&str>) {
        self.note(format!("agreed on {subprotocol:?}"));
    }

    fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
        let inner = error.get_ref().and_then(|error| error.downcast_ref::<HandshakeError>());
        self.note(format!("unreachable {:?} {inner:?}", error.kind()));
    }

    fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
        self.note("open");
        if ws.role() == Role::Client {
            ws.send_text(&"hello ".repeat(20));
        } else {
            ws.send_text("welcome");
        }
    }

    fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        self.note(text);
        match text {
            "close" => ws.close(CloseCode::from(4000), "as you wish"),
            "ping" => ws.ping(b"you"),
            text if ws.role() == Role::Server => ws.send_text(text),
            _ => {}
        }
        Ok(())
    }

    fn on_pong(&mut self, payload: &[u8], _: &mut WsContext<'_, '_>) {
        self.note(format!("pong {}", payload.escape_ascii()));
    }

    fn on_close(&mut self, code: CloseCode, reason: &str, _: &mut WsContext<'_, '_>) {
        self.note(format!("close {code} {reason}"));
    }
}

/// A client and a server, with a wire between them.
struct Pair {
    network: Network,
    client: Client,
    server: Client,
    /// The calls of both.
    notes: [Notes; 2],
    /// The bytes on the wire, to the server and to the client.
    wire: [Vec<u8>; 2],
}

impl Pair {
    fn new(handshake: &Handshake, socket: WebSocket) -> Pair {
        let notes: [Notes; 2] = Default::default();
        let [theirs, ours] = notes.clone();
        let mut web = Web::new().get("/chat", move |request, reply| {
            socket.accept(request, reply, |_| Noting(Arc::clone(&theirs)))
        });
        let mut network = Network::new(Limits::default());
        let server = connect(&mut network, &mut web);
        let client = network.connect(ws::client(handshake, WsLimits::default(), Noting(ours)));
        Pair { network, client, server, notes, wire: Default::default() }
    }

    /// Carries bytes in both directions, in pieces of at most this size, until none are left.
    fn carry(&mut self, size: usize) {
        loop {
            self.network.settle();
            let to_server = self.network.received(self.client);
            let to_client = self.network.received(self.server);
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
            for (to, bytes, wire) in [(self.server, to_server, 0), (self.client, to_client, 1)] {
                self.wire[wire].extend_from_slice(&bytes);
                for part in bytes.chunks(size) {
                    self.network.send(to, part);
                    self.network.settle();
                }
            }
        }
    }

    fn notes(&self) -> [Vec<String>; 2] {
        self.notes.each_ref().map(|notes| std::mem::take(&mut *notes.lock().unwrap()))
    }
}

fn handshake() -> Handshake {
    Handshake::new("ws://example.com/chat").unwrap()
}

#[test]
fn both_sides_agree_and_talk_however_the_bytes_are_cut() {
    let hello = "hello ".repeat(20);
    for size in [1, 2, 7, usize::MAX] {
        for deflates in [false, true] {
            let mut handshake = handshake().subprotocols(["a", "b"]);
            let mut socket = WebSocket::new().subprotocols(["b"]);
            if deflates {
                (handshake, socket) = (handshake.deflate(), socket.deflate());
            }
            let mut pair = Pair::new(&handshake, socket);
            pair.carry(size);
            let [theirs, ours] = pair.notes();
            assert_eq!(theirs, ["open", &hello]);
            assert_eq!(ours, ["agreed on Some(\"b\")", "open", "welcome", &hello]);
            // The texts are on the wire as they are, if they are not compressed.
            let is_plain = pair.wire[1].windows(hello.len()).any(|part| part == hello.as_bytes());
            assert_eq!(is_plain, !deflates);
            pair.network.stop();
            pair.carry(size);
            let ends = pair.notes().map(|notes| notes.concat());
            assert!(ends.iter().all(|end| end.starts_with("close 1001")), "{ends:?}");
        }
    }
}

#[test]
fn the_server_ends_the_connection_after_both_close_frames() {
    let mut pair = Pair::new(&handshake(), WebSocket::new());
    pair.carry(usize::MAX);
    pair.notes();
    // The client obeys the close frame of its peer, and waits for the end.
    pair.network.send(pair.client, b"\x88\x05\x0f\xa0bye");
    pair.network.settle();
    assert_eq!(pair.notes()[1], ["close 4000 bye"]);
    let answer = pair.network.received(pair.client);
    assert_eq!((answer.len(), answer[0], answer[1]), (8, 0x88, 0x82));
    assert_eq!(pair.network.connections(), 2);
    pair.network.shut(pair.client);
    pair.network.settle();
    assert_eq!(pair.network.connections(), 1);
    assert_eq!(pair.notes()[1], Vec::<String>::new());
}

#[test]
fn a_server_that_does_not_end_the_connection_is_left() {
    let mut pair = Pair::new(&handshake(), WebSocket::new());
    pair.carry(usize::MAX);
    pair.network.send(pair.client, b"\x88\x00");
    pair.network.advance(Duration::from_secs(4));
    assert_eq!(pair.network.connections(), 2);
    pair.network.advance(Duration::from_secs(2));
    assert_eq!(pair.network.connections(), 1);
}

#[test]
fn each_failure_is_told_once_and_ends_the_connection() {
    let answer = |text: &'static str| {
        move |network: &mut Network, client| {
            network.send(client, text.as_bytes());
        }
    };
    let shut = |network: &mut Network, client| network.shut(client);
    let reset = |network: &mut Network, client| network.reset(client);
    let wait = |network: &mut Network, _| network.advance(Duration::from_secs(15));
    let stop = |network: &mut Network, _| network.stop();
    type Act = Box<dyn Fn(&mut Network, Client)>;
    let cases: [(Act, &str); 6] = [
        (Box::new(answer("HTTP/1.1 404 Not Found\r\n\r\n")), "Other Some(Status(404))"),
        (Box::new(answer("220 mail\r\n")), "Other Some(Malformed)"),
        (Box::new(shut), "ConnectionAborted None"),
        (Box::new(reset), "ConnectionAborted None"),
        (Box::new(wait), "TimedOut None"),
        (Box::new(stop), "ConnectionAborted None"),
    ];
    for (at, (act, expected)) in cases.into_iter().enumerate() {
        let mut network = Network::new(Limits::default());
        let notes = Notes::default();
        let handler = Noting(Arc::clone(&notes));
        let limits = WsLimits::default().handshake(Duration::from_secs(20));
        let client = network.connect(ws::client(&handshake(), limits, handler));
        network.advance(Duration::from_secs(6));
        assert!(notes.lock().unwrap().is_empty());
        act(&mut network, client);
        network.settle();
        network.advance(Duration::from_secs(40));
        let notes = notes.lock().unwrap();
        assert_eq!(*notes, [format!("unreachable {expected}")], "case {at}");
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn masks_and_nonces_do_not_repeat() {
    let mut keys = std::collections::HashSet::new();
    let mut masks = std::collections::HashSet::new();
    for _ in 0..50 {
        let mut pair = Pair::new(&handshake(), WebSocket::new());
        pair.carry(usize::MAX);
        let request = String::from_utf8_lossy(&pair.wire[0]).into_owned();
        let (_, key) = request.split_once("Sec-WebSocket-Key: ").unwrap();
        assert!(keys.insert(key[..24].to_owned()));
        let head = pair.wire[0].windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
        masks.insert(<[u8; 4]>::try_from(&pair.wire[0][head + 2..head + 6]).unwrap());
    }
    // Two of 50 may be equal by chance, once in three million runs.
    assert!(masks.len() >= 49);
}

/// The other implementation as a server: sends each message back, until the client closes.
fn other_server(listener: &TcpListener) -> Vec<String> {
    let (socket, _) = listener.accept().unwrap();
    let mut server = tungstenite::accept(socket).unwrap();
    let mut heard = Vec::new();
    server.send(tungstenite::Message::text("welcome")).unwrap();
    server.send(tungstenite::Message::Ping("p".into())).unwrap();
    loop {
        match server.read() {
            Ok(message @ tungstenite::Message::Text(_)) => {
                heard.push(message.to_string());
                server.send(message).unwrap();
            }
            Ok(tungstenite::Message::Close(close)) => {
                let close = close.unwrap();
                heard.push(format!("close {} {}", u16::from(close.code), close.reason));
            }
            Ok(message) => heard.push(format!("{message:?}")),
            Err(_) => return heard,
        }
    }
}

/// Sends texts of all lengths of headers, one after the other, and closes.
struct Lengths {
    left: Vec<usize>,
    notes: Notes,
}

impl WsHandler for Lengths {
    fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        self.notes.lock().unwrap().push(format!("{} bytes", text.len()));
        match self.left.pop() {
            Some(len) => ws.send_text(&"x".repeat(len)),
            None => ws.close(CloseCode::NORMAL, "bye"),
        }
        Ok(())
    }

    fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
        self.notes.lock().unwrap().push(error.to_string());
    }

    fn on_close(&mut self, code: CloseCode, _: &str, _: &mut WsContext<'_, '_>) {
        self.notes.lock().unwrap().push(format!("close {code}"));
    }
}

#[test]
fn another_implementation_understands_our_client() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let other = thread::spawn(move || other_server(&listener));
    let (notes, left) = (Notes::default(), vec![70_000, 65_536, 65_535, 126, 125, 0]);
    let handler = Lengths { left, notes: Arc::clone(&notes) };
    // The offer of compression is declined.
    let handshake = Handshake::new(&url).unwrap().deflate();
    let client = ws::client(&handshake, WsLimits::default(), handler);
    Server::new().connect(handshake.authority(), client).run().unwrap();
    let lens = [0, 125, 126, 65_535, 65_536, 70_000];
    let mut heard: Vec<String> = lens.iter().map(|len| "x".repeat(*len)).collect();
    heard.insert(1, format!("{:?}", tungstenite::Message::Pong("p".into())));
    heard.push("close 1000 bye".to_owned());
    assert_eq!(other.join().unwrap(), heard);
    let mut expected: Vec<String> = lens.iter().map(|len| format!("{len} bytes")).collect();
    expected.insert(0, "7 bytes".to_owned());
    expected.push("close 1000".to_owned());
    assert_eq!(*notes.lock().unwrap(), expected);
}

#[test]
fn a_client_reaches_our_server_and_another_client_does_too() {
    struct Echo;

    impl WsHandler for Echo {
        fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
            ws.send_text("welcome");
        }

        fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
            ws.send_text(text);
            Ok(())
        }
    }

    let socket = WebSocket::new().deflate();
    let web = Web::new().get("/", move |request, reply| socket.accept(request, reply, |_| Echo));
    let server = Server::new().listen("127.0.0.1:0", web).unwrap();
    let (address, handle) = (server.addresses()[0].to_string(), server.handle());
    let server = thread::spawn(move || server.run());
    let handshake = Handshake::new(&format!("ws://{address}/")).unwrap().deflate();
    let notes = Notes::default();
    let handler = Lengths { left: vec![70_000, 100, 0], notes: Arc::clone(&notes) };
    let client = ws::client(&handshake, Arc::new(WsLimits::default()), handler);
    Server::new().connect(&*address, client).run().unwrap();
    let expected = ["7 bytes", "0 bytes", "100 bytes", "70000 bytes", "close 1000"];
    assert_eq!(*notes.lock().unwrap(), expected);

    let socket = TcpStream::connect(&address).unwrap();
    let (mut other, _) = tungstenite::client(format!("ws://{address}/"), socket).unwrap();
    assert_eq!(other.read().unwrap(), tungstenite::Message::text("welcome"));
    other.send(tungstenite::Message::text("hello")).unwrap();
    assert_eq!(other.read().unwrap(), tungstenite::Message::text("hello"));
    drop(other);
    handle.stop();
    server.join().unwrap().unwrap();
}
