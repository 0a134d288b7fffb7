//! Datagrams over IP, on real sockets: complete, in any order, and independent of each other.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc;

use socketserver::{Address, DatagramContext, Limits, Listen, Peer, Server, testkit};

use crate::net::listening::has_ipv6;
use crate::support::real::{Echo, PATIENCE, Running, soon};
use crate::support::waiting::until_equal;

pub(crate) fn echo(datagram: &[u8], cx: &mut DatagramContext<'_>) {
    cx.reply(datagram);
}

fn udp() -> Server {
    Server::bind("udp:127.0.0.1:0").unwrap()
}

pub(crate) fn inet(address: &Address) -> SocketAddr {
    match address {
        Address::Udp(address) => *address,
        other => panic!("{other} is no UDP address"),
    }
}

/// A client of the first address of the server.
pub(crate) fn client(addresses: &[Address]) -> UdpSocket {
    let server = inet(&addresses[0]);
    let from = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let client = UdpSocket::bind(from).unwrap();
    client.connect(server).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

pub(crate) fn receive(client: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 70_000];
    let n = client.recv(&mut buffer).unwrap();
    buffer.truncate(n);
    buffer
}

pub(crate) fn ping(client: &UdpSocket, text: &[u8]) {
    assert_eq!(client.send(text).unwrap(), text.len());
    assert!(receive(client) == text, "{} bytes", text.len());
}

/// Sizes at the limits: none, one, a jumbo frame, the most that UDP carries over IPv4.
const SIZES: [usize; 4] = [0, 1, 9_000, 65_507];

#[test]
fn datagrams_of_any_size_come_back_whole() {
    let mut families = vec!["udp:127.0.0.1:0"];
    if has_ipv6() {
        families.push("udp:[::1]:0");
    }
    for address in families {
        let server = Running::start(Server::new().listen_datagrams(address, echo).unwrap());
        let client = client(&server.addresses);
        for size in SIZES {
            let sent: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            ping(&client, &sent);
        }
    }
}

#[test]
fn a_dual_stack_answers_both_families() {
    if !has_ipv6() {
        return;
    }
    let (tell, told) = mpsc::channel();
    let listen = Listen::try_from("udp:[::]:0").unwrap().dual_stack();
    let handler = move |datagram: &[u8], cx: &mut DatagramContext<'_>| {
        tell.send(cx.peer().clone()).unwrap();
        cx.reply(datagram);
    };
    let server = Running::start(Server::new().listen_datagrams(listen, handler).unwrap());
    let port = inet(&server.addresses[0]).port();
    for address in
        [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), format!("[::1]:{port}").parse().unwrap()]
    {
        let client = client(&[Address::Udp(address)]);
        ping(&client, b"hello");
        assert_eq!(soon(&told), Peer::from(client.local_addr().unwrap()));
    }
}

#[test]
fn a_datagram_that_is_too_long_is_dropped_and_not_truncated() {
    let limits = Limits::default().datagram(100);
    let server = Running::start(
        Server::new().listen_datagrams("udp:127.0.0.1:0", echo).unwrap().limits(limits),
    );
    let client = client(&server.addresses);
    client.send(&[b'x'; 101]).unwrap();
    client.send(&[b'x'; 9_000]).unwrap();
    ping(&client, &[b'y'; 100]);
}

#[test]
fn a_senseless_limit_of_datagrams_is_refused() {
    for datagram in [0, (1 << 30) + 1] {
        let limits = Limits::default().datagram(datagram);
        let error = Server::new()
            .listen_datagrams("udp:127.0.0.1:0", echo)
            .unwrap()
            .limits(limits)
            .run()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with("datagram must be "), "{error}");
    }
}

#[test]
fn a_panic_loses_its_datagram_and_its_output_and_nothing_else() {
    let mut count = 0;
    let handler = move |datagram: &[u8], cx: &mut DatagramContext<'_>| {
        cx.reply(datagram);
        count += 1;
        assert!(datagram != b"break", "on purpose");
        cx.reply(format!("{count}").as_bytes());
    };
    let server =
        Running::start(Server::new().listen_datagrams("udp:127.0.0.1:0", handler).unwrap());
    let client = client(&server.addresses);
    for (text, answer) in [(b"one", "1"), (b"two", "2")] {
        ping(&client, text);
        assert_eq!(receive(&client), answer.as_bytes());
    }
    client.send(b"break").unwrap();
    ping(&client, b"end");
    assert_eq!(receive(&client), b"4");
}

#[test]
fn a_handler_serves_all_addresses_given_with_it_and_the_next_its_own() {
    let named = |name: &'static str| {
        let mut count = 0;
        move |_: &[u8], cx: &mut DatagramContext<'_>| {
            count += 1;
            cx.reply(format!("{name} {count}").as_bytes());
        }
    };
    let udp = "udp:127.0.0.1:0";
    let server = Server::new().listen_datagrams([udp, udp], named("first")).unwrap();
    let server = server.listen_datagrams(udp, named("second")).unwrap();
    let server = Running::start(server);
    let ask = |index: usize| {
        let client = client(&server.addresses[index..]);
        client.send(b"").unwrap();
        String::from_utf8(receive(&client)).unwrap()
    };
    assert_eq!([ask(0), ask(1), ask(2), ask(0)], ["first 1", "first 2", "second 1", "first 3"]);
}

#[test]
fn connections_and_datagrams_share_one_loop() {
    let server = Server::new().listen_datagrams("udp:127.0.0.1:0", echo).unwrap();
    let server = Running::start(server.listen("127.0.0.1:0", |_| Echo).unwrap());
    let datagrams = client(&server.addresses);
    let mut stream = crate::support::real::connect(server.tcp(1));
    for _ in 0..3 {
        ping(&datagrams, b"hello");
        std::io::Write::write_all(&mut stream, b"hello").unwrap();
        let mut back = [0; 5];
        std::io::Read::read_exact(&mut stream, &mut back).unwrap();
        assert_eq!(&back, b"hello");
    }
    server.handle.stop();
    server.join();
}

#[test]
fn an_address_without_the_handler_it_needs_is_one_clear_error() {
    let said = |server: Server, result: fn(Server) -> std::io::Result<()>| {
        let address = server.addresses()[0].to_string();
        let error = result(server).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string().strip_prefix(&address).expect("the address").to_owned()
    };
    let is_for_datagrams = " is for datagrams: they need a datagram handler";
    let is_not = " is not for datagrams: write udp: or unixgram:";
    let tcp = || Server::bind("127.0.0.1:0").unwrap();
    assert_eq!(said(udp(), Server::run), " has no datagram handler");
    assert_eq!(said(tcp(), Server::run), " has no service");
    assert_eq!(said(udp(), |server| server.serve(|_| Echo)), is_for_datagrams);
    assert_eq!(said(tcp(), |server| server.serve_datagrams(echo)), is_not);
    let error = Server::new().listen("udp:127.0.0.1:0", |_| Echo).unwrap_err().to_string();
    assert!(error.ends_with(is_for_datagrams), "{error}");
    let error = Server::new().listen_datagrams("127.0.0.1:0", echo).unwrap_err().to_string();
    assert!(error.ends_with(is_not), "{error}");
    let error = Server::new().serve(|_| Echo).unwrap_err().to_string();
    assert_eq!(error, "there is no address to serve: Server::bind gives one");
    let error = Server::bind(Vec::<Address>::new()).unwrap_err().to_string();
    assert_eq!(error, "there is no address to listen on");
}

/// Sends before the server looks, so that there is no separate event for each of them.
fn sent_before(count: usize, addresses: &[Address]) -> UdpSocket {
    let client = client(addresses);
    for n in 0..count {
        client.send(format!("{n}").as_bytes()).unwrap();
    }
    client
}

fn expect_answers(client: &UdpSocket, count: usize) {
    for n in 0..count {
        assert_eq!(receive(client), format!("{n}").as_bytes());
    }
}

#[test]
fn more_than_a_burst_are_all_answered() {
    let server = Server::new().listen_datagrams("udp:127.0.0.1:0", echo).unwrap();
    let client = sent_before(200, &server.addresses());
    let _server = Running::start(server);
    expect_answers(&client, 200);
}

#[test]
fn a_small_read_budget_delays_and_loses_nothing() {
    let limits = Limits::default().read_budget(1);
    let server = Server::new().listen_datagrams("udp:127.0.0.1:0", echo).unwrap().limits(limits);
    let client = sent_before(200, &server.addresses());
    let _server = Running::start(server);
    expect_answers(&client, 200);
}

#[test]
fn datagrams_before_a_stop_are_still_answered() {
    let server = Server::new().listen_datagrams("udp:127.0.0.1:0", echo).unwrap();
    let client = sent_before(200, &server.addresses());
    let handle = server.handle();
    handle.stop();
    server.run().unwrap();
    expect_answers(&client, 200);
    // The server has ended, and the system reports it.
    client.send(b"late").unwrap();
    assert_eq!(client.recv(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn aborting_answers_nothing_more() {
    let server = Server::new()
        .listen_datagrams("udp:127.0.0.1:0", |_: &[u8], _: &mut DatagramContext<'_>| {
            panic!("not called")
        })
        .unwrap();
    let handle = server.handle();
    handle.abort();
    server.run().unwrap();
}

#[test]
fn a_peer_that_has_gone_or_cannot_be_is_not_the_end() {
    let handler = |datagram: &[u8], cx: &mut DatagramContext<'_>| {
        // Destinations that cannot be sent to: port 0, another family, a file.
        for nowhere in ["127.0.0.1:0", "[::1]:9"] {
            cx.send_to(Peer::from(nowhere.parse::<SocketAddr>().unwrap()), b"lost");
        }
        cx.send_to(Peer::unix_named("/nowhere"), b"lost");
        cx.send_to(cx.peer().clone(), &[b'x'; 70_000]);
        cx.reply(datagram);
    };
    let server = Server::new().listen_datagrams("udp:127.0.0.1:0", handler).unwrap();
    let addresses = server.addresses();
    for _ in 0..100 {
        client(&addresses).send(b"nobody waits for the answer").unwrap();
    }
    let _server = Running::start(server);
    for _ in 0..100 {
        ping(&client(&addresses), b"still here");
    }
}

#[test]
fn a_datagram_can_be_sent_to_another_peer() {
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    let to = Peer::from(other.local_addr().unwrap());
    let server = Running::start(
        Server::new()
            .listen_datagrams(
                "udp:127.0.0.1:0",
                move |datagram: &[u8], cx: &mut DatagramContext<'_>| {
                    cx.send_to(to.clone(), datagram)
                },
            )
            .unwrap(),
    );
    client(&server.addresses).send(b"pass it on").unwrap();
    let mut buffer = [0; 100];
    let (n, from) = other.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..n], from), (b"pass it on".as_slice(), inet(&server.addresses[0])));
}

#[test]
fn a_receive_buffer_has_the_requested_size() {
    let count = |listen: Listen| {
        let server = Server::new().listen_datagrams(listen, echo).unwrap();
        let client = client(&server.addresses());
        for _ in 0..50 {
            client.send(&[b'x'; 1_000]).unwrap();
        }
        server.handle().stop();
        server.run().unwrap();
        client.set_nonblocking(true).unwrap();
        std::iter::from_fn(|| client.recv(&mut [0; 1_000]).ok()).count()
    };
    let address = || Listen::try_from("udp:127.0.0.1:0").unwrap();
    let (small, large) =
        (count(address().recv_buffer(8_000)), count(address().recv_buffer(200_000)));
    assert!(small > 0 && small < large && large == 50, "{small}, {large}");
}

#[test]
fn a_handler_is_tested_without_a_socket() {
    let mut handler = |datagram: &[u8], cx: &mut DatagramContext<'_>| {
        cx.reply(datagram);
        cx.send_to(Peer::unix_named("/b"), b"");
        cx.send_to(Peer::unix(), b"to nobody");
        cx.reply(b"again");
    };
    let (a, b) = (Peer::unix_named("/a"), Peer::unix_named("/b"));
    let sent = testkit::datagram(&mut handler, a.clone(), b"x");
    assert_eq!(sent, [(a.clone(), b"x".to_vec()), (b.clone(), vec![]), (a, b"again".to_vec())]);
    assert_eq!(testkit::datagram(&mut handler, Peer::unix(), b"x"), [(b, vec![])]);
}

#[test]
fn a_datagram_that_comes_from_the_server_itself_is_dropped() {
    /// Sends each datagram to itself as well as to the client.
    fn to_itself(datagram: &[u8], cx: &mut DatagramContext<'_>) {
        let Address::Udp(own) = cx.local_address() else { return };
        let (loopback, port) = (Ipv4Addr::LOCALHOST, own.port());
        assert!(cx.peer().port() != Some(port), "from itself");
        cx.send_to(Peer::from(SocketAddr::from((loopback, port))), datagram);
        cx.reply(datagram);
    }

    for address in ["udp:127.0.0.1:0", "udp:0.0.0.0:0"] {
        let server = Running::start(Server::new().listen_datagrams(address, to_itself).unwrap());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect((Ipv4Addr::LOCALHOST, inet(&server.addresses[0]).port())).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        ping(&client, b"one");
        ping(&client, b"two");
        ping(&client, b"three");
        let metrics = server.handle.metrics();
        assert_eq!((metrics.panics, metrics.datagrams_in), (0, 3), "{address}");
        assert!(metrics.datagrams_lost >= 2, "{address}");
    }
}

/// The client sends the address of the other socket, to which this one sends a first datagram.
#[test]
fn two_sockets_of_one_server_do_not_answer_each_other() {
    fn echo_and_start(datagram: &[u8], cx: &mut DatagramContext<'_>) {
        let text = std::str::from_utf8(datagram).unwrap();
        if let Ok(other) = text.parse::<SocketAddr>() {
            cx.send_to(Peer::from(other), b"x");
        } else if let Some(path) = text.strip_prefix("unixgram:") {
            cx.send_to(Peer::unix_named(path), b"x");
        }
        cx.reply(datagram);
    }

    fn ends_with_one_lost(server: &Running) {
        until_equal("received and lost", (1, 1), || {
            let metrics = server.handle.metrics();
            (metrics.datagrams_in, metrics.datagrams_lost)
        });
    }

    for (one, other) in
        [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "0.0.0.0")]
    {
        let addresses = [one, other].map(|ip| format!("udp:{ip}:0"));
        let server = Server::new().listen_datagrams(&*addresses[0], echo_and_start).unwrap();
        let server = server.listen_datagrams(&*addresses[1], echo_and_start).unwrap();
        let server = Running::start(server);
        let [to, other] = [0, 1].map(|index| {
            SocketAddr::from((Ipv4Addr::LOCALHOST, inet(&server.addresses[index]).port()))
        });
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(to).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        ping(&client, other.to_string().as_bytes());
        ends_with_one_lost(&server);
    }

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("unixgram:{}", folder.path().join(name).display());
    let addresses = [path("one"), path("other")];
    let server =
        Server::new().listen_datagrams([&*addresses[0], &*addresses[1]], echo_and_start).unwrap();
    let server = Running::start(server);
    let client = UnixDatagram::bind(folder.path().join("client")).unwrap();
    client.connect(folder.path().join("one")).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = [0; 256];
    client.send(addresses[1].as_bytes()).unwrap();
    assert_eq!(client.recv(&mut heard).unwrap(), addresses[1].len());
    ends_with_one_lost(&server);
}
