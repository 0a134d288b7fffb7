//! Connections that are asked to give way to new ones, on the network in memory: the order, and
//! those that are never asked or never give way.

use std::time::Duration;

use socketserver::services::web::{self, Web};
use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Limits, Metrics};

use crate::support::chat::Party;
use crate::support::http::connect;

const SECOND: Duration = Duration::from_secs(1);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn site() -> Web {
    Web::new()
        .get("/", |_, reply| reply.text("root"))
        .get("/late", |_, reply| reply.after(SECOND * 20).text("late"))
        .get("/large", |_, reply| reply.text("x".repeat(5000)))
        .post("/echo", |request, reply| reply.bytes("text/x", request.body()))
}

fn clients<const N: usize>(network: &mut Network) -> [Client; N] {
    let mut site = site();
    [(); N].map(|()| connect(network, &mut site))
}

#[test]
fn the_connection_that_has_idled_longest_gives_way_first() {
    let mut network = Network::new(Limits::default());
    let clients = clients::<5>(&mut network);
    for nth in [3, 0, 4, 2, 1] {
        network.send(clients[nth], GET);
        network.advance(SECOND / 5);
    }
    network.advance(SECOND);
    for nth in [3, 0, 4] {
        assert!(!network.is_closed(clients[nth]));
        assert!(network.make_room());
        assert!(network.is_closed(clients[nth]) && !network.is_reset(clients[nth]), "{nth}");
    }
    assert_eq!(network.connections(), 2);
    assert_eq!(network.metrics().closed(&Close::Crowded), 3);
}

/// Its client may not have read the last answer, and may send before it does.
#[test]
fn a_connection_with_a_long_last_answer_lingers_when_it_gives_way() {
    let mut network = Network::new(Limits::default());
    let [client] = clients(&mut network);
    network.send(client, b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    network.advance(SECOND * 2);
    assert!(network.make_room());
    network.send(client, b"\r\n");
    network.settle();
    assert_eq!((network.is_closed(client), network.connections()), (true, 1));
    assert!(network.received(client).len() > 5000);
    network.shut(client);
    network.settle();
    assert_eq!((network.is_reset(client), network.connections()), (false, 0));
}

/// A flood of clients that send nothing uses up its own places, not those of others.
#[test]
fn silent_connections_give_way_before_all_that_were_used() {
    let mut network = Network::new(Limits::default());
    let [used, silent, last] = clients(&mut network);
    network.send(used, GET);
    network.advance(SECOND * 30);
    assert!(network.make_room() && network.make_room());
    assert!(network.is_closed(silent) && network.is_closed(last) && !network.is_closed(used));
    assert!(network.make_room());
    assert!(network.is_closed(used));
    assert!(!network.make_room());
}

#[test]
fn a_connection_is_spared_for_a_second() {
    let mut network = Network::new(Limits::default());
    let [used, silent] = clients(&mut network);
    network.advance(SECOND * 9 / 10);
    network.send(used, GET);
    assert!(!network.make_room());
    network.advance(SECOND / 5);
    assert!(network.make_room());
    assert_eq!((network.is_closed(used), network.is_closed(silent)), (false, true));
    assert!(!network.make_room());
    network.advance(SECOND);
    assert!(network.make_room());
    assert!(network.is_closed(used));
}

#[test]
fn a_busy_connection_never_gives_way() {
    let middles: [&[u8]; 6] = [
        b"GET / HT",
        b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhello",
        b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"GET /late HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n",
    ];
    for network in [Network::new, Network::with_workers] {
        for middle in middles {
            let mut network = network(Limits::default());
            let [client] = clients(&mut network);
            network.window(client, 100);
            network.send(client, middle);
            network.advance(SECOND * 3);
            network.make_room();
            network.advance(SECOND * 3);
            network.make_room();
            assert!(!network.is_closed(client), "{}", middle.escape_ascii());
        }
    }
}

/// Input that has arrived before the connection was asked counts, though no event has told it.
#[test]
fn a_request_that_has_arrived_is_answered() {
    let mut network = Network::new(Limits::default());
    let [client] = clients(&mut network);
    network.send(client, GET);
    network.advance(SECOND * 3);
    network.received(client);
    network.send(client, GET);
    assert!(network.make_room());
    assert!(network.received(client).ends_with(b"root") && !network.is_closed(client));
    network.advance(SECOND * 3);
    assert!(network.make_room());
    assert!(network.is_closed(client));
}

#[test]
fn a_member_of_the_chat_never_gives_way() {
    let mut party = Party::with(Limits::default(), socketserver::services::chat::Chat::new());
    let members: Vec<Client> = (0..3).map(|_| party.connect()).collect();
    for _ in 0..10 {
        party.network.advance(SECOND * 3);
        party.network.make_room();
    }
    assert!(members.iter().all(|member| !party.network.is_closed(*member)));
}

/// Counts the calls, and keeps its connection.
#[derive(Default)]
struct Stubborn(usize);

impl Handler for Stubborn {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        writeln!(cx, "asked {}", self.0);
        Ok(input.len())
    }

    fn on_crowded(&mut self, _: &mut Context<'_>) {
        self.0 += 1;
    }
}

/// The time of its idle timeout runs on, too.
#[test]
fn a_handler_that_keeps_its_connection_is_asked_once_for_each_time_that_it_waits() {
    for network in [Network::new, Network::with_workers] {
        let mut network = network(Limits::default());
        let stubborn: Vec<Client> = (0..200).map(|_| network.connect(Stubborn(0))).collect();
        let mut site = site();
        let last = connect(&mut network, &mut site);
        stubborn.iter().for_each(|client| network.send(*client, b"x"));
        network.settle();
        network.advance(SECOND);
        network.send(last, GET);
        network.advance(SECOND * 2);
        // All that keep their connections are asked before the one that gives way.
        for _ in 0..200 {
            assert!(network.make_room() && !network.is_closed(last));
        }
        assert!(network.make_room() && network.is_closed(last));
        assert!(!network.make_room());
        network.received(stubborn[7]);
        network.send(stubborn[7], b"x");
        network.settle();
        assert_eq!(network.received(stubborn[7]), b"asked 1\n");
        network.advance(SECOND * 2);
        assert!(network.make_room() && !network.make_room());
        network.advance(SECOND * 71);
        assert_eq!(network.connections(), 1);
        network.advance(SECOND * 4);
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn without_a_limit_of_the_idle_time_none_gives_way() {
    let mut network = Network::new(Limits::default().idle(None).first_byte(None));
    let [used, _] = clients(&mut network);
    network.send(used, GET);
    network.advance(SECOND * 100);
    assert!(!network.make_room());
}

/// It may have a place of its own, which is of no use to the others.
#[test]
fn a_health_check_does_not_give_way() {
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut web::health(Metrics::default));
    network.send(client, b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
    network.advance(SECOND * 2);
    network.make_room();
    assert!(network.received(client).starts_with(b"HTTP/1.1 200 "));
    assert!(!network.is_closed(client));
}
