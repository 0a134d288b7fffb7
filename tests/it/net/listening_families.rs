//! The options of listeners, for every family of addresses, measured by their effects in the
//! kernel.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use socketserver::{Address, Close, Context, Handler, Limits, Listen, Mode, Server};

use crate::net::listening::has_ipv6;
use crate::support::real::{Echo, Running, soon, wait_no_longer_than_patience};
use crate::support::waiting::{PATIENCE, Stopwatch, until, until_equal};

/// A folder for the files of sockets, and addresses of all families of connections.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn all(&self) -> Vec<Listen> {
        let mut all = vec![on("127.0.0.1:0")];
        if has_ipv6() {
            all.push(on("[::1]:0"));
        }
        all.push(Listen::on(Address::Unix(self.path("stream"))));
        if cfg!(target_os = "linux") {
            all.push(Listen::on(Address::SeqPacket(self.path("packets"))));
        }
        all
    }
}

fn on(address: &str) -> Listen {
    Listen::try_from(address).unwrap()
}

/// A client's socket for an address, not connected yet.
fn socket_for(address: &Address) -> (Socket, SockAddr) {
    let (domain, ty, to): (_, _, SockAddr) = match address {
        Address::Tcp(to) => (Domain::for_address(*to), Type::STREAM, (*to).into()),
        Address::Unix(path) => (Domain::UNIX, Type::STREAM, SockAddr::unix(path).unwrap()),
        Address::SeqPacket(path) => (Domain::UNIX, Type::SEQPACKET, SockAddr::unix(path).unwrap()),
        other => panic!("{other} is no address of connections"),
    };
    (Socket::new(domain, ty, None).unwrap(), to)
}

fn client(address: &Address) -> Socket {
    let (socket, to) = socket_for(address);
    wait_no_longer_than_patience(&socket);
    socket.connect(&to).unwrap();
    socket
}

/// Connects if the kernel allows it, without a server that accepts.
fn try_connect(address: &Address) -> Option<Socket> {
    let (socket, to) = socket_for(address);
    match address {
        // The kernel answers at once, or drops the request.
        Address::Tcp(_) => socket.connect_timeout(&to, Duration::from_millis(150)).ok()?,
        _ => {
            socket.set_nonblocking(true).unwrap();
            socket.connect(&to).ok()?;
            socket.set_nonblocking(false).unwrap();
        }
    }
    wait_no_longer_than_patience(&socket);
    Some(socket)
}

/// Blocks the loop from its first byte until it is released, and sends input back.
struct Blocks {
    blocked: Sender<()>,
    let_go: Receiver<()>,
}

impl Handler for Blocks {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.blocked.send(()).unwrap();
        let _ = self.let_go.recv_timeout(PATIENCE);
        cx.write(input);
        Ok(input.len())
    }
}

#[test]
fn the_limit_of_the_listen_queue_holds_in_every_family() {
    for listen_queue in [2, 7] {
        let place = Place::new();
        for listen in place.all() {
            let ((blocked, is_blocked), (letting_go, let_go)) = (channel(), channel());
            let mut first = Some(Blocks { blocked, let_go });
            let server = Server::bind(listen).unwrap();
            let limits = Limits::default().listen_queue(listen_queue);
            let server = Running::serve(server.limits(limits), move |_| {
                let handler: Box<dyn Handler> = match first.take() {
                    Some(first) => Box::new(first),
                    None => Box::new(Echo),
                };
                handler
            });
            let address = &server.addresses[0];
            let mut busy = client(address);
            busy.write_all(b"x").unwrap();
            soon(&is_blocked);
            let mut waiting: Vec<Socket> = Vec::new();
            while let (Some(next), true) = (try_connect(address), waiting.len() < 20) {
                waiting.push(next);
            }
            // Linux queues one more than the backlog.
            let count = listen_queue as usize + 1;
            assert_eq!(waiting.len(), count, "{address}: a queue of {listen_queue}");
            letting_go.send(()).unwrap();
            for client in &mut waiting {
                client.write_all(b"hello").unwrap();
                let mut back = [0; 5];
                client.read_exact(&mut back).unwrap();
                assert_eq!(&back, b"hello", "{address}");
            }
        }
    }
}

#[test]
fn before_the_server_runs_its_queues_are_long_in_every_family() {
    const MANY: usize = 300;
    let place = Place::new();
    for listen in place.all() {
        let server = Server::new().listen(listen, |_| Echo).unwrap();
        let address = server.addresses().remove(0);
        let mut waiting: Vec<Socket> = Vec::new();
        for n in 0..MANY {
            let next = try_connect(&address);
            waiting.push(next.unwrap_or_else(|| panic!("{address} lets in {n} only")));
        }
        let _server = Running::start(server);
        for client in &mut waiting {
            client.write_all(b"hello").unwrap();
            client.read_exact(&mut [0; 5]).unwrap();
        }
    }
}

/// Sends two letters, one after the other: the second when the first has been sent.
struct TwoLetters;

impl Handler for TwoLetters {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(b"1");
        cx.set_timer(0, Duration::from_millis(2));
        Ok(input.len())
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        cx.write(b"2");
    }
}

/// The shortest time of several in which a client with delayed acknowledgements gets the second
/// letter: with Nagle's algorithm it waits for the acknowledgement (RFC 9293, section 3.7.4).
#[cfg(target_os = "linux")]
fn second_letter_after(listen: Listen) -> Duration {
    let server = Running::start(Server::new().listen(listen, |_| TwoLetters).unwrap());
    let mut client = client(&server.addresses[0]);
    let once = || {
        client.set_tcp_quickack(false).unwrap();
        client.write_all(b"go").unwrap();
        let watch = Stopwatch::start();
        client.read_exact(&mut [0; 2]).unwrap();
        watch.elapsed()
    };
    std::iter::repeat_with(once).take(10).min().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn small_answers_leave_at_once_unless_they_are_not_to() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        if address.starts_with('[') && !has_ipv6() {
            continue;
        }
        // Linux acknowledges after 40 ms at the latest.
        let late = Duration::from_millis(30);
        let at_once = second_letter_after(on(address));
        assert!(at_once < late, "{address}: {at_once:?}");
        let at_once = second_letter_after(on(address).no_delay(true));
        assert!(at_once < late, "{address}: {at_once:?}");
        let delayed = second_letter_after(on(address).no_delay(false));
        assert!(delayed > late, "{address}: {delayed:?}");
    }
}

/// Reads nothing, and writes much output if its service tells it to.
struct Full(bool);

impl Handler for Full {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.pause();
        if self.0 {
            cx.write(&vec![b'x'; 16 * 1024 * 1024]);
        }
    }

    fn on_data(&mut self, _: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(0)
    }
}

/// The number of bytes that a client can send to a server that does not read.
fn room_to_send(listen: Listen) -> usize {
    let server = Running::start(Server::new().listen(listen, |_| Full(false)).unwrap());
    let address = &server.addresses[0];
    let (mut socket, to) = socket_for(address);
    socket.set_send_buffer_size(4096).unwrap();
    socket.connect(&to).unwrap();
    socket.set_nonblocking(true).unwrap();
    let (mut sent, mut refused) = (0, 0);
    let watch = Stopwatch::start();
    while refused < 200 {
        assert!(watch.elapsed() < PATIENCE, "{sent} bytes, and no end");
        match socket.write(&[b'x'; 1024]) {
            Ok(n) => (sent, refused) = (sent + n, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                refused += 1;
                std::thread::yield_now();
            }
        }
    }
    sent
}

/// The number of bytes that a server can send to a client that does not read.
fn room_to_answer(listen: Listen) -> u64 {
    let server = Running::start(Server::new().listen(listen, |_| Full(true)).unwrap());
    let (socket, to) = socket_for(&server.addresses[0]);
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&to).unwrap();
    // It grows until the socket is full.
    let mut last = (0, 0);
    until("nothing more is sent", || {
        let sent = server.handle.metrics().bytes_out;
        last = if sent == last.0 { (sent, last.1 + 1) } else { (sent, 0) };
        if sent > 0 && last.1 > 2_000 { Ok(sent) } else { Err(sent) }
    })
}

#[test]
#[cfg(target_os = "linux")]
fn connections_inherit_the_buffers_that_were_asked_for() {
    const SMALL: usize = 8 * 1024;
    for address in ["127.0.0.1:0", "[::1]:0"] {
        if address.starts_with('[') && !has_ipv6() {
            continue;
        }
        let (small, usual) =
            (room_to_send(on(address).recv_buffer(SMALL)), room_to_send(on(address)));
        assert!(small < 50_000 && usual > 60_000, "{address}: {small}, usually {usual}");
        let (small, usual) =
            (room_to_answer(on(address).send_buffer(SMALL)), room_to_answer(on(address)));
        assert!(small < 50_000 && usual > 60_000, "{address}: {small}, usually {usual}");
    }
}

/// A server at `listen` that closes a connection before its client does, and ends: the connection
/// stays in TIME_WAIT.
fn leave_one_in_time_wait(listen: Listen) -> Address {
    struct Closes;
    impl Handler for Closes {
        fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
            cx.close(Close::Done);
            Ok(input.len())
        }
    }
    let server = Running::start(Server::new().listen(listen, |_| Closes).unwrap());
    let address = server.addresses[0].clone();
    let mut client = client(&address);
    client.write_all(b"x").unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    server.handle.stop();
    server.join();
    address
}

#[test]
fn a_port_can_be_taken_again_at_once_unless_it_is_not_to() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        if address.starts_with('[') && !has_ipv6() {
            continue;
        }
        let left = leave_one_in_time_wait(on(address));
        let error = Server::bind(Listen::on(left.clone()).reuse_address(false)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{address}");
        let again = leave_one_in_time_wait(Listen::on(left.clone()));
        assert_eq!(again, left);
        assert!(Server::bind(Listen::on(left).reuse_address(true)).is_ok(), "{address}");
    }
}

#[test]
fn every_port_is_shared_only_if_all_allow_it() {
    for address in ["127.0.0.1:0", "[::1]:0", "udp:127.0.0.1:0", "udp:[::1]:0"] {
        if address.contains('[') && !has_ipv6() {
            continue;
        }
        let first = Server::bind(on(address).reuse_port()).unwrap();
        let taken = || Listen::on(first.addresses().remove(0));
        let second = Server::bind(taken().reuse_port()).unwrap();
        assert_eq!(first.addresses(), second.addresses());
        assert_eq!(Server::bind(taken()).unwrap_err().kind(), ErrorKind::AddrInUse, "{address}");
    }
}

fn mode_of(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_files_of_all_unix_sockets_have_the_requested_mode() {
    let place = Place::new();
    let kinds: &[fn(PathBuf) -> Address] = if cfg!(target_os = "linux") {
        &[Address::Unix, Address::SeqPacket, Address::UnixGram]
    } else {
        &[Address::Unix]
    };
    for (number, kind) in kinds.iter().enumerate() {
        // The files of datagram sockets get no more than the umask allows.
        for mode in [0o600, 0o640, 0o700, 0o400] {
            let path = place.path(&format!("{number}-{mode:o}"));
            let server = Server::bind(Listen::on(kind(path.clone())).mode(mode)).unwrap();
            assert_eq!(mode_of(&path), mode, "{}", server.addresses()[0]);
            drop(server);
            assert!(!path.exists());
        }
    }
}

/// Another process that looks all the time never sees the file of a socket with more permissions
/// than requested: a datagram socket takes them from `bind` on.
#[test]
#[cfg(target_os = "linux")]
fn the_file_of_a_unix_socket_is_never_open_for_more_than_was_asked_for() {
    let place = Place::new();
    let path = place.path("socket");
    let binds = std::sync::atomic::AtomicBool::new(true);
    let widest = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut widest = 0;
            while binds.load(std::sync::atomic::Ordering::Relaxed) {
                if let Ok(metadata) = std::fs::metadata(&path) {
                    widest |= metadata.permissions().mode() & 0o777;
                }
            }
            widest
        });
        for _ in 0..500 {
            let listen = Listen::on(Address::UnixGram(path.clone())).mode(0o600);
            drop(Server::bind(listen).unwrap());
        }
        binds.store(false, std::sync::atomic::Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert_eq!(format!("{:o}", widest & !0o600), "0");
}

#[test]
#[cfg(target_os = "linux")]
fn every_ip_address_can_be_bound_to_a_device() {
    for address in ["127.0.0.1:0", "[::1]:0", "udp:127.0.0.1:0", "udp:[::1]:0"] {
        if address.contains('[') && !has_ipv6() {
            continue;
        }
        assert!(Server::bind(on(address).device("lo")).is_ok(), "{address}");
        let error = Server::bind(on(address).device("nonesuch0")).unwrap_err().to_string();
        assert!(error.contains("device"), "{address}: {error}");
    }
}

/// All addresses are served in every mode, also with several loops.
#[test]
fn every_family_is_served_in_every_mode() {
    for mode in [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(3)] {
        let place = Place::new();
        let server = Server::bind(place.all()).unwrap();
        let server = Running::serve(server.mode(mode), |_| Echo);
        for address in &server.addresses {
            for _ in 0..5 {
                let mut client = client(address);
                client.write_all(b"hello").unwrap();
                let mut back = [0; 5];
                client.read_exact(&mut back).unwrap();
                assert_eq!(&back, b"hello", "{address}, {mode:?}");
            }
        }
        until_equal("all have ended", 0, || server.handle.metrics().open());
    }
}

/// The timer of the server's side of a connection over IPv6 (proc(5): `02` is keep-alive).
#[test]
#[cfg(target_os = "linux")]
fn connections_over_ipv6_inherit_keep_alive_too() {
    if !has_ipv6() {
        return;
    }
    let listen = on("[::1]:0").keep_alive(Duration::from_secs(1000));
    let server = Running::start(Server::new().listen(listen, |_| Echo).unwrap());
    let stream = TcpStream::from(client(&server.addresses[0]));
    SockRef::from(&stream).set_nonblocking(false).unwrap();
    (&stream).write_all(b"hello").unwrap();
    (&stream).read_exact(&mut [0; 5]).unwrap();
    let port = |address: SocketAddr| format!(":{:04X}", address.port());
    let (ours, theirs) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    until("the timer of keep-alive", || {
        let table = std::fs::read_to_string("/proc/net/tcp6").unwrap();
        let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| row[1].ends_with(&port(theirs)) && row[2].ends_with(&port(ours)));
        let timer = row.expect("in the table")[5].to_owned();
        if timer.starts_with("02:") { Ok(()) } else { Err(timer) }
    });
}
