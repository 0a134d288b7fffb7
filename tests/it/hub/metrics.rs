//! The counters of a server: exact on a network in memory, and in every mode on real sockets.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::time::Duration;

use socketserver::protocol::line::{Line, Lines};
use socketserver::testkit::Network;
use socketserver::{
    BlockingHandler, Close, Context, DatagramContext, Framed, Handler, Limits, MessageHandler,
    Metrics, Mode, Notification, Server, Stream, Timeout, Topic,
};

use crate::support::real::{Echo, Running, read_to_end};

fn network() -> Network {
    Network::new(Limits::default())
}

#[test]
fn bytes_calls_and_open_connections_are_counted_exactly() {
    for mut network in [network(), Network::with_workers(Limits::default())] {
        let [ann, bob] = [(); 2].map(|()| network.connect(Echo));
        network.settle();
        assert_eq!((network.metrics().opened, network.metrics().open()), (2, 2));
        assert_eq!(network.metrics().calls, 2, "on_open");
        network.send(ann, b"hello");
        network.send(bob, b"hi");
        network.settle();
        let metrics = network.metrics();
        assert_eq!((metrics.bytes_in, metrics.bytes_out), (7, 7));
        assert_eq!(metrics.calls, 4, "on_open and on_data");
        assert_eq!(metrics.messages, 0, "bytes are no messages");
        network.shut(ann);
        network.settle();
        let metrics = network.metrics();
        assert_eq!((metrics.opened, metrics.open(), metrics.closed(&Close::Eof)), (2, 1, 1));
        assert_eq!(metrics.calls, 6, "on_eof and on_close");
    }
}

#[test]
fn output_that_a_slow_peer_has_not_read_is_not_counted_as_sent() {
    let mut network = network();
    let client = network.connect(Echo);
    network.window(client, 3);
    network.send(client, b"hello");
    network.settle();
    assert_eq!((network.metrics().bytes_in, network.metrics().bytes_out), (5, 3));
    assert_eq!(network.received(client), b"hel");
    network.settle();
    assert_eq!(network.metrics().bytes_out, 5);
}

/// Ignores its messages.
struct Deaf;

impl MessageHandler<Lines> for Deaf {
    fn on_message(&mut self, _: Line<'_>, _: &mut Context<'_>) -> Result<(), Close> {
        Ok(())
    }
}

#[test]
fn messages_are_counted_when_they_are_whole() {
    for mut network in [network(), Network::with_workers(Limits::default())] {
        let client = network.connect(Framed::new(Lines::default(), Deaf));
        network.send(client, b"one\ntwo\nthr");
        network.settle();
        assert_eq!(network.metrics().messages, 2);
        network.send(client, b"ee\n");
        network.settle();
        assert_eq!((network.metrics().messages, network.metrics().bytes_in), (3, 14));
    }
}

/// Does as one byte of input tells.
struct Obedient(Topic);

impl Handler for Obedient {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&self.0);
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        match input[0] {
            b'd' => cx.close(Close::Done),
            b'f' => return Err(Close::failed("no")),
            b'm' => return Err(Close::Malformed { code: 400, why: "bad" }),
            b'P' => panic!("as told"),
            b'p' => cx.publish(&self.0, *b"news"),
            b'w' => {
                cx.offload(|| 7);
            }
            b'W' => {
                cx.offload(|| -> i32 { panic!("at work") });
            }
            b's' => cx.write(&[0; 100]),
            // Unused: it waits for more.
            _ => return Ok(0),
        }
        Ok(input.len())
    }

    fn on_notify(&mut self, _: Notification, _: &mut Context<'_>) {}
}

fn limits() -> Limits {
    let short = Some(Duration::from_secs(1));
    Limits::default()
        .first_byte(short)
        .message(short)
        .idle(Some(Duration::from_secs(5)))
        .write_stall(short)
        .pending_input(10)
        .output_low(10)
        .output_high(20)
        .output_hard(50)
}

#[test]
fn every_reason_why_a_connection_ends_is_told_apart() {
    let topic = Topic::new("t");
    let mut network = Network::new(limits());
    let connect = |network: &mut Network, said: &[u8]| {
        let client = network.connect(Obedient(topic.clone()));
        network.settle();
        network.send(client, said);
        network.settle();
        client
    };
    for said in [&b"d"[..], b"f", b"m", b"P", b"12345678901"] {
        connect(&mut network, said);
    }
    for said in [&b"1"[..], b"", b"p"] {
        connect(&mut network, said);
    }
    let stalled = connect(&mut network, b"");
    network.window(stalled, 0);
    network.send(stalled, b"s");
    network.settle();
    network.advance(Duration::from_secs(10));
    let slow = connect(&mut network, b"");
    network.window(slow, 0);
    network.send(slow, b"s");
    network.settle();
    network.publish(&topic, b"too much");
    network.settle();
    let gone = connect(&mut network, b"d?");
    assert!(network.is_closed(gone));
    let reset = connect(&mut network, b"");
    network.reset(reset);
    let eof = connect(&mut network, b"");
    network.shut(eof);
    connect(&mut network, b"");
    network.settle();
    network.stop();
    network.advance(Duration::from_secs(2));

    let metrics = network.metrics();
    let io = Close::Io(std::io::ErrorKind::Other);
    for (why, count) in [
        (Close::Done, 2),
        (Close::Eof, 1),
        (Close::Stopping, 1),
        (Close::Timeout(Timeout::FirstByte), 1),
        (Close::Timeout(Timeout::Message), 1),
        (Close::Timeout(Timeout::Idle), 1),
        (Close::Timeout(Timeout::WriteStall), 1),
        (Close::Malformed { code: 0, why: "" }, 1),
        (Close::InputLimit, 1),
        (Close::SlowConsumer, 1),
        (Close::PacketTooLong { bytes: 0 }, 0),
        (io, 1),
        (Close::Panicked, 1),
        (Close::failed(""), 1),
    ] {
        assert_eq!(metrics.closed(&why), count, "{why}");
    }
    assert_eq!(metrics.open(), 0);
    assert_eq!(metrics.closes().map(|(_, count)| count).sum::<u64>(), metrics.opened);
    assert_eq!((metrics.panics, metrics.published), (1, 2));
}

#[test]
fn work_is_counted_and_so_are_its_panics() {
    let mut network = network();
    let client = network.connect(Obedient(Topic::new("t")));
    network.send(client, b"w");
    network.settle();
    assert_eq!((network.metrics().jobs, network.metrics().panics), (1, 0));
    network.send(client, b"W");
    network.settle();
    let metrics = network.metrics();
    assert_eq!((metrics.jobs, metrics.panics, metrics.closed(&Close::Panicked)), (2, 1, 1));

    // In modes with workers, every call is a job.
    let mut network = Network::with_workers(Limits::default());
    let client = network.connect(Obedient(Topic::new("t")));
    network.send(client, b"P");
    network.settle();
    let metrics = network.metrics();
    assert_eq!((metrics.calls, metrics.jobs, metrics.panics), (3, 3, 1));
}

/// Panics in every callback.
struct Fragile;

impl Handler for Fragile {
    fn on_open(&mut self, _: &mut Context<'_>) {
        panic!("on_open");
    }

    fn on_data(&mut self, _: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(0)
    }

    fn on_close(&mut self, _: &Close, _: &mut Context<'_>) {
        panic!("on_close");
    }

    fn on_unreachable(&mut self, _: &std::io::Error, _: &mut Context<'_>) {
        panic!("on_unreachable");
    }
}

/// Makes an outgoing connection.
struct Caller;

impl Handler for Caller {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.connect("127.0.0.1:1".parse::<socketserver::Address>().unwrap(), Fragile);
    }

    fn on_data(&mut self, _: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(0)
    }
}

#[test]
fn each_panic_is_counted_wherever_it_happens() {
    for mut network in [network(), Network::with_workers(Limits::default())] {
        network.connect(Fragile);
        network.settle();
        assert_eq!(network.metrics().panics, 2, "on_open and on_close");
        network.connect(Caller);
        network.settle();
        network.deny(std::io::ErrorKind::ConnectionRefused.into());
        let metrics = network.metrics();
        assert_eq!((metrics.panics, metrics.unreachable, metrics.opened), (3, 1, 2));
    }
}

#[test]
fn turns_are_counted_one_by_one() {
    let mut network = network();
    network.turn();
    network.turn();
    assert_eq!(network.metrics(), {
        let mut two = Metrics::default();
        two.turns = 2;
        two
    });
}

/// Echoes, and then waits for the end.
fn visit(server: &Running) {
    let mut client = server.client();
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), b"");
}

#[test]
fn every_mode_counts_the_same_over_all_its_threads() {
    for mode in [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(3)] {
        let server = Server::new().listen("127.0.0.1:0", |_| Echo).unwrap().mode(mode);
        let server = Running::start(server);
        for _ in 0..10 {
            visit(&server);
        }
        server.handle.stop();
        let handle = server.handle.clone();
        server.join();
        let metrics = handle.metrics();
        assert_eq!((metrics.accepted, metrics.opened, metrics.open()), (10, 10, 0), "{mode:?}");
        assert_eq!((metrics.bytes_in, metrics.bytes_out), (50, 50), "{mode:?}");
        assert_eq!((metrics.closed(&Close::Eof), metrics.calls), (10, 40), "{mode:?}");
        assert_eq!(metrics.jobs > 0, matches!(mode, Mode::Threads(_)), "{mode:?}");
        assert!(metrics.turns > 0);
    }
}

/// Sends five bytes back and leaves one unread.
struct Waits;

impl BlockingHandler for Waits {
    fn handle(&mut self, stream: &mut Stream) -> std::io::Result<()> {
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes)?;
        stream.write_all(&bytes)
    }
}

#[test]
fn blocking_handlers_are_counted_once_when_they_are_done() {
    let server = Server::new();
    let server = Running::start(
        server.listen_blocking("127.0.0.1:0", |_| Waits).unwrap().mode(Mode::Threads(2)),
    );
    for _ in 0..4 {
        let mut client = server.client();
        client.write_all(b"hello and more").unwrap();
        assert_eq!(read_to_end(&mut client), b"hello");
    }
    let handle = server.handle.clone();
    handle.stop();
    server.join();
    let metrics = handle.metrics();
    assert_eq!((metrics.opened, metrics.open(), metrics.closed(&Close::Done)), (4, 0, 4));
    assert_eq!((metrics.bytes_out, metrics.calls), (20, 12), "setup, handle, finish");
    assert!(metrics.bytes_in >= 20);
}

#[test]
fn refused_connections_are_counted_by_cause() {
    let mut count = 0;
    let server = Server::new()
        .listen("127.0.0.1:0", move |_| {
            count += 1;
            assert_ne!(count, 2, "not this one");
            (count > 2).then_some(Echo)
        })
        .unwrap();
    let server = Running::start(server);
    for _ in 0..2 {
        assert_eq!(server.client().read(&mut [0]).unwrap_or(0), 0);
    }
    visit(&server);
    let metrics = server.handle.metrics();
    assert_eq!((metrics.refused_by_service, metrics.refused_by_panic), (1, 1));
    assert_eq!((metrics.accepted, metrics.opened, metrics.panics), (3, 1, 1));
}

#[test]
fn outgoing_connections_are_counted() {
    let other = Running::start(Server::new().listen("127.0.0.1:0", |_| Echo).unwrap());
    let (there, nowhere) = (other.addresses[0].clone(), "unix:/nowhere/at/all");
    let nowhere: socketserver::Address = nowhere.parse().unwrap();
    let client = Server::new();
    let handle = client.handle();
    client.connect(there, Done).connect(nowhere, Done).run().unwrap();
    let metrics = handle.metrics();
    assert_eq!((metrics.connected, metrics.unreachable, metrics.accepted), (1, 1, 0));
    assert_eq!((metrics.opened, metrics.closed(&Close::Done)), (1, 1));
}

/// Finishes at once.
struct Done;

impl Handler for Done {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.close(Close::Done);
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

#[test]
fn datagrams_are_counted() {
    let echo = |datagram: &[u8], cx: &mut DatagramContext<'_>| match datagram {
        b"panic" => panic!("as told"),
        datagram => cx.reply(datagram),
    };
    let server = Server::new().listen_datagrams("udp:127.0.0.1:0", echo).unwrap();
    let limits = Limits::default().datagram(10);
    let server = Running::start(server.limits(limits));
    let socketserver::Address::Udp(address) = server.addresses[0] else { panic!() };
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in [&b"panic"[..], b"longer than it may be", b"hello"] {
        client.send_to(datagram, address).unwrap();
    }
    assert_eq!(client.recv(&mut [0; 10]).unwrap(), 5);
    let handle = server.handle.clone();
    handle.stop();
    server.join();
    let metrics = handle.metrics();
    assert_eq!((metrics.datagrams_in, metrics.datagrams_out, metrics.datagrams_lost), (2, 1, 1));
    // One of them is `on_start`.
    assert_eq!((metrics.calls, metrics.panics), (3, 1));
}
