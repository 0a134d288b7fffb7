//! The limit of connections of one peer: counted exactly, however the connections end.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;

use socket2::{Domain, Socket, Type};
use socketserver::{BlockingHandler, Close, Context, Handler, Limits, Mode, Server, Stream};

use crate::support::real::{PATIENCE, Running};

const MAX: usize = 3;

/// Sends `p` back, and ends in many ways.
struct Ends;

impl Handler for Ends {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        match input[0] {
            b'!' => panic!("on purpose"),
            b'c' => cx.close(Close::Done),
            // It lingers.
            b'm' => return Err(Close::Malformed { code: 0, why: "asked for" }),
            b'u' => cx.upgrade(Ends),
            _ => cx.write(input),
        }
        Ok(input.len())
    }
}

impl BlockingHandler for Ends {
    fn handle(&mut self, stream: &mut Stream) -> std::io::Result<()> {
        let mut byte = [0];
        while stream.read(&mut byte)? > 0 {
            match byte[0] {
                b'!' => panic!("on purpose"),
                b'c' | b'm' | b'u' => break,
                _ => stream.write_all(&byte)?,
            }
            stream.flush()?;
        }
        Ok(())
    }
}

fn limits() -> Limits {
    Limits::default().connections_per_peer(Some(MAX))
}

/// A client from an address of this machine.
pub(crate) fn client_from(from: [u8; 4], server: &Running) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(from)), 0);
    socket.bind(&from.into()).unwrap();
    socket.connect(&server.tcp(0).into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Returns true if the client gets an answer; otherwise the connection must have been closed.
fn is_served(stream: &mut (impl Read + Write)) -> bool {
    let mut byte = [0];
    let sent = stream.write_all(b"p");
    match sent.and_then(|()| stream.read(&mut byte)) {
        Ok(n) => n == 1,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("neither nor"),
        Err(_) => false,
    }
}

/// A client that is served, at once or after the end of an earlier one was noticed.
fn served(server: &Running) -> TcpStream {
    for _ in 0..100_000 {
        let mut client = server.client();
        if is_served(&mut client) {
            return client;
        }
    }
    panic!("a place was lost")
}

/// Opens as many connections as allowed, and checks that no more are.
fn assert_exact(server: &Running) {
    let mut held: Vec<TcpStream> = (0..MAX).map(|_| served(server)).collect();
    for _ in 0..10 {
        assert!(!is_served(&mut server.client()));
    }
    assert!(held.iter_mut().all(is_served));
}

/// Ends consecutive connections in different ways; some at once, some after an exchange.
fn end_many(server: &Running) {
    for round in 0..4 {
        for last in [&b"c"[..], b"m", b"!", b"uc", b"", b"c and much that nobody reads"] {
            let mut client = if round % 2 == 0 { served(server) } else { server.client() };
            // It may have been refused.
            let _ = client.write_all(last);
            if round > 1 {
                let _ = client.shutdown(Shutdown::Write);
                let _ = client.read(&mut [0; 64]);
            }
        }
    }
}

fn modes() -> [Mode; 3] {
    [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(3)]
}

#[test]
fn a_place_is_given_back_once_however_a_connection_ends() {
    for mode in modes() {
        let server = Server::new().listen("127.0.0.1:0", |_| Ends).unwrap();
        let server = Running::start(server.limits(limits()).mode(mode));
        assert_exact(&server);
        end_many(&server);
        assert_exact(&server);
    }
}

#[test]
fn a_place_is_given_back_by_workers_too() {
    let server = Server::new().listen_blocking("127.0.0.1:0", |_| Ends).unwrap();
    let server = Running::start(server.limits(limits()).mode(Mode::Threads(4)));
    assert_exact(&server);
    end_many(&server);
    assert_exact(&server);
}

#[test]
fn a_place_is_given_back_when_the_service_refuses_or_panics() {
    for mode in modes() {
        let mut count = 0;
        let service = move |_| {
            count += 1;
            assert!(count % 7 != 1, "on purpose");
            (count > 50).then_some(Ends)
        };
        let server = Server::new().listen("127.0.0.1:0", service).unwrap();
        let server = Running::start(server.limits(limits()).mode(mode));
        for _ in 0..40 {
            drop(server.client());
        }
        // The service still refuses some and panics at others, which end by themselves.
        let held: Vec<TcpStream> = (0..MAX).map(|_| served(&server)).collect();
        assert!((0..10).all(|_| !is_served(&mut server.client())));
        drop(held);
        served(&server);
    }
}

#[test]
fn a_peer_may_reconnect_as_soon_as_its_connection_has_ended() {
    let server = Server::new().listen("127.0.0.1:0", |_| Ends).unwrap();
    let server = Running::start(server.limits(limits()));
    let mut held: Vec<TcpStream> = (0..MAX).map(|_| served(&server)).collect();
    for n in 0..200 {
        // Dropping would do, except for tests that start programs at the same time: until `exec`,
        // these have copies of all descriptors.
        held.remove(n % MAX).shutdown(Shutdown::Both).unwrap();
        let mut client = server.client();
        assert!(is_served(&mut client), "the {n}th was refused");
        held.push(client);
    }
}

#[test]
fn every_peer_has_places_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let addresses =
        ["127.0.0.1:0".into(), "127.0.0.1:0".into(), format!("unix:{}", path.display())];
    let server = Server::new().listen(addresses, |_| Ends).unwrap().limits(limits());
    let server = Running::start(server);
    let mut held: Vec<TcpStream> = (0..MAX).map(|_| served(&server)).collect();
    // On any of its addresses.
    assert!(!is_served(&mut crate::support::real::connect(server.tcp(1))));
    let mut other: Vec<_> = (0..MAX).map(|_| client_from([127, 0, 0, 2], &server)).collect();
    assert!(other.iter_mut().all(is_served));
    assert!(!is_served(&mut client_from([127, 0, 0, 2], &server)));
    assert_eq!(server.handle.metrics().refused_by_limit, 2);
    // Peers over Unix sockets are not distinguished.
    let mut local: Vec<_> = (0..MAX * 3).map(|_| UnixStream::connect(&path).unwrap()).collect();
    assert!(local.iter_mut().all(is_served));
    assert!(held.iter_mut().all(is_served));
}

#[test]
fn outgoing_connections_do_not_count_for_a_peer() {
    let backend = Server::new().listen("127.0.0.1:0", |_| Ends).unwrap();
    let backend = Running::start(backend);
    let mut server = Server::new().listen("127.0.0.1:0", |_| Ends).unwrap();
    for _ in 0..MAX * 2 {
        server = server.connect(backend.addresses[0].clone(), Ends);
    }
    let server = Running::start(server.limits(limits()));
    assert_exact(&server);
    drop(backend);
    assert_exact(&server);
}
