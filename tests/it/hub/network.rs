//! Bytes through the hub: greetings, short reads and writes, system calls, stray events, slots.

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Limits};

use crate::support::handlers::{Echo, Lines, Log, Probe, Told, pattern, relay};
use crate::support::waiting::Rounds;

/// Reads until no more output comes.
pub(crate) fn take_all(network: &mut Network, client: Client) -> Vec<u8> {
    let mut all = Vec::new();
    let mut rounds = Rounds::at_most(1_000_000, "the client has taken everything");
    loop {
        rounds.count(all.len());
        network.settle();
        let some = network.received(client);
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

#[test]
fn the_greeting_comes_before_the_client_speaks() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Probe::new(&Log::default()).open(|cx| cx.write(b"hello")));
    network.turn();
    assert_eq!(network.received(client), b"hello");
    assert_eq!(network.calls(client), (0, 1));
}

#[test]
fn bytes_before_the_first_turn_are_answered_after_the_greeting() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    let handler = Probe::new(&log).open(|cx| cx.write(b"hello ")).data(|input, cx| {
        cx.write(input);
        Ok(input.len())
    });
    let client = network.connect(handler);
    network.send(client, b"early");
    network.turn();
    assert_eq!(network.received(client), b"hello early");
    assert_eq!(network.calls(client), (1, 1), "both leave in one write");
    assert_eq!(log.told(), [Told::Open, Told::Data(b"early".to_vec())]);
}

#[test]
fn a_request_costs_one_read_and_one_write() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Echo);
    network.settle();
    assert_eq!(network.calls(client), (0, 0), "silence costs nothing");
    for n in 1..=5 {
        network.send(client, b"ping");
        network.turn();
        assert_eq!(network.received(client), b"ping");
        network.settle();
        assert_eq!(network.calls(client), (n, n));
    }
}

#[test]
fn a_hundred_requests_in_one_packet_cost_one_read_and_one_write() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Lines);
    let requests = b"GET me\n".repeat(100);
    network.send(client, &requests);
    network.settle();
    assert_eq!(network.received(client), requests);
    assert_eq!(network.calls(client), (1, 1));
}

#[test]
fn short_reads_and_writes_change_no_byte() {
    let sent = b"line of text\n\nand\n".repeat(100);
    for grain in [1, 2, 3, 7, 100, 1799, 1800, 1801] {
        let mut network = Network::new(Limits::default());
        let client = network.connect(Lines);
        network.grain(client, grain);
        network.send(client, &sent);
        network.settle();
        assert_eq!(network.received(client), sent, "grain {grain}");
    }
}

#[test]
fn a_socket_whose_short_reads_prove_nothing_is_read_until_it_blocks() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Echo);
    network.grain(client, 3);
    network.send(client, b"abcabcab");
    network.turn();
    assert_eq!(network.received(client), b"abcabcab");
    assert_eq!(network.calls(client).0, 4);
}

#[test]
fn a_partial_write_is_resumed() {
    let sent = pattern(10_000);
    for window in [1, 7, 1000, 9999] {
        let mut network = Network::new(Limits::default());
        let client = network.connect(Echo);
        network.window(client, window);
        network.send(client, &sent);
        assert_eq!(take_all(&mut network, client), sent, "window {window}");
    }
}

#[test]
fn a_blocked_write_waits_for_its_event() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Echo);
    network.window(client, 10);
    network.send(client, &[7; 25]);
    network.settle();
    assert_eq!(network.calls(client), (1, 1));
    for _ in 0..5 {
        network.turn();
    }
    assert_eq!(network.calls(client), (1, 1), "no write without an event");
    assert_eq!(take_all(&mut network, client), [7; 25]);
    assert_eq!(network.calls(client), (1, 3));
}

#[test]
fn new_answers_queue_behind_a_blocked_one() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Echo);
    network.window(client, 3);
    for part in [b"one ", b"two ", b"six "] {
        network.send(client, part);
        network.settle();
    }
    assert_eq!(take_all(&mut network, client), b"one two six ");
}

#[test]
fn short_and_partial_together_change_no_byte() {
    let sent = pattern(3000);
    for grain in [1, 2, 5, 64] {
        for window in [1, 3, 4, 65] {
            let mut network = Network::new(Limits::default());
            let client = network.connect(Echo);
            network.grain(client, grain);
            network.window(client, window);
            network.send(client, &sent);
            let came = take_all(&mut network, client);
            assert_eq!(came, sent, "grain {grain}, window {window}");
        }
    }
}

#[test]
fn an_event_without_a_cause_does_nothing() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    let client = network.connect(Probe::new(&log));
    network.settle();
    for _ in 0..10 {
        network.spurious(client);
        network.spurious(client);
        network.settle();
    }
    assert_eq!(log.told(), [Told::Open]);
    assert_eq!(network.calls(client), (10, 0), "one look for each");
    network.send(client, b"x");
    network.settle();
    assert_eq!(log.data(), b"x");
}

#[test]
fn an_event_without_a_cause_does_not_write_twice() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Echo);
    network.window(client, 4);
    network.send(client, b"abcdefgh");
    network.settle();
    for _ in 0..3 {
        network.spurious(client);
        network.settle();
    }
    assert_eq!(take_all(&mut network, client), b"abcdefgh");
}

#[test]
fn an_event_of_a_closed_connection_never_reaches_the_next_in_its_slot() {
    let mut network = Network::new(Limits::default());
    let first = network.connect(Echo);
    network.shut(first);
    network.settle();
    let log = Log::default();
    let second = network.connect(Probe::new(&log));
    let (old, new) = (network.id(first).to_string(), network.id(second).to_string());
    let slot = |name: &str| name.split_once('.').unwrap().0.to_owned();
    assert_eq!(slot(&old), slot(&new), "this test needs a reused slot");
    assert_ne!(old, new);
    network.spurious(first);
    network.settle();
    assert_eq!(network.calls(second), (0, 0));
    assert_eq!(log.told(), [Told::Open]);
}

#[test]
fn output_for_a_closed_connection_is_dropped() {
    let mut network = Network::new(Limits::default());
    let gone = network.connect(Echo);
    let relay = network.connect(relay(network.id(gone)));
    network.reset(gone);
    network.settle();
    let heir = network.connect(Echo);
    network.settle();
    network.send(relay, b"secret");
    network.settle();
    assert_eq!(network.received(heir), b"");
    assert_eq!(network.calls(heir), (0, 0));
    assert!(!network.is_closed(relay));
}

#[test]
fn nothing_is_left_of_closed_connections() {
    let mut network = Network::new(Limits::default());
    let clients: Vec<Client> = (0..100).map(|_| network.connect(Echo)).collect();
    network.settle();
    assert_eq!(network.connections(), 100);
    for (n, client) in clients.iter().enumerate() {
        network.send(*client, b"bye");
        if n % 3 == 0 {
            network.reset(*client);
        } else {
            network.shut(*client);
        }
    }
    network.settle();
    assert_eq!(network.connections(), 0);
    for (n, client) in clients.iter().enumerate() {
        let expected: &[u8] = if n % 3 == 0 { b"" } else { b"bye" };
        assert_eq!(network.received(*client), expected);
    }
}

#[test]
fn a_handler_that_claims_more_than_it_was_given_gets_no_farther_than_the_end() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    let client = network.connect(Probe::new(&log).data(|input, _| Ok(input.len() + 5)));
    network.send(client, b"abc");
    network.settle();
    network.send(client, b"defghijk");
    network.settle();
    assert_eq!(log.data(), b"abcdefghijk");
    assert_eq!(log.closes(), [] as [Close; 0]);
}

#[test]
fn a_client_that_reads_while_its_socket_is_full_still_gets_the_rest() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Probe::new(&Log::default()).open(|cx| cx.write(b"hello")));
    network.window(client, 0);
    network.settle();
    assert_eq!(network.received(client), b"");
    network.settle();
    network.window(client, 3);
    for part in [&b""[..], b"hel", b"lo", b""] {
        assert_eq!(network.received(client), part);
        network.settle();
    }
}
