//! The `beacon` example: its answers and heartbeats on a virtual clock, and the program on sockets.

use std::net::{SocketAddr, UdpSocket};
use std::str;

use socketserver::testkit::Datagrams;
use socketserver::{Address, Peer};

use crate::net::datagrams::client;
use crate::support::real::{Example, run_example};

#[path = "../../../examples/beacon.rs"]
#[allow(dead_code, reason = "the program is run as a process")]
mod example;

use example::{BEAT, Beacon, PEERS_MAX, RATE, SILENCE};

fn peer(port: u16) -> Peer {
    Peer::from(SocketAddr::from(([192, 0, 2, 1], port)))
}

/// Sends a datagram, and returns the text of the answer.
fn ask(beacon: &mut Datagrams<Beacon>, from: &Peer, text: &str) -> Option<String> {
    assert_eq!(beacon.sent(), []);
    beacon.receive(from.clone(), text.as_bytes());
    let (to, answer) = beacon.sent().pop()?;
    assert_eq!(to, *from);
    Some(String::from_utf8(answer).unwrap())
}

fn subscribe(beacon: &mut Datagrams<Beacon>, from: &Peer) {
    let token = ask(beacon, from, "subscribe").unwrap();
    let token = token.strip_prefix("token ").unwrap().trim_end();
    let answer = ask(beacon, from, &format!("subscribe {token}"));
    assert_eq!(answer.as_deref(), Some("subscribed\n"));
}

/// The datagrams that were sent, in the order of their receivers.
fn sent(beacon: &mut Datagrams<Beacon>) -> Vec<(Peer, String)> {
    let sent = beacon.sent().into_iter();
    let mut sent: Vec<_> =
        sent.map(|(peer, text)| (peer, String::from_utf8(text).unwrap())).collect();
    sent.sort();
    sent
}

#[test]
fn requests_are_counted_by_peer() {
    let mut beacon = Datagrams::new(Beacon::default());
    let (ann, bob) = (peer(1), peer(2));
    assert_eq!(ask(&mut beacon, &ann, "ping").as_deref(), Some("pong 1\n"));
    assert_eq!(ask(&mut beacon, &ann, "ping\n").as_deref(), Some("pong 2\n"));
    assert_eq!(ask(&mut beacon, &bob, "ping").as_deref(), Some("pong 1\n"));
    for other in ["", "pong", "ping 1", "subscribe 1", "subscribe x", "subscribe", "\u{e4}"] {
        let answer = ask(&mut beacon, &bob, other);
        assert_eq!(answer.is_some(), other == "subscribe", "{other}: {answer:?}");
    }
    beacon.receive(bob.clone(), b"\xff");
    assert_eq!(ask(&mut beacon, &bob, "ping").as_deref(), Some("pong 10\n"));
}

#[test]
fn a_peer_gets_no_more_answers_than_its_rate() {
    let mut beacon = Datagrams::new(Beacon::default());
    let (ann, bob) = (peer(1), peer(2));
    for _ in 0..3 {
        let answers = (0..RATE * 2).filter(|_| ask(&mut beacon, &ann, "ping").is_some()).count();
        assert_eq!(answers as u32, RATE);
        assert!(ask(&mut beacon, &bob, "ping").is_some());
        beacon.advance(BEAT);
    }
    let all = RATE * 2 * 3 + 1;
    assert_eq!(ask(&mut beacon, &ann, "ping"), Some(format!("pong {all}\n")));
}

#[test]
fn subscribers_get_every_beat_until_they_are_silent() {
    let mut beacon = Datagrams::new(Beacon::default());
    let (ann, bob, other) = (peer(1), peer(2), peer(3));
    subscribe(&mut beacon, &ann);
    subscribe(&mut beacon, &bob);
    ask(&mut beacon, &other, "ping");
    beacon.advance(BEAT);
    let beat = |number: u32, peer: &Peer| (peer.clone(), format!("beat {number}\n"));
    assert_eq!(sent(&mut beacon), [beat(1, &ann), beat(1, &bob)]);

    beacon.advance(4 * BEAT);
    assert_eq!(sent(&mut beacon).len(), 8);
    ask(&mut beacon, &bob, "ping");
    beacon.advance(4 * BEAT);
    assert_eq!(sent(&mut beacon).len(), 8);
    // Ann has been silent for ten seconds.
    beacon.advance(BEAT);
    assert_eq!(sent(&mut beacon), [beat(10, &bob)]);
    beacon.advance(SILENCE);
    assert_eq!(sent(&mut beacon), [11, 12, 13, 14].map(|number| beat(number, &bob)));
    // Nothing is left of them.
    assert_eq!(ask(&mut beacon, &bob, "ping").as_deref(), Some("pong 1\n"));
}

#[test]
fn a_forged_address_subscribes_nothing() {
    let mut beacon = Datagrams::new(Beacon::default());
    let (attacker, victim) = (peer(1), peer(2));
    let token = ask(&mut beacon, &attacker, "subscribe").unwrap();
    let token = token.strip_prefix("token ").unwrap().trim_end().to_owned();
    assert_eq!(ask(&mut beacon, &victim, &format!("subscribe {token}")), None);
    let mut restarted = Datagrams::new(Beacon::default());
    assert_eq!(ask(&mut restarted, &attacker, &format!("subscribe {token}")), None);
    beacon.advance(BEAT);
    assert_eq!(beacon.sent(), []);
}

#[test]
fn the_number_of_known_peers_is_bounded() {
    let mut beacon = Datagrams::new(Beacon::default());
    for port in 0..PEERS_MAX as u16 {
        assert!(ask(&mut beacon, &peer(port), "ping").is_some());
    }
    let new = peer(PEERS_MAX as u16);
    assert_eq!(ask(&mut beacon, &new, "ping"), None);
    assert_eq!(ask(&mut beacon, &peer(7), "ping").as_deref(), Some("pong 2\n"));
    beacon.advance(SILENCE);
    assert_eq!(ask(&mut beacon, &new, "ping").as_deref(), Some("pong 1\n"));
}

fn receive(client: &UdpSocket) -> String {
    let mut buffer = [0; 100];
    let len = client.recv(&mut buffer).unwrap();
    str::from_utf8(&buffer[..len]).unwrap().to_owned()
}

#[test]
fn the_program_answers_and_sends_by_itself() {
    let example = Example::at("beacon", "udp:127.0.0.1:0");
    assert!(matches!(example.addresses[..], [Address::Udp(_)]));
    let client = client(&example.addresses);
    client.send(b"ping\n").unwrap();
    assert_eq!(receive(&client), "pong 1\n");
    client.send(b"subscribe\n").unwrap();
    let token = receive(&client);
    client.send(format!("subscribe {}", &token["token ".len()..]).as_bytes()).unwrap();
    assert_eq!(receive(&client), "subscribed\n");
    let beats: Vec<u64> = [(); 2]
        .map(|()| receive(&client).trim().strip_prefix("beat ").unwrap().parse().unwrap())
        .into();
    assert!(beats[0] < beats[1]);
    example.signal("TERM");
    assert_eq!(example.join(), (Some(0), String::new()));
}

#[test]
fn an_address_of_connections_is_refused_in_one_line() {
    let output = run_example("beacon", &["127.0.0.1:0"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with("beacon: ") && said.contains("write udp:"), "{said}");
}
