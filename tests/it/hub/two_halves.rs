//! The two directions of a connection are independent (RFC 9293, section 3.6): output from others
//! never stops its input, and no ring of connections can deadlock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Id, Topic};

use crate::hub::network::take_all;
use crate::support::handlers::{Log, Probe, pattern, tight};

type Make = fn() -> Network;

fn networks() -> [(&'static str, Make); 3] {
    [
        ("one loop", || Network::new(tight())),
        ("workers", || Network::with_workers(tight())),
        ("reactors", || Network::with_reactors(tight(), 2)),
    ]
}

/// Forwards its input to a connection that is set later.
struct Carrier(Arc<Mutex<Option<Id>>>);

impl Handler for Carrier {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let to = self.0.lock().unwrap().expect("known before anything is sent");
        cx.forward(to, &*input);
        Ok(input.len())
    }
}

/// Connections, each of which forwards to the next, and the last to the first.
fn ring(network: &mut Network, len: usize) -> Vec<Client> {
    let to: Vec<Arc<Mutex<Option<Id>>>> = (0..len).map(|_| Arc::default()).collect();
    let ring: Vec<Client> = to.iter().map(|to| network.connect(Carrier(Arc::clone(to)))).collect();
    for (at, to) in to.iter().enumerate() {
        *to.lock().unwrap() = Some(network.id(ring[(at + 1) % len]));
    }
    network.settle();
    ring
}

/// The capacity of the way from a client to the server.
const WAY: usize = 8;

/// Sends its input back; reads nothing while it has output.
struct EchoPeer {
    client: Client,
    held: VecDeque<u8>,
}

impl EchoPeer {
    /// Makes one step, and returns the number of bytes moved.
    fn step(&mut self, network: &mut Network) -> usize {
        let room = WAY.saturating_sub(network.unread(self.client)).min(self.held.len());
        if room > 0 {
            let some: Vec<u8> = self.held.drain(..room).collect();
            network.send(self.client, &some);
        }
        if !self.held.is_empty() {
            return room;
        }
        self.held.extend(network.received(self.client));
        room + self.held.len()
    }
}

/// The first client of a ring sends and reads, and all others echo. All bytes come back.
fn comes_round(what: &str, mut network: Network, len: usize) {
    const BYTES: usize = 5_000;
    let ring = ring(&mut network, len);
    for (window, client) in [5, 7, 3].iter().cycle().zip(&ring) {
        network.window(*client, *window);
    }
    let mut peers: Vec<EchoPeer> = ring[1..]
        .iter()
        .map(|client| EchoPeer { client: *client, held: VecDeque::new() })
        .collect();
    let all = pattern(BYTES);
    let (mut sent, mut came) = (0, Vec::new());
    while came.len() < BYTES {
        let room = WAY.saturating_sub(network.unread(ring[0])).min(BYTES - sent);
        network.send(ring[0], &all[sent..sent + room]);
        sent += room;
        network.settle();
        let moved: usize = peers.iter_mut().map(|peer| peer.step(&mut network)).sum();
        network.settle();
        let some = network.received(ring[0]);
        assert!(
            room + moved + some.len() > 0,
            "{what}, {len} connections: stuck with {sent} of {BYTES} bytes sent, {} received; \
             unread: {:?}",
            came.len(),
            ring.iter().map(|client| network.unread(*client)).collect::<Vec<_>>()
        );
        came.extend(some);
    }
    assert!(came == all, "{what}, {len} connections: not what was sent");
    assert_eq!(network.connections(), len, "{what}");
}

#[test]
fn two_connections_that_forward_to_each_other_do_not_wait_for_each_other() {
    networks().iter().for_each(|(what, make)| comes_round(what, make(), 2));
}

#[test]
fn bytes_that_go_round_a_ring_of_connections_arrive() {
    for len in [3, 4, 7] {
        networks().iter().for_each(|(what, make)| comes_round(what, make(), len));
    }
}

#[test]
fn a_connection_that_forwards_to_itself_goes_on() {
    networks().iter().for_each(|(what, make)| comes_round(what, make(), 1));
}

/// Reads all pending output of a client that has read nothing so far.
fn take_at_last(network: &mut Network, client: Client) -> Vec<u8> {
    network.window(client, usize::MAX);
    // The system reports room only after a read.
    let mut came = network.received(client);
    came.extend(take_all(network, client));
    came
}

/// More than the high watermark and less than the hard limit.
const MUCH: usize = 250;

#[derive(Clone, Copy, Debug)]
enum Way {
    Sent,
    Forwarded,
    Published,
    PublishedFromOutside,
}

/// Fills the output of a member that reads nothing.
fn fill(network: &mut Network, member: Client, way: Way) {
    let (to, room) = (network.id(member), Topic::new("room"));
    let other = network.connect(Probe::new(&Log::default()).data(move |input, cx| {
        match way {
            Way::Sent => cx.send(to, &*input),
            Way::Forwarded => cx.forward(to, &*input),
            Way::Published | Way::PublishedFromOutside => {
                cx.publish(&Topic::new("room"), &*input);
            }
        }
        Ok(input.len())
    }));
    match way {
        Way::PublishedFromOutside => network.publish(&room, [b'o'; MUCH]),
        _ => network.send(other, &[b'o'; MUCH]),
    }
    network.settle();
}

#[test]
fn output_from_others_does_not_stop_the_input() {
    for (what, make) in networks() {
        for way in [Way::Sent, Way::Forwarded, Way::Published, Way::PublishedFromOutside] {
            let log = Log::default();
            let mut network = make();
            let member = Probe::new(&log).open(|cx| cx.join(&Topic::new("room")));
            let member = network.connect(member);
            network.window(member, 0);
            network.settle();
            fill(&mut network, member, way);
            for word in ["one ", "two ", "three"] {
                network.send(member, word.as_bytes());
                network.settle();
            }
            assert_eq!(log.data(), b"one two three", "{what}, {way:?}");
            assert_eq!(network.unread(member), 0, "{what}, {way:?}");
            assert_eq!(log.closes(), [], "{what}, {way:?}");
            // The queued output arrives as well.
            let came = take_at_last(&mut network, member);
            assert_eq!(
                (came.len(), came.iter().all(|byte| *byte == b'o')),
                (MUCH, true),
                "{what}, {way:?}"
            );
        }
    }
}

#[test]
fn its_own_output_stops_its_input_until_it_has_drained() {
    for (what, make) in networks() {
        let log = Log::default();
        let mut network = make();
        let client = network.connect(Probe::new(&log).data(|input, cx| {
            cx.write(&[b'o'; MUCH]);
            Ok(input.len())
        }));
        network.window(client, 0);
        network.send(client, b"one");
        network.settle();
        network.send(client, b"two");
        network.settle();
        assert_eq!((log.data(), network.unread(client)), (b"one".to_vec(), 3), "{what}");
        let came = take_at_last(&mut network, client);
        assert_eq!((came.len(), came.iter().all(|byte| *byte == b'o')), (2 * MUCH, true), "{what}");
        assert_eq!(log.data(), b"onetwo", "{what}");
    }
}

#[test]
fn a_sender_is_held_up_only_by_the_connection_it_forwards_to() {
    for (what, make) in networks() {
        let mut network = make();
        let ring = ring(&mut network, 2);
        let (left, right) = (ring[0], ring[1]);
        network.window(right, 0);
        for _ in 0..5 {
            network.send(left, &[b'l'; 100]);
            network.settle();
        }
        assert!(network.unread(left) > 0, "{what}: nothing holds it up");
        // The other direction is not paused.
        for _ in 0..5 {
            network.send(right, &[b'r'; 100]);
            network.settle();
            assert_eq!(network.unread(right), 0, "{what}");
        }
        assert!(network.received(left) == [b'r'; 500], "{what}");
        let came = take_at_last(&mut network, right);
        assert_eq!((came.len(), came.iter().all(|byte| *byte == b'l')), (500, true), "{what}");
    }
}

/// A client that has closed its socket, though its handler continues after the end of the input.
fn closed_client(network: &mut Network, log: &Log, said: &[u8]) -> Client {
    let handler = Probe::new(log).eof(|_| {}).data(|input, cx| {
        cx.write(b"heard");
        Ok(input.len())
    });
    let client = network.connect(handler);
    network.settle();
    network.send(client, said);
    network.close(client);
    client
}

#[test]
fn a_connection_with_both_halves_ended_ends_at_once_though_its_handler_does_not_close() {
    for (what, make) in networks() {
        let (mut network, log) = (make(), Log::default());
        let client = closed_client(&mut network, &log, &pattern(500));
        network.settle();
        assert!(log.data() == pattern(500), "{what}: heard though nothing can be sent");
        assert_eq!(log.closes(), [Close::Io(std::io::ErrorKind::BrokenPipe)], "{what}");
        assert!(network.is_reset(client), "{what}: the answer is lost");
    }
}

#[test]
fn a_closed_client_is_read_for_a_bounded_number_of_bytes() {
    let limits = tight().linger_bytes(1000);
    let (mut network, log) = (Network::new(limits), Log::default());
    let client = network.connect(Probe::new(&log).data(|input, cx| {
        // Above the high watermark: it is sent before the next read.
        cx.write(&[1; 200]);
        Ok(input.len())
    }));
    network.grain(client, 100);
    network.settle();
    network.send(client, &pattern(5000));
    network.close(client);
    network.settle();
    // The first read was before the output failed.
    assert_eq!(log.data().len(), 1100);
    assert_eq!(log.closes(), [Close::Io(std::io::ErrorKind::BrokenPipe)]);
}
