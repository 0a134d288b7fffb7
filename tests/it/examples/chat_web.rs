//! The `reactor_chat` example with browsers, for which another implementation of WebSocket stands,
//! and members with lines at the same port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use serde_json::Value;
use tungstenite::handshake::client::generate_key;
use tungstenite::http::Request;
use tungstenite::http::request::Builder;
use tungstenite::{Message, WebSocket};

use crate::support::real::{Example, command, connect, example_path, tcp};

const NAME: &str = "reactor_chat";

/// A browser after its handshake.
struct Browser {
    socket: WebSocket<TcpStream>,
    nick: String,
}

fn handshake(address: SocketAddr) -> Builder {
    Request::builder()
        .uri(format!("ws://{address}/ws"))
        .header("Host", address.to_string())
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
}

impl Browser {
    fn new(address: SocketAddr) -> Browser {
        let request = handshake(address)
            .header("Sec-WebSocket-Protocol", "chat.v1.json")
            .header("Origin", format!("http://{address}"));
        let request = request.body(()).unwrap();
        let (socket, answer) = tungstenite::client(request, connect(address)).unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "chat.v1.json");
        let mut browser = Browser { socket, nick: String::new() };
        let hello = browser.next();
        browser.nick = hello["nick"].as_str().unwrap().to_owned();
        browser
    }

    fn send(&mut self, json: Value) {
        self.socket.send(Message::text(json.to_string())).unwrap();
    }

    fn next(&mut self) -> Value {
        match self.socket.read().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Reads up to a message of this type, and returns all of them.
    fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut heard = vec![self.next()];
        while heard[heard.len() - 1]["type"] != kind {
            heard.push(self.next());
        }
        heard
    }

    fn join(&mut self, after: Option<&str>) -> Vec<Value> {
        self.send(serde_json::json!({"type": "join", "room": "lobby", "after": after}));
        self.until("names")
    }

    /// Reads events until this number of lines has come.
    fn lines(&mut self, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        let mut lines = 0;
        while lines < count {
            let event = self.next();
            lines += usize::from(event["type"] == "msg");
            events.push(event);
        }
        events
    }
}

/// A member with lines, after its greeting.
fn nc(address: SocketAddr) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(connect(address));
    let mut greeting = String::new();
    stream.read_line(&mut greeting).unwrap();
    assert!(greeting.starts_with("* welcome: you are guest-"), "{greeting}");
    stream
}

fn offset(event: &Value) -> u64 {
    event["id"].as_str().unwrap().split_once('-').unwrap().1.parse().unwrap()
}

#[test]
fn all_browsers_have_one_order_of_the_messages_in_every_mode() {
    const EACH: usize = 250;
    for mode in ["multiplex", "threads", "reactors"] {
        let arguments = ["--line-interval", "0", "--log", "off", "--mode", mode];
        let example = Example::start(NAME, &arguments);
        let address = tcp(&example.addresses[0]);
        let mut line = nc(address);
        let mut browsers: Vec<Browser> = (0..3).map(|_| Browser::new(address)).collect();
        browsers.iter_mut().for_each(|browser| drop(browser.join(None)));
        let talking = browsers.into_iter().map(|mut browser| {
            thread::spawn(move || {
                for n in 0..EACH {
                    let text = n.to_string();
                    browser.send(serde_json::json!({"type": "say", "room": "lobby", "text": text}));
                }
                browser.lines(4 * EACH)
            })
        });
        let talking: Vec<_> = talking.collect();
        for n in 0..EACH {
            line.get_mut().write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        let heard: Vec<Vec<Value>> = talking.into_iter().map(|it| it.join().unwrap()).collect();
        for events in &heard {
            for pair in events.windows(2) {
                assert_eq!(offset(&pair[1]), offset(&pair[0]) + 1, "{mode}");
            }
            for nick in ["guest-1", "guest-2", "guest-3", "guest-4"] {
                let said = events.iter().filter(|it| it["type"] == "msg" && it["from"] == nick);
                let said: Vec<&str> = said.map(|it| it["text"].as_str().unwrap()).collect();
                let all: Vec<String> = (0..EACH).map(|n| n.to_string()).collect();
                assert_eq!(said, all, "{mode} {nick}");
            }
        }
        let last = |events: &Vec<Value>| events[events.len() - 100..].to_vec();
        assert_eq!(last(&heard[0]), last(&heard[1]));
        assert_eq!(last(&heard[0]), last(&heard[2]));
        let mut lines = 0;
        while lines < 3 * EACH {
            let mut text = String::new();
            line.read_line(&mut text).unwrap();
            lines += usize::from(!text.starts_with('*'));
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_browser_is_told_of_a_restart_and_then_that_lines_may_be_missing() {
    let old = Example::start(NAME, &["--reuse-port"]);
    let address = tcp(&old.addresses[0]);
    let mut browser = Browser::new(address);
    let names = browser.join(None);
    let id = names[names.len() - 1]["id"].as_str().unwrap().to_owned();
    old.signal("TERM");
    assert_eq!(browser.next()["code"], "stopping");
    let Message::Close(Some(close)) = browser.socket.read().unwrap() else { panic!("no close") };
    assert_eq!(u16::from(close.code), 1012);
    drop(browser);
    assert_eq!(old.join().0, Some(0));
    let mut next = command(&example_path(NAME));
    next.args(["--reuse-port", "--bind", &address.to_string()]);
    let _new = Example::spawn(next, 1);
    let heard = Browser::new(address).join(Some(&id));
    let kinds: Vec<&str> = heard.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["entered", "mark", "joined", "names"]);
}

#[test]
fn the_page_is_at_the_port_and_can_be_left_out() {
    let page = |arguments: &[&str]| {
        let example = Example::start(NAME, arguments);
        let mut stream = example.client();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let mut first = [0; 15];
        stream.read_exact(&mut first).unwrap();
        first
    };
    assert_eq!(page(&[]), *b"HTTP/1.1 200 OK");
    assert_eq!(page(&["--silence", "0"]), *b"* welcome: you ");
}

#[test]
fn an_origin_of_the_options_may_connect_and_no_other() {
    for (arguments, origin, is_admitted) in [
        (&[][..], "https://example.com", false),
        (&["--origin", "https://example.com"], "https://example.com", true),
        (&["--origin", "https://example.com"], "https://example.org", false),
    ] {
        let example = Example::start(NAME, arguments);
        let address = tcp(&example.addresses[0]);
        let request = handshake(address).header("Origin", origin).body(()).unwrap();
        let is_open = tungstenite::client(request, connect(address)).is_ok();
        assert_eq!(is_open, is_admitted, "{arguments:?} {origin}");
    }
}
