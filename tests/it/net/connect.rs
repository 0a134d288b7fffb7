//! Outgoing connections on real sockets: their destinations, failures and ends.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use socketserver::{Address, Close, Context, Destination, Handler, Id, Limits, Server};

use crate::support::real::{Echo, Running, accept, accept_unix, read_to_end};

/// The outcome of a [`Caller`].
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Made,
    Heard(Vec<u8>),
    Ended(Close),
    Failed { kind: ErrorKind, code: Option<i32>, text: String, after: Duration },
}

/// Reports its outcome.
struct Caller(Sender<Outcome>);

impl Handler for Caller {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(b"hello");
        self.0.send(Outcome::Made).unwrap();
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        self.0.send(Outcome::Heard(input.to_vec())).unwrap();
        Ok(input.len())
    }

    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        let (kind, code, text) = (error.kind(), error.raw_os_error(), error.to_string());
        self.0.send(Outcome::Failed { kind, code, text, after: cx.now().elapsed() }).unwrap();
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.0.send(Outcome::Ended(why.clone())).unwrap();
    }
}

/// All outcomes of a connection to `to`, on a loop that ends with it.
fn call(to: &str, limits: Limits) -> Vec<Outcome> {
    let (sender, receiver) = channel();
    let to: Destination = to.parse().unwrap();
    Server::new().limits(limits).connect(to, Caller(sender)).run().unwrap();
    receiver.iter().collect()
}

/// The error of a connection to `to`, and the time until it came.
fn failure(to: &str, limits: Limits) -> (ErrorKind, Option<i32>, String, Duration) {
    match call(to, limits).pop() {
        Some(Outcome::Failed { kind, code, text, after }) => (kind, code, text, after),
        other => panic!("{to}: {other:?}"),
    }
}

/// Answers the `hello` of the first connection, and closes.
fn answer(mut stream: impl Read + Write) {
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
    stream.write_all(b"good day").unwrap();
}

fn reached() -> [Outcome; 3] {
    [Outcome::Made, Outcome::Heard(b"good day".to_vec()), Outcome::Ended(Close::Eof)]
}

#[test]
fn a_listener_is_reached_by_address_or_name() {
    // A host may have other addresses before the one with a listener.
    for (bind, to) in
        [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]"), ("127.0.0.1:0", "localhost")]
    {
        let listener = TcpListener::bind(bind).unwrap();
        let to = format!("{to}:{}", listener.local_addr().unwrap().port());
        let server = std::thread::spawn(move || answer(accept(&listener)));
        assert_eq!(call(&to, Limits::default()), reached(), "{to}");
        server.join().unwrap();
    }
}

#[test]
fn a_unix_socket_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || answer(accept_unix(&listener)));
    assert_eq!(call(&format!("unix:{}", path.display()), Limits::default()), reached());
    server.join().unwrap();
}

#[test]
fn a_refusal_has_the_error_code_of_the_system() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let expected = TcpStream::connect(nobody).unwrap_err();
    for to in [nobody.to_string(), format!("localhost:{}", nobody.port())] {
        let (kind, code, text, _) = failure(&to, Limits::default());
        assert_eq!((kind, code), (ErrorKind::ConnectionRefused, expected.raw_os_error()), "{to}");
        assert_eq!(text, expected.to_string());
    }
}

#[test]
fn a_missing_unix_socket_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nobody");
    let (kind, code, ..) = failure(&format!("unix:{}", path.display()), Limits::default());
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(code, UnixListener::bind(path.join("below")).unwrap_err().raw_os_error());
}

#[test]
fn an_unknown_host_is_not_found_in_one_line() {
    // However long the resolver takes.
    let limits = Limits::default().connect(None);
    let (kind, _, text, _) = failure("nonexistent.invalid:80", limits);
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(text.lines().count(), 1, "{text}");
}

/// A listener that accepts no further connection while the sockets live: its queue is full, and the
/// system keeps retrying a connection without an answer.
fn full_listener() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut sockets = vec![listener];
    for _ in 0..10 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let result = socket.connect_timeout(&address, Duration::from_millis(300));
        sockets.push(socket);
        if result.is_err() {
            return (address.as_socket().unwrap(), sockets);
        }
    }
    panic!("a queue of length 0 takes ten");
}

#[test]
fn an_attempt_without_an_answer_times_out() {
    let (full, _sockets) = full_listener();
    let connect = Duration::from_millis(200);
    let limits = Limits::default().connect(Some(connect));
    let (kind, _, text, after) = failure(&full.to_string(), limits);
    assert_eq!((kind, text.as_str()), (ErrorKind::TimedOut, "timed out"));
    assert!(after >= connect, "{after:?}");
}

#[test]
fn a_loop_without_anything_to_do_ends() {
    Server::new().run().unwrap();
}

/// Makes one connection more than there is room for: one is refused, the others are made.
fn one_of_three_is_refused(to: impl Into<Destination>, mut answer_one: impl FnMut()) {
    let to = to.into();
    let limits = Limits::default().connections(2);
    let (sender, receiver) = channel();
    let mut server = Server::new().limits(limits);
    for _ in 0..3 {
        server = server.connect(to.clone(), Caller(sender.clone()));
    }
    let server = Running::start(server);
    (0..2).for_each(|_| answer_one());
    server.join();
    drop(sender);
    let outcomes: Vec<Outcome> = receiver.iter().collect();
    assert_eq!(outcomes.iter().filter(|o| **o == Outcome::Ended(Close::Eof)).count(), 2);
    let failed = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Failed { kind, text, .. } => Some((*kind, text.as_str())),
        _ => None,
    });
    let refused = (ErrorKind::Other, "no room for another connection (Limits::connections)");
    assert_eq!(failed.collect::<Vec<_>>(), [refused], "{to}");
}

#[test]
fn connections_wanted_above_the_limit_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    one_of_three_is_refused(listener.local_addr().unwrap(), || answer(accept(&listener)));
    // These are made at once, all in one turn.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    one_of_three_is_refused(Address::Unix(path), || answer(accept_unix(&listener)));
}

/// Makes a connection for each client, and sends input back.
struct Front {
    to: Destination,
    sender: Sender<Outcome>,
}

impl Handler for Front {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.connect(self.to.clone(), Caller(self.sender.clone()));
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(input);
        Ok(input.len())
    }
}

/// A server that connects to a full listener for each client, and a client with a pending
/// connection.
fn connecting(limits: Limits, full: SocketAddr) -> (Running, TcpStream, Receiver<Outcome>) {
    let (sender, receiver) = channel();
    let limits = limits.connect(None);
    let server = Server::new().limits(limits);
    let service = move |_| Front { to: full.into(), sender: sender.clone() };
    let server = Running::start(server.listen("127.0.0.1:0", service).unwrap());
    let mut client = server.client();
    echo(&mut client);
    (server, client, receiver)
}

fn echo(client: &mut TcpStream) {
    client.write_all(b"1234").unwrap();
    let mut back = [0; 4];
    client.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"1234");
}

#[test]
fn pending_connections_count_towards_the_limit() {
    let (full, _sockets) = full_listener();
    let limits = Limits::default().connections(2);
    let (server, mut client, _receiver) = connecting(limits, full);
    let mut second = server.client();
    second.write_all(b"1234").unwrap();
    // Each of these is a turn in which the second could be accepted.
    for _ in 0..50 {
        echo(&mut client);
    }
    second.set_nonblocking(true).unwrap();
    assert_eq!(second.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn an_abort_ends_pending_connections_silently() {
    let (full, _sockets) = full_listener();
    let (server, client, receiver) = connecting(Limits::default(), full);
    server.handle.abort();
    server.join();
    assert_eq!(receiver.iter().next(), None);
    drop(client);
}

#[test]
fn a_stop_waits_for_pending_connections_no_longer_than_for_others() {
    let (full, _sockets) = full_listener();
    let limits = Limits::default().drain(Duration::from_millis(100));
    let (server, mut client, receiver) = connecting(limits, full);
    server.handle.stop();
    assert_eq!(read_to_end(&mut client), b"");
    server.join();
    assert_eq!(receiver.iter().next(), None);
}

/// Sends a number, and closes when it has come back.
struct Number {
    number: u32,
    back: Sender<u32>,
}

impl Handler for Number {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(&self.number.to_be_bytes());
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let Ok(number) = <[u8; 4]>::try_from(&*input) else { return Ok(0) };
        assert_eq!(u32::from_be_bytes(number), self.number);
        self.back.send(self.number).unwrap();
        cx.close(Close::Done);
        Ok(4)
    }
}

#[test]
fn two_hundred_connections_are_made_at_once() {
    let other = Running::start(Server::new().listen("127.0.0.1:0", |_| Echo).unwrap());
    let (back, receiver) = channel();
    let mut server = Server::new();
    for number in 0..200 {
        server = server.connect(other.tcp(0), Number { number, back: back.clone() });
    }
    drop(back);
    server.run().unwrap();
    let mut numbers: Vec<u32> = receiver.iter().collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..200));
}

/// Looks up an unknown host twenty times for each byte, and sends the byte back.
struct Looking;

/// Reports the missing host to the connection that asked.
struct Asked(Id);

impl Handler for Looking {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for _ in 0..20 * input.len() {
            let to: Destination = "nonexistent.invalid:80".parse().map_err(Close::failed)?;
            cx.connect(to, Asked(cx.id()));
        }
        cx.write(input);
        Ok(input.len())
    }
}

impl Handler for Asked {
    fn on_data(&mut self, _: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Err(Close::failed("nobody is there"))
    }

    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        // A slow resolver may not finish all of them in time.
        assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::TimedOut), "{error}");
        cx.send(self.0, *b".");
    }
}

#[test]
fn the_loop_serves_while_names_are_looked_up() {
    let server = Server::new().listen("127.0.0.1:0", |_| Looking).unwrap();
    let server = Running::start(server);
    let mut client = server.client();
    client.write_all(b"ab").unwrap();
    let mut said = [0; 42];
    client.read_exact(&mut said).unwrap();
    assert!(said.starts_with(b"ab"), "{}", said.escape_ascii());
    assert_eq!(said.iter().filter(|byte| **byte == b'.').count(), 40);
}
