//! The `sse` example on sockets: a client like `EventSource`, over cuts and restarts, and `curl`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::output::Lines;
use crate::support::real::{Example, connect, exchange, get, read_to_end, run_example, tcp};

const NAME: &str = "sse";

/// A client by the rules of the standard (WHATWG HTML, section 9.2.6): an event counts when its
/// empty line has come, and its id is kept then.
#[derive(Default)]
struct EventSource {
    last_id: String,
    /// The type and the data of each event.
    events: Vec<(String, String)>,
}

impl EventSource {
    fn connect(&self, server: SocketAddr) -> TcpStream {
        let mut stream = connect(server);
        let field = match self.last_id.as_str() {
            "" => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        };
        write!(stream, "GET /events HTTP/1.0\r\nHost: h\r\n{field}\r\n").unwrap();
        stream
    }

    /// Reads a connection to its end, or until `enough`.
    fn read(&mut self, stream: impl Read, enough: impl Fn(&EventSource) -> bool) {
        let mut lines = BufReader::new(stream);
        let (mut id, mut kind, mut data) = (String::new(), String::new(), Vec::new());
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        while !enough(self) {
            line.clear();
            if lines.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
                return;
            }
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("event", value)) => value.clone_into(&mut kind),
                Some(("data", value)) => data.push(value.to_owned()),
                _ if line == "\n" => {
                    id.clone_into(&mut self.last_id);
                    if !data.is_empty() {
                        self.events.push((std::mem::take(&mut kind), data.join("\n")));
                    }
                    data.clear();
                }
                _ => {}
            }
        }
    }

    fn has(&self, data: &str) -> bool {
        self.events.iter().any(|(_, event)| event == data)
    }
}

fn publish(stream: &mut TcpStream, text: &str) {
    let length = text.len();
    let request = format!("POST /publish HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
    assert_eq!(exchange(stream, &format!("{request}{text}")).status, 200);
}

#[test]
fn a_client_over_20_cut_connections_misses_nothing_and_gets_nothing_twice() {
    for mode in ["multiplex", "threads", "reactors"] {
        let example = Example::start(NAME, &["--log", "off", "--mode", mode, "--workers", "2"]);
        let server = tcp(&example.addresses[0]);
        let mut source = EventSource::default();
        // Cut in the opening block, before any event.
        source.read(source.connect(server), |source| !source.last_id.is_empty());
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut publisher = connect(server);
                for n in 0.. {
                    // The rest in one go, when the client has had its cuts.
                    if is_done.load(Ordering::Relaxed) {
                        publish(&mut publisher, "last");
                        return n;
                    }
                    publish(&mut publisher, &n.to_string());
                }
                unreachable!()
            });
            for cut in 1..=20 {
                let before = source.last_id.clone();
                let mut bytes = 400 + 97 * cut;
                while source.last_id == before {
                    source.read(source.connect(server).take(bytes), |_| false);
                    bytes += 100;
                }
            }
            is_done.store(true, Ordering::Relaxed);
            source.read(source.connect(server), |source| source.has("last"));
        });
        assert!(source.events.iter().all(|(kind, _)| kind.is_empty()), "{mode}: a gap");
        let numbers: Vec<&str> = source.events.iter().map(|(_, data)| data.as_str()).collect();
        let count = numbers.len() - 1;
        let expected: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        assert!(count >= 20 && numbers[..count] == expected && numbers[count] == "last", "{mode}");
    }
}

#[test]
fn each_of_20_restarts_is_said() {
    let mut source = EventSource::default();
    let mut example = Example::start(NAME, &["--log", "off"]);
    let server = tcp(&example.addresses[0]);
    for restart in 0..20 {
        let stream = source.connect(server);
        // The client has its id, so it misses nothing that is published from now on.
        let mut head = BufReader::new(stream);
        let mut line = String::new();
        while !line.starts_with("retry: ") {
            line.clear();
            head.read_line(&mut line).unwrap();
        }
        let text = format!("event {restart}");
        publish(&mut connect(server), &text);
        let rest = std::io::Cursor::new(b"\r\n").chain(head);
        if restart % 2 == 0 {
            // A stop in good order: the client reads all up to its end.
            example.signal("TERM");
            source.read(rest, |_| false);
            assert_eq!(example.join().0, Some(0));
        } else {
            source.read(rest, |source| source.has(&text));
            drop(example);
        }
        assert!(source.has(&text), "{:?}", source.events);
        let mut command = Command::new(crate::support::real::example_path(NAME));
        command.args(["--log", "off", "--bind", &server.to_string()]);
        example = Example::spawn(command, 1);
    }
    source.read(source.connect(server), |source| source.events.len() == 40);
    let expected: Vec<(String, String)> = (0..20)
        .flat_map(|n| {
            [(String::new(), format!("event {n}")), ("gap".to_owned(), "epoch".to_owned())]
        })
        .collect();
    assert_eq!(source.events, expected);
}

#[test]
fn curl_sees_each_event_as_it_is_published() {
    let example = Example::start(NAME, &["--log", "off"]);
    let server = tcp(&example.addresses[0]);
    let mut curl = Command::new("curl");
    curl.args(["--no-buffer", "--silent", &format!("http://{server}/all")]);
    let Ok(mut curl) = curl.stdin(Stdio::null()).stdout(Stdio::piped()).spawn() else { return };
    let mut lines = Lines::of(curl.stdout.take().unwrap());
    let mut publisher = connect(server);
    for n in 0..100 {
        publish(&mut publisher, &format!("event {n}"));
        lines.until(&format!("data: event {n}\n"));
    }
    curl.kill().unwrap();
    curl.wait().unwrap();
}

#[test]
fn the_page_and_the_refusals_of_publish() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut client = example.client();
    let page = get(&mut client, "/");
    assert!(page.text().contains("new EventSource('/all')"));
    assert!(page.field("content-security-policy").is_some());
    let post = |length: usize| {
        let body = "x".repeat(length);
        format!("POST /publish HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    assert_eq!(exchange(&mut client, &post(0)).status, 400);
    assert_eq!(exchange(&mut client, &post(4096)).status, 200);
    assert_eq!(exchange(&mut example.client(), &post(4097)).status, 413);
    // A stop ends the events in good order.
    let mut events = example.client();
    events.write_all(b"GET /all HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut first = [0; 20];
    events.read_exact(&mut first).unwrap();
    example.signal("TERM");
    assert!(read_to_end(&mut events).ends_with(b"\r\n0\r\n\r\n"));
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn processes_are_refused() {
    let output = run_example(NAME, &["--mode", "processes", "--workers", "2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("own history"));
}
