//! Senders that are throttled for a stalled connection are released in time and in order: when it
//! reads, or when it ends, and whatever happens to the senders meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Id, Limits, Mode, Server, Timeout};

use crate::hub::network::take_all;
use crate::support::handlers::{Log, Probe, tight};
use crate::support::queue::last_heard;
use crate::support::real::{Running, soon};
use crate::support::waiting::{Rounds, until_equal};

type Make = fn(Limits) -> Network;

fn networks() -> [(&'static str, Make); 4] {
    [
        ("one loop", Network::new),
        ("workers", Network::with_workers),
        ("two reactors", |limits| Network::with_reactors(limits, 2)),
        ("three reactors", |limits| Network::with_reactors(limits, 3)),
    ]
}

/// A probe that forwards its input to each of `to`.
fn forwarder(to: Vec<Id>) -> Probe {
    Probe::new(&Log::default()).data(move |input, cx| {
        for id in &to {
            cx.forward(*id, &*input);
        }
        Ok(input.len())
    })
}

/// A client that reads nothing, and `count` senders that forward to it, each throttled.
fn held(network: &mut Network, log: &Log, count: usize) -> (Client, Vec<Client>) {
    let target = network.connect(Probe::new(log));
    network.window(target, 0);
    let to = network.id(target);
    let mut senders: Vec<Client> =
        (0..count).map(|_| network.connect(forwarder(vec![to]))).collect();
    network.settle();
    // Not in the order of their slots.
    senders.reverse();
    for sender in &senders {
        network.send(*sender, &[b'0'; 210]);
        network.settle();
    }
    for sender in &senders {
        network.send(*sender, b"more");
        network.settle();
        assert_eq!(network.unread(*sender), 4, "this test needs senders that are held");
    }
    (target, senders)
}

fn all_are_read(network: &Network, senders: &[Client], what: &str) {
    let unread: Vec<usize> = senders.iter().map(|sender| network.unread(*sender)).collect();
    assert!(unread.iter().all(|unread| *unread == 0), "{what}: still held: {unread:?}");
}

#[test]
fn all_throttled_senders_are_released_when_their_target_reads() {
    for (what, make) in networks() {
        let mut network = make(tight());
        let (target, senders) = held(&mut network, &Log::default(), 3);
        network.window(target, usize::MAX);
        network.received(target);
        let rest = take_all(&mut network, target);
        all_are_read(&network, &senders, what);
        assert_eq!(rest.len(), 3 * 214, "{what}");
        assert_eq!(rest.escape_ascii().to_string().matches("more").count(), 3, "{what}");
    }
}

#[test]
fn senders_are_released_in_the_order_of_throttling() {
    let mut network = Network::new(tight());
    let target = network.connect(Probe::new(&Log::default()));
    let to = network.id(target);
    let mut senders: Vec<Client> = (0..4).map(|_| network.connect(forwarder(vec![to]))).collect();
    network.settle();
    senders.swap(0, 2);
    senders.swap(1, 3);
    network.window(target, 0);
    for (name, sender) in (b'0'..).zip(&senders) {
        network.send(*sender, &[name; 210]);
        network.settle();
    }
    for (name, sender) in (b'0'..).zip(&senders) {
        network.send(*sender, &[name; 10]);
    }
    network.settle();
    network.window(target, usize::MAX);
    network.received(target);
    let mut order = take_all(&mut network, target);
    let mut at = 0;
    order.retain(|_| {
        at += 1;
        at > 840
    });
    order.dedup();
    assert_eq!(order.escape_ascii().to_string(), "0123");
}

#[test]
fn all_throttled_senders_are_released_when_their_target_ends() {
    type End = fn(&mut Network, Client);
    let ends: [(&str, End); 4] = [
        ("reset", Network::reset),
        ("its handler closes", |network, target| network.notify(target, ())),
        ("a deadline", |network, _| network.advance(Duration::from_secs(80))),
        ("it becomes too slow", |network, target| {
            let to = network.id(target);
            let pusher = network.connect(Probe::new(&Log::default()).data(move |input, cx| {
                cx.send(to, &*input);
                Ok(input.len())
            }));
            for _ in 0..3 {
                network.send(pusher, &[b'x'; 600]);
                network.settle();
            }
        }),
    ];
    for (what, make) in networks() {
        for (how, end) in ends {
            let log = Log::default();
            let limits = tight().write_stall(Some(Duration::from_secs(60)));
            let mut network = make(limits);
            let target = network.connect(Noted(Probe::new(&log)));
            network.window(target, 0);
            let to = network.id(target);
            let senders: Vec<Client> =
                (0..3).map(|_| network.connect(forwarder(vec![to]))).collect();
            network.settle();
            for sender in &senders {
                network.send(*sender, &[b'0'; 210]);
                network.settle();
                network.send(*sender, b"more");
                network.settle();
                assert_eq!(network.unread(*sender), 4, "{what}, {how}: not held");
            }
            end(&mut network, target);
            network.settle();
            // A connection that closes orderly is still written to, until its time is over.
            network.advance(Duration::from_secs(80));
            assert_eq!(log.closes().len(), 1, "{what}, {how}: {:?}", log.closes());
            all_are_read(&network, &senders, &format!("{what}, {how}"));
        }
    }
}

/// Closes when it gets a note.
struct Noted(Probe);

impl Handler for Noted {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, _: socketserver::Notification, cx: &mut Context<'_>) {
        cx.close(Close::Done);
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.0.on_close(why, cx);
    }
}

/// A slot is reused: the release is for the throttled sender, and not for the new connection.
#[test]
fn a_release_does_not_reach_the_next_connection_in_a_slot() {
    for (what, make) in networks() {
        let reactors = match what {
            "two reactors" => 2,
            "three reactors" => 3,
            _ => 1,
        };
        let mut network = make(tight());
        // All of them on one reactor: others are connected in between.
        let enter = |network: &mut Network, handler: Probe| {
            let client = network.connect(handler);
            for _ in 1..reactors {
                network.connect(Probe::new(&Log::default()));
            }
            client
        };
        let targets = [(); 2].map(|()| enter(&mut network, Probe::new(&Log::default())));
        targets.iter().for_each(|target| network.window(*target, 0));
        let to = targets.map(|target| network.id(target));
        let first = enter(&mut network, forwarder(vec![to[0]]));
        network.send(first, &[b'1'; 210]);
        network.settle();
        network.send(first, b"more");
        network.settle();
        assert_eq!(network.unread(first), 4, "{what}");
        network.reset(first);
        network.settle();
        let heir = enter(&mut network, forwarder(vec![to[1]]));
        network.send(heir, &[b'2'; 210]);
        network.settle();
        network.send(heir, b"more");
        network.settle();
        assert_eq!(network.unread(heir), 4, "{what}");
        network.window(targets[0], usize::MAX);
        network.received(targets[0]);
        network.settle();
        assert_eq!(network.received(targets[0]), [b'1'; 210], "{what}");
        assert_eq!(network.unread(heir), 4, "{what}: let go for what another one was held for");
        network.window(targets[1], usize::MAX);
        network.received(targets[1]);
        network.settle();
        assert_eq!(network.unread(heir), 0, "{what}");
    }
}

#[test]
fn a_sender_throttled_for_several_targets_is_released_by_the_last() {
    for (what, make) in networks() {
        for last in 0..3 {
            let mut network = make(tight());
            let targets = [(); 3].map(|()| network.connect(Probe::new(&Log::default())));
            targets.iter().for_each(|target| network.window(*target, 0));
            let to = targets.iter().map(|target| network.id(*target)).collect();
            let sender = network.connect(forwarder(to));
            network.send(sender, &[b'0'; 210]);
            network.settle();
            network.send(sender, b"more");
            network.settle();
            for (at, target) in targets.iter().enumerate().filter(|(at, _)| *at != last) {
                match at {
                    0 => network.reset(*target),
                    _ => {
                        network.window(*target, usize::MAX);
                        network.received(*target);
                    }
                }
                network.settle();
                assert_eq!(network.unread(sender), 4, "{what}: {last} takes nothing yet");
            }
            network.window(targets[last], usize::MAX);
            network.received(targets[last]);
            network.settle();
            assert_eq!(network.unread(sender), 0, "{what}: {last} was the last");
        }
    }
}

#[test]
fn a_released_sender_has_its_deadlines_again() {
    for (what, make) in networks() {
        let (log, idle) = (Log::default(), Duration::from_secs(10));
        let mut network = make(tight().idle(Some(idle)));
        let busy = Probe::new(&Log::default()).open(|cx| cx.pause());
        let target = network.connect(busy);
        network.window(target, 0);
        let to = network.id(target);
        let sender = network.connect(Probe::new(&log).data(move |input, cx| {
            cx.forward(to, &*input);
            Ok(input.len())
        }));
        network.send(sender, &[b'0'; 210]);
        network.advance(idle * 5);
        assert_eq!(log.closes(), [], "{what}: nothing counts against who is held");
        network.window(target, usize::MAX);
        network.received(target);
        network.settle();
        let free = idle * 5;
        network.advance(idle * 2);
        assert_eq!(log.closes(), [Close::Timeout(Timeout::Idle)], "{what}");
        let after = log.closed_at() - free;
        assert!(idle <= after && after <= idle + Duration::from_millis(1100), "{what}: {after:?}");
    }
}

/// Reports its id, and forwards to the next one in a ring.
struct Ring {
    ids: Arc<Mutex<Vec<Id>>>,
    at: usize,
    told: std::sync::mpsc::Sender<()>,
}

impl Handler for Ring {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let mut ids = self.ids.lock().unwrap();
        self.at = ids.len();
        ids.push(cx.id());
        self.told.send(()).unwrap();
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let next = {
            let ids = self.ids.lock().unwrap();
            ids[(self.at + 1) % ids.len()]
        };
        cx.forward(next, &*input);
        Ok(input.len())
    }

    /// Forwarding continues to the end of the input.
    fn on_stop(&mut self, _: &mut Context<'_>) {}
}

/// Every second one reads nothing, and resets when the server stops: whole reactors end while
/// others are throttled for them. These are released, and see the end of their input.
#[test]
fn all_throttled_senders_are_released_when_the_reactor_of_their_target_ends() {
    const MEMBERS: usize = 8;
    for round in 0..10 {
        let ids: Arc<Mutex<Vec<Id>>> = Arc::default();
        let (told, has_told) = std::sync::mpsc::channel();
        let service_ids = Arc::clone(&ids);
        let limits = Limits::default().drain(Duration::from_secs(3600));
        let server = Server::new().mode(Mode::Reactors(2 + round % 3));
        let server = server
            .limits(limits)
            .listen("127.0.0.1:0", move |_| {
                let (ids, told) = (Arc::clone(&service_ids), told.clone());
                Ring { ids, at: 0, told }
            })
            .unwrap();
        let server = Running::start(server);
        let clients: Vec<TcpStream> = (0..MEMBERS)
            .map(|_| {
                let client = server.client();
                soon(&has_told);
                client
            })
            .collect();
        let senders: Vec<&TcpStream> = clients.iter().step_by(2).collect();
        senders.iter().for_each(|client| fill(client));
        server.handle.stop();
        let (senders, targets): (Vec<_>, Vec<_>) =
            clients.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
        for (_, target) in targets {
            SockRef::from(&target).set_linger(Some(Duration::ZERO)).unwrap();
        }
        let handle = server.handle.clone();
        for (_, mut sender) in senders {
            sender.set_nonblocking(false).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
            assert_eq!(last_heard(&mut sender), b"", "round {round}");
        }
        server.join();
        until_equal("nothing is open", 0, || handle.metrics().open());
    }
}

/// Sends until the socket accepts no more, because the server does not read.
fn fill(mut client: &TcpStream) {
    client.set_nonblocking(true).unwrap();
    let piece = vec![b'x'; 256 * 1024];
    let (mut refusals, mut rounds) = (0, Rounds::at_most(10_000_000, "the server reads no more"));
    while refusals < 500 {
        rounds.count(refusals);
        match client.write(&piece) {
            Ok(1..) => refusals = 0,
            Ok(0) => panic!("the socket takes nothing"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                refusals += 1;
                std::thread::yield_now();
            }
        }
    }
    let mut byte = [0];
    assert!(client.read(&mut byte).is_err(), "nobody forwards to this one");
}
