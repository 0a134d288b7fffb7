//! Input of peers in the log: one record stays one line, whatever bytes they choose for paths,
//! names and texts.

use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use socketserver::services::chat::Chat;
use socketserver::services::web::Web;
use socketserver::testkit::Network;
use socketserver::{
    Address, BlockingHandler, Close, Context, DatagramContext, Handler, Limits, Mode, Peer, Server,
    Service, Stream,
};

use crate::support::log::listen;
use crate::support::real::{Running, read_to_end, soon};

/// Line ends, sequences that move the cursor of a terminal, characters that change the direction of
/// text, and quotation marks.
const HOSTILE: &str = "\r\nWARN forged\n\u{1b}[2K\u{1b}]0;t\u{7}\u{8}\u{7f}\u{9b}1A\u{85}\u{202e}\u{2066}\u{2028}\u{2029}\u{feff}\u{200b}'\"";

/// Returns true for characters that must not occur unescaped in a line of the log.
fn is_hostile(c: char) -> bool {
    c.is_control() || (HOSTILE.contains(c) && !c.is_ascii())
}

/// Returns the records that contain `mark`, after checking that each is safe to show.
fn records(log: &Receiver<String>, mark: &str) -> Vec<String> {
    let found: Vec<String> = log.try_iter().filter(|line| line.contains(mark)).collect();
    for line in &found {
        assert!(!line.contains(is_hostile), "{line:?}");
    }
    found
}

/// Fails, or panics, with its input as the text.
struct Repeats;

impl Handler for Repeats {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let said = String::from_utf8_lossy(&input[1..]).into_owned();
        match input[0] {
            b'f' => Err(Close::failed(said)),
            b'p' => panic!("{said}"),
            b'o' => {
                cx.offload(move || -> u8 { panic!("{said}") });
                Ok(input.len())
            }
            _ => {
                // Its destructor panics with the text as well.
                cx.upgrade(Falls(said));
                Ok(input.len())
            }
        }
    }
}

struct Falls(String);

impl Handler for Falls {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.close(Close::Done);
    }

    fn on_data(&mut self, _: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(0)
    }
}

impl Drop for Falls {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

#[test]
fn text_that_handlers_repeat_from_peers_is_escaped() {
    let log = listen();
    let mut network = Network::new(Limits::default());
    for kind in ["f", "p", "o", "u"] {
        let client = network.connect(Repeats);
        network.send(client, format!("{kind}repeated-{kind}{HOSTILE}").as_bytes());
        network.settle();
        network.shut(client);
        network.settle();
        assert!(network.is_closed(client));
        assert_eq!(records(&log, &format!("repeated-{kind}")).len(), 1, "{kind}");
    }
}

/// A web service whose routes fail with the text of the request.
fn web() -> impl Service {
    Web::new()
        .any("/fail/{text}", |request, _| Err(request.param("text").unwrap_or("").into()))
        .any("/panic/{text}", |request, _| panic!("{}", request.param("text").unwrap_or("")))
        .any("/header", |request, _| Err(request.header("x-text").unwrap_or("").into()))
        .any("/body", |request, _| Err(String::from_utf8_lossy(request.body()).into()))
        .any("/offload/{text}", |request, reply| {
            let text = request.param("text").unwrap_or("").to_owned();
            reply.offload(move || Err(text.into()))
        })
}

#[test]
fn paths_methods_fields_and_bodies_are_escaped() {
    let log = listen();
    let encoded: String = HOSTILE.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut network = Network::new(Limits::default());
    let mut web = web();
    let length = HOSTILE.len() + "m-body".len();
    let mut ask = |request: String| {
        let client = network.connect(web.accept(Peer::unix().into()).unwrap());
        network.send(client, request.as_bytes());
        network.settle();
        network.shut(client);
        network.settle();
        network.received(client).starts_with(b"HTTP/1.1 500 ")
    };
    for (mark, request) in [
        ("m-fail", format!("GET /fail/m-fail{encoded} HTTP/1.1\r\nHost: h\r\n\r\n")),
        ("m-panic", format!("GET /panic/m-panic{encoded} HTTP/1.1\r\nHost: h\r\n\r\n")),
        ("m-work", format!("GET /offload/m-work{encoded} HTTP/1.1\r\nHost: h\r\n\r\n")),
        ("M-METHOD", "M-METHOD~'|`^ /fail/x HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        (
            "m-body",
            format!(
                "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\nm-body{HOSTILE}"
            ),
        ),
        // Line ends and control characters in a field are refused before a route sees them.
        ("m-header", "GET /header HTTP/1.1\r\nHost: h\r\nX-Text: m-header\t\"'\r\n\r\n".to_owned()),
    ] {
        assert!(ask(request), "{mark}");
        assert_eq!(records(&log, mark).len(), 1, "{mark}");
    }
    for c in HOSTILE.chars().filter(|c| is_hostile(*c)) {
        for request in [
            format!("GET /fail/m-raw{c}x HTTP/1.1\r\nHost: h\r\n\r\n"),
            format!("GE{c}T /fail/m-raw HTTP/1.1\r\nHost: h\r\n\r\n"),
            format!("GET /fail/m-raw HTTP/1.1\r\nHost: h{c}x\r\n\r\n"),
            format!("GET http://h{c}x/fail/m-raw HTTP/1.1\r\nHost: h\r\n\r\n"),
        ] {
            ask(request);
        }
    }
    records(&log, "m-raw");
}

#[test]
fn lines_of_a_chat_do_not_get_into_the_log() {
    let log = listen();
    let mut network = Network::new(Limits::default());
    let client = network.connect(Chat::new().accept(Peer::unix().into()).unwrap());
    for line in ["/nick c-nick", "/join c-room", "c-said", "/c-command"] {
        network.send(client, format!("{line}{}\n", HOSTILE.replace('\n', "")).as_bytes());
        network.settle();
    }
    network.shut(client);
    network.settle();
    assert_eq!(records(&log, "c-"), [""; 0]);
}

/// Checks the log line of a datagram from a socket of `bind`, which has `mark` in its name.
fn check_name(mark: &str, bind: impl FnOnce() -> UnixDatagram) {
    let log = listen();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("server");
    let panics = |_: &[u8], cx: &mut DatagramContext<'_>| panic!("from {}", cx.peer());
    let limits = Limits::default().slow_call(Some(Duration::ZERO));
    let server = Server::new().listen_datagrams(Address::UnixGram(at.clone()), panics).unwrap();
    let server = Running::start(server.limits(limits));
    bind().send_to(b"?", &at).unwrap();
    server.handle.stop();
    server.join();
    let records = records(&log, mark);
    for text in [": datagram handler panicked: from unix:", ": on_datagram held the loop for "] {
        assert!(records.iter().any(|line| line.contains(text)), "{text}: {records:#?}");
    }
}

#[test]
fn the_names_of_unix_sockets_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(HOSTILE.replace('/', ""));
    let mark = folder.path().file_name().unwrap().to_str().unwrap();
    check_name(mark, || UnixDatagram::bind(path).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_paths_are_escaped() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let mark = format!("abstract-{}", std::process::id());
    let name = SocketAddr::from_abstract_name(format!("{mark}{HOSTILE}")).unwrap();
    check_name(&mark, || UnixDatagram::bind_addr(&name).unwrap());
}

/// Fails with its input as the text.
struct RepeatsSlowly;

impl BlockingHandler for RepeatsSlowly {
    fn handle(&mut self, stream: &mut Stream) -> std::io::Result<()> {
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        match said.strip_prefix('p') {
            Some(said) => panic!("{said}"),
            None => Err(std::io::Error::other(said)),
        }
    }
}

#[test]
fn text_that_blocking_handlers_repeat_is_escaped() {
    let log = listen();
    let (sender, ended) = channel();
    let server = Server::new().mode(Mode::Threads(1));
    let server = Running::start(
        server
            .listen_blocking("127.0.0.1:0", move |_| {
                sender.send(()).unwrap();
                RepeatsSlowly
            })
            .unwrap(),
    );
    for kind in ["p", "f"] {
        let mut client = server.client();
        client.write_all(format!("{kind}slowly-{kind}{HOSTILE}").as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut client), b"");
        soon(&ended);
    }
    server.handle.stop();
    server.join();
    let records = records(&log, "slowly-");
    assert_eq!(records.len(), 2, "{records:#?}");
}
