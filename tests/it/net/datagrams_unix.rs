//! Datagrams in the file system: names, files, and peers that do not read.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use socketserver::{Address, DatagramContext, Limits, Listen, Peer, Server};
use tempfile::TempDir;

use crate::net::datagrams::echo;
use crate::support::real::{PATIENCE, Running, soon};

/// A folder for the sockets of the server and the clients.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn listen(&self) -> Listen {
        Listen::on(Address::UnixGram(self.path("server")))
    }

    fn server(&self) -> Server {
        Server::bind(self.listen()).unwrap()
    }

    /// A client that is bound to a file of this name.
    fn client(&self, name: &str) -> UnixDatagram {
        let client = UnixDatagram::bind(self.path(name)).unwrap();
        self.reach(client)
    }

    fn reach(&self, client: UnixDatagram) -> UnixDatagram {
        client.connect(self.path("server")).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client
    }
}

fn receive(client: &UnixDatagram) -> Vec<u8> {
    let mut buffer = vec![0; 300_000];
    let n = client.recv(&mut buffer).unwrap();
    buffer.truncate(n);
    buffer
}

fn ping(client: &UnixDatagram, text: &[u8]) {
    client.send(text).unwrap();
    assert!(receive(client) == text, "{} bytes", text.len());
}

#[test]
fn datagrams_of_any_size_come_back_whole() {
    let place = Place::new();
    let _server = Running::start(Server::new().listen_datagrams(place.listen(), echo).unwrap());
    let client = place.client("client");
    for size in [0, 1, 9_000, 65_507, 65_537, 150_000] {
        let sent: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        ping(&client, &sent);
    }
}

#[test]
fn a_datagram_that_is_too_long_is_dropped_and_not_truncated() {
    let place = Place::new();
    let limits = Limits::default().datagram(100);
    let _server = Running::start(
        Server::new().listen_datagrams(place.listen(), echo).unwrap().limits(limits),
    );
    let client = place.client("client");
    client.send(&[b'x'; 101]).unwrap();
    client.send(&[b'x'; 150_000]).unwrap();
    ping(&client, &[b'y'; 100]);
}

#[test]
fn a_send_buffer_bounds_the_answer() {
    let place = Place::new();
    let server = Server::new();
    let _server =
        Running::start(server.listen_datagrams(place.listen().send_buffer(10_000), echo).unwrap());
    let client = place.client("client");
    client.send(&[b'x'; 150_000]).unwrap();
    ping(&client, &[b'y'; 1_000]);
}

#[test]
fn a_peer_without_a_name_is_received_and_not_answered() {
    let place = Place::new();
    let (tell, told) = mpsc::channel();
    let handler = move |datagram: &[u8], cx: &mut DatagramContext<'_>| {
        tell.send((cx.peer().clone(), datagram.to_vec())).unwrap();
        cx.reply(datagram);
    };
    let _server = Running::start(Server::new().listen_datagrams(place.listen(), handler).unwrap());
    let nameless = place.reach(UnixDatagram::unbound().unwrap());
    nameless.send(b"hello").unwrap();
    assert_eq!(soon(&told), (Peer::unix(), b"hello".to_vec()));
    let named = place.client("client");
    ping(&named, b"hello");
    assert_eq!(soon(&told).0, Peer::unix_named(place.path("client")));
    nameless.set_nonblocking(true).unwrap();
    assert_eq!(nameless.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_is_answered_too() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let place = Place::new();
    let _server = Running::start(Server::new().listen_datagrams(place.listen(), echo).unwrap());
    let name = format!("{}/abstract", place.0.path().display());
    let name = SocketAddr::from_abstract_name(name).unwrap();
    ping(&place.reach(UnixDatagram::bind_addr(&name).unwrap()), b"hello");
}

/// A client that sends and is not connected. The system queues few datagrams for such sockets
/// (net.unix.max_dgram_qlen).
fn send_many(place: &Place, name: &str, count: usize) -> UnixDatagram {
    let client = UnixDatagram::bind(place.path(name)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    for n in 0..count {
        client.send_to(format!("{n}").as_bytes(), place.path("server")).unwrap();
    }
    client
}

#[test]
fn a_peer_that_reads_late_gets_all_and_holds_up_no_other() {
    let place = Place::new();
    let _server = Running::start(Server::new().listen_datagrams(place.listen(), echo).unwrap());
    let late = send_many(&place, "late", 600);
    let other = place.client("other");
    for _ in 0..10 {
        ping(&other, b"not held up");
    }
    for n in 0..600 {
        assert_eq!(receive(&late), format!("{n}").as_bytes());
    }
}

#[test]
fn a_peer_that_never_reads_costs_a_bounded_queue() {
    let place = Place::new();
    let _server = Running::start(Server::new().listen_datagrams(place.listen(), echo).unwrap());
    let silent = send_many(&place, "silent", 3_000);
    ping(&place.client("other"), b"still here");
    // The system and the server queue some; the rest is lost.
    silent.set_nonblocking(true).unwrap();
    let kept = std::iter::from_fn(|| silent.recv(&mut [0; 9]).ok()).count();
    assert!(kept > 0 && kept < 3_000, "{kept}");
}

#[test]
fn datagrams_held_up_by_one_peer_go_on_when_it_leaves() {
    let place = Place::new();
    let _server = Running::start(Server::new().listen_datagrams(place.listen(), echo).unwrap());
    // To a connected socket the system delivers without limit, because they count for the buffer of
    // the server.
    let silent = place.client("silent");
    for _ in 0..600 {
        silent.send(b"").unwrap();
    }
    let other = place.client("other");
    other.send(b"hello").unwrap();
    drop(silent);
    assert_eq!(receive(&other), b"hello");
}

#[test]
fn a_peer_that_has_gone_is_not_the_end() {
    let place = Place::new();
    let server = Server::new().listen_datagrams(place.listen(), echo).unwrap();
    // A file without its socket; and a socket without its file.
    place.client("gone").send(b"hello").unwrap();
    place.client("removed").send(b"hello").unwrap();
    std::fs::remove_file(place.path("removed")).unwrap();
    let _server = Running::start(server);
    ping(&place.client("client"), b"hello");
}

#[test]
fn the_file_comes_and_goes_with_its_server() {
    let place = Place::new();
    let path = place.path("server");
    // The file of a server that died.
    drop(UnixDatagram::bind(&path).unwrap());
    assert!(path.exists());
    let server = Running::start(Server::new().listen_datagrams(place.listen(), echo).unwrap());
    let client = place.client("client");
    ping(&client, b"hello");
    // A live socket is neither replaced, by any kind of socket, nor disturbed by the attempt.
    for kind in ["unixgram", "unix"] {
        let error = Server::bind(&*format!("{kind}:{}", path.display())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
    }
    ping(&client, b"again");
    server.handle.stop();
    server.join();
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_not_ours_stays() {
    let place = Place::new();
    std::fs::write(place.path("server"), "precious").unwrap();
    assert_eq!(Server::bind(place.listen()).unwrap_err().kind(), ErrorKind::AddrInUse);
    std::fs::remove_file(place.path("server")).unwrap();
    let server = place.server();
    std::fs::remove_file(place.path("server")).unwrap();
    std::fs::write(place.path("server"), "precious").unwrap();
    drop(server);
    assert_eq!(std::fs::read(place.path("server")).unwrap(), b"precious");
}

fn mode_of(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_file_has_the_requested_mode() {
    for mode in [0o600, 0o660, 0o666] {
        let place = Place::new();
        let server = Server::new().listen_datagrams(place.listen().mode(mode), echo).unwrap();
        assert_eq!(mode_of(&place.path("server")), mode);
        let _server = Running::start(server);
        ping(&place.client("client"), b"hello");
    }
}
