//! `SOCK_SEQPACKET` over real sockets.

use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{self, Sender};

use socket2::{Domain, SockAddr, Socket, Type};
use socketserver::{Address, Close, Context, Handler, Incoming, Listen, Peer, Server};

use crate::support::handlers::pattern;
use crate::support::real::{Echo, PATIENCE, Running};

/// A client of the server at `path`.
pub(crate) fn client(path: &Path) -> Socket {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    socket.connect(&SockAddr::unix(path).unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Reads one packet; an empty one is the end.
pub(crate) fn packet(mut socket: &Socket) -> Vec<u8> {
    let mut packet = vec![0; 300_000];
    let n = socket.read(&mut packet).unwrap();
    packet.truncate(n);
    packet
}

fn with_server<H: Handler + 'static>(
    handler: impl Fn() -> H + Send + 'static,
    test: impl FnOnce(&Path, &Running),
) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packets");
    let server = Server::bind(Address::SeqPacket(path.clone())).unwrap();
    assert_eq!(server.addresses(), [Address::SeqPacket(path.clone())]);
    let server = Running::serve(server, move |incoming: Incoming| {
        assert_eq!(incoming.peer(), &Peer::unix());
        handler()
    });
    test(&path, &server);
    drop(server);
    assert!(!path.exists(), "the file goes with its server");
}

fn sizes() -> impl Iterator<Item = usize> {
    (1..=300).chain((1000..=60_000).step_by(997)).chain([60_000, 64 * 1024, 1])
}

#[test]
fn packets_of_all_sizes_come_back_whole_and_in_order() {
    with_server(
        || Echo,
        |path, _| {
            let receiver = client(path);
            let sender = receiver.try_clone().unwrap();
            let sending = std::thread::spawn(move || {
                let bytes = pattern(64 * 1024);
                for size in sizes() {
                    assert_eq!(sender.send(&bytes[..size]).unwrap(), size);
                }
                sender.shutdown(Shutdown::Write).unwrap();
            });
            let bytes = pattern(64 * 1024);
            for size in sizes() {
                assert!(packet(&receiver) == bytes[..size], "{size}");
            }
            assert_eq!(packet(&receiver), b"", "what was sent before the end came before it");
            sending.join().unwrap();
        },
    );
}

#[test]
fn packets_keep_their_boundaries_when_the_client_does_not_read() {
    with_server(
        || Echo,
        |path, _| {
            let client = client(path);
            client.set_nonblocking(true).unwrap();
            let bytes = pattern(4096);
            let mut sent = 0;
            // Until both sockets and the output of the server are full. The server may be slower
            // than the test, so several attempts must fail.
            let mut refused = 0;
            while refused < 1000 {
                match client.send(&bytes[..sent % 4096 + 1]) {
                    Ok(_) => sent += 1,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        refused += 1;
                        std::thread::yield_now();
                    }
                }
            }
            assert!(sent > 100);
            client.set_nonblocking(false).unwrap();
            for n in 0..sent {
                assert!(packet(&client) == bytes[..n % 4096 + 1], "{n} of {sent}");
            }
        },
    );
}

/// Reports its end. Answers with the number of bytes that its input tells, in decimal.
struct Giver(Sender<Close>);

impl Handler for Giver {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(b"welcome");
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let len = std::str::from_utf8(input).unwrap().parse().unwrap();
        cx.write(&pattern(len));
        Ok(input.len())
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.0.send(why.clone()).unwrap();
    }
}

#[test]
fn the_greeting_is_a_packet_and_an_end_is_noticed() {
    let (tell, told) = mpsc::channel();
    with_server(
        move || Giver(tell.clone()),
        |path, _| {
            let first = client(path);
            assert_eq!(packet(&first), b"welcome");
            drop(first);
            assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Close::Eof);
            // With an unread answer.
            let second = client(path);
            second.send(b"10").unwrap();
            assert_eq!(packet(&second), b"welcome");
            assert_eq!(packet(&second), pattern(10));
            second.send(b"10").unwrap();
            drop(second);
            let why = told.recv_timeout(PATIENCE).unwrap();
            assert!(why.is_expected(), "{why}");
            // An empty packet.
            let third = client(path);
            third.send(b"").unwrap();
            assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Close::Eof);
            assert_eq!((packet(&third), packet(&third)), (b"welcome".to_vec(), Vec::new()));
        },
    );
}

#[test]
fn packets_that_are_too_long_end_their_connection_and_nothing_else() {
    let (tell, told) = mpsc::channel();
    with_server(
        move || Giver(tell.clone()),
        |path, _| {
            let bystander = client(path);
            assert_eq!(packet(&bystander), b"welcome");
            let greedy = client(path);
            greedy.send(b"100000000").unwrap();
            let why = told.recv_timeout(PATIENCE).unwrap();
            assert_eq!(why, Close::PacketTooLong { bytes: 100_000_000 });
            let loud = client(path);
            loud.send(&[b'0'; 64 * 1024 + 1]).unwrap();
            assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Close::InputLimit);
            assert_eq!((packet(&loud), packet(&loud)), (b"welcome".to_vec(), Vec::new()));
            bystander.send(b"3").unwrap();
            assert_eq!(packet(&bystander), pattern(3));
        },
    );
}

#[test]
fn a_stopping_server_answers_packets_that_have_arrived() {
    with_server(
        || Echo,
        |path, server| {
            let client = client(path);
            client.send(b"one").unwrap();
            assert_eq!(packet(&client), b"one");
            client.send(b"two").unwrap();
            server.handle.stop();
            assert_eq!(packet(&client), b"two");
            assert_eq!(packet(&client), b"");
        },
    );
}

#[test]
fn the_file_has_its_mode_and_a_stale_one_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packets");
    let dead = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    dead.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    drop(dead);
    let listen = || Listen::on(Address::SeqPacket(path.clone())).mode(0o660);
    let server = Server::new().listen(listen(), |_| Echo).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o660);
    assert_eq!(Server::bind(listen()).unwrap_err().kind(), ErrorKind::AddrInUse);
    let _server = Running::start(server);
    let client = client(&path);
    client.send(b"hello").unwrap();
    assert_eq!(packet(&client), b"hello");
}

/// Sends `hello`, then reports its input.
struct Caller(Sender<Vec<u8>>);

impl Handler for Caller {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(b"hello");
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.0.send(input.to_vec()).unwrap();
        if input == b"hello" {
            cx.write(b"world");
        }
        Ok(input.len())
    }

    fn on_unreachable(&mut self, error: &std::io::Error, _: &mut Context<'_>) {
        self.0.send(error.to_string().into_bytes()).unwrap();
    }
}

#[test]
fn a_server_connects_to_others() {
    with_server(
        || Echo,
        |path, _| {
            let (tell, told) = mpsc::channel();
            let to = Address::SeqPacket(path.to_owned());
            let nowhere = Address::SeqPacket(path.with_extension("not-here"));
            let caller =
                Server::new().connect(to, Caller(tell.clone())).connect(nowhere, Caller(tell));
            let _caller = Running::start(caller);
            let mut told = [(); 3].map(|()| told.recv_timeout(PATIENCE).unwrap());
            told.sort();
            assert!(told[0].starts_with(b"No such file"), "{told:?}");
            assert_eq!(told[1..], [b"hello".to_vec(), b"world".to_vec()]);
        },
    );
}
