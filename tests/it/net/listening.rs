//! Options of sockets that are set before binding: their effects, and the refusal of those that do
//! not apply.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use socketserver::{Address, Incoming, Listen, Peer, Server};

use crate::support::real::{Echo, PATIENCE, Running, connect, soon, tcp};
use crate::support::waiting::until;

fn on(address: &str) -> Listen {
    Listen::try_from(address).unwrap()
}

/// Returns true if this machine has IPv6; prints a line if not, because then the test checks
/// nothing.
pub(crate) fn has_ipv6() -> bool {
    let has_it = TcpListener::bind("[::1]:0").is_ok();
    if !has_it {
        eprintln!("SKIPPED: this machine has no IPv6");
    }
    has_it
}

fn ping(stream: &mut (impl Read + Write)) {
    stream.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
}

#[test]
fn two_servers_share_a_port_if_both_allow_it() {
    let first = Server::bind(on("127.0.0.1:0").reuse_port()).unwrap();
    let address = tcp(&first.addresses()[0]);
    let second = Server::bind(Listen::on(address).reuse_port()).unwrap();
    assert_eq!(second.addresses(), first.addresses());
    let error = Server::bind(address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn a_port_of_datagrams_is_not_shared_unasked() {
    let first = Server::bind(on("udp:127.0.0.1:0").reuse_address(true)).unwrap();
    let address = || first.addresses().remove(0);
    assert_eq!(Server::bind(address()).unwrap_err().kind(), ErrorKind::AddrInUse);
    let second = Server::bind(Listen::on(address()).reuse_address(true)).unwrap();
    assert_eq!(second.addresses(), first.addresses());
}

#[test]
fn a_dual_stack_serves_both_families_and_knows_them_apart() {
    if !has_ipv6() {
        return;
    }
    let (tell, told) = mpsc::channel();
    let server = Server::new()
        .listen(on("[::]:0").dual_stack(), move |incoming: Incoming| {
            tell.send(incoming.peer().clone()).unwrap();
            Echo
        })
        .unwrap();
    let port = tcp(&server.addresses()[0]).port();
    let _server = Running::start(server);
    let mut v4 = connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    ping(&mut v4);
    assert_eq!(soon(&told), Peer::from(v4.local_addr().unwrap()));
    let mut v6 = connect(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    ping(&mut v6);
    assert!(soon(&told).ip().unwrap().is_ipv6());
}

#[test]
fn without_it_an_ipv6_address_leaves_the_ipv4_one_to_others() {
    if !has_ipv6() {
        return;
    }
    let server = Server::bind("[::]:0").unwrap();
    let port = tcp(&server.addresses()[0]).port();
    let error = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

fn mode_of(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_file_of_a_unix_socket_has_the_requested_mode() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o660, 0o666, 0o777] {
        let path = folder.path().join("socket");
        let listen = Listen::on(Address::Unix(path.clone())).mode(mode);
        let server = Running::start(Server::new().listen(listen, |_| Echo).unwrap());
        assert_eq!(mode_of(&path), mode);
        let mut client = UnixStream::connect(&path).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        ping(&mut client);
        drop(server);
        assert!(!path.exists());
    }
}

#[test]
fn options_that_do_not_fit_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |kind: &str| on(&format!("{kind}:{}/socket", folder.path().display()));
    let second = Duration::from_secs(1);
    let misfits = [
        (path("unix").reuse_port(), "reuse_port"),
        (path("unix").dual_stack(), "dual_stack"),
        (on("127.0.0.1:0").dual_stack(), "dual_stack"),
        (on("udp:127.0.0.1:0").dual_stack(), "dual_stack"),
        (path("unixgram").reuse_address(true), "reuse_address"),
        (path("unix").no_delay(true), "no_delay"),
        (on("udp:127.0.0.1:0").no_delay(false), "no_delay"),
        (path("unix").keep_alive(second), "keep_alive"),
        (on("127.0.0.1:0").keep_alive(Duration::from_millis(999)), "keep_alive"),
        (on("127.0.0.1:0").keep_alive(Duration::MAX), "keep_alive"),
        (path("unix").recv_buffer(4096), "recv_buffer"),
        (path("seqpacket").send_buffer(4096), "send_buffer"),
        (on("127.0.0.1:0").recv_buffer(0), "recv_buffer"),
        (on("127.0.0.1:0").send_buffer(usize::MAX), "send_buffer"),
        (on("127.0.0.1:0").mode(0o660), "mode"),
        (on("udp:127.0.0.1:0").mode(0o660), "mode"),
        (path("unix").mode(0o1660), "mode"),
    ];
    for (listen, option) in misfits {
        let error = Server::bind(listen).unwrap_err();
        let said = error.to_string();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{said}");
        assert!(said.starts_with("cannot listen on ") && said.contains(option), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The timer of the server's side of the connection, after all data was acknowledged.
#[cfg(target_os = "linux")]
pub(crate) fn timer_of(client: &TcpStream) -> String {
    let port = |address: SocketAddr| format!(":{:04X}", address.port());
    let (ours, theirs) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    until("everything sent is acknowledged", || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let is_ours =
            |row: &Vec<&str>| row[1].ends_with(&port(theirs)) && row[2].ends_with(&port(ours));
        // proc(5): 01 waits for an acknowledgement of the client.
        match rows.find(is_ours).expect("in the table")[5] {
            timer if timer.starts_with("01:") => Err(timer.to_owned()),
            timer => Ok(timer.to_owned()),
        }
    })
}

#[test]
#[cfg(target_os = "linux")]
fn connections_inherit_keep_alive() {
    let serve = |listen| Running::start(Server::new().listen(listen, |_| Echo).unwrap());
    let with = serve(on("127.0.0.1:0").keep_alive(Duration::from_secs(1000)));
    let without = serve(on("127.0.0.1:0"));
    let (mut alive, mut plain) = (with.client(), without.client());
    ping(&mut alive);
    ping(&mut plain);
    // proc(5): 02 is the timer of keep-alive; the time to it is in hundredths of a second.
    let timer = timer_of(&alive);
    let left = timer.strip_prefix("02:").unwrap_or_else(|| panic!("{timer}"));
    assert!(u32::from_str_radix(left, 16).unwrap() <= 100_000, "{timer}");
    assert!(!timer_of(&plain).starts_with("02:"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_device_is_bound_to_and_a_wrong_one_named() {
    let server = Server::new().listen(on("0.0.0.0:0").device("lo"), |_| Echo).unwrap();
    let port = tcp(&server.addresses()[0]).port();
    let _server = Running::start(server);
    ping(&mut connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    let error = Server::bind(on("127.0.0.1:0").device("nonesuch0")).unwrap_err();
    assert!(error.to_string().starts_with("cannot listen on 127.0.0.1:0: device: "), "{error}");
}
