//! Topics: each member gets each message once and in order, whatever else happens meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use socketserver::testkit::{Client, Network, Random, seeds};
use socketserver::{Close, Context, Handler, Limits, Notification, SlowConsumer, Topic};

/// A member that does as its peer tells, a line at a time: `+T` joins T, `-T` leaves it, `T text`
/// publishes the line to T, `=text` writes it back, `.` closes. Publishes `T bye` to its first
/// topic when it closes.
#[derive(Default)]
struct Member {
    last: Option<Topic>,
}

impl Handler for Member {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let whole = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in input[..whole].split_inclusive(|byte| *byte == b'\n') {
            let text = std::str::from_utf8(line).unwrap();
            match (line[0], text[1..].trim_end()) {
                (b'+', topic) => {
                    cx.join(&Topic::new(topic));
                    self.last = Some(Topic::new(topic));
                }
                (b'-', topic) => cx.leave(&Topic::new(topic)),
                (b'=', _) => cx.write(line),
                (b'.', _) => cx.close(Close::Done),
                _ => cx.publish(&Topic::new(text.split(' ').next().unwrap()), line),
            }
        }
        Ok(whole)
    }

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        if let Some(topic) = &self.last {
            cx.publish(topic, format!("{topic} bye\n").into_bytes());
        }
    }
}

fn members<const N: usize>(network: &mut Network, first: &str) -> [Client; N] {
    [(); N].map(|()| {
        let client = network.connect(Member::default());
        say(network, client, first);
        client
    })
}

fn say(network: &mut Network, client: Client, text: &str) {
    network.send(client, text.as_bytes());
    network.settle();
}

fn heard(network: &mut Network, client: Client) -> String {
    String::from_utf8(network.received(client)).unwrap()
}

fn network() -> Network {
    Network::new(Limits::default().idle(None))
}

#[test]
fn every_other_member_gets_a_message_once() {
    let mut network = network();
    let [ann, bob, cid] = members(&mut network, "+a\n");
    let [stranger] = members(&mut network, "+b\n");
    say(&mut network, ann, "+a\n+a\na 1\na 2\n");
    assert_eq!(heard(&mut network, ann), "");
    assert_eq!(heard(&mut network, bob), "a 1\na 2\n");
    assert_eq!(heard(&mut network, cid), "a 1\na 2\n");
    assert_eq!(heard(&mut network, stranger), "");
}

#[test]
fn a_publisher_need_not_be_a_member() {
    let mut network = network();
    let [bob] = members(&mut network, "+a\n");
    let [stranger] = members(&mut network, "=\n");
    say(&mut network, stranger, "a hello\nnowhere else\n");
    assert_eq!(heard(&mut network, bob), "a hello\n");
}

#[test]
fn all_that_a_turn_published_leaves_in_one_write() {
    let mut network = network();
    let [ann, bob, cid] = members(&mut network, "+a\n+b\n");
    let [dan] = members(&mut network, "+a\n");
    for (client, text) in [(ann, "a 1\nb 2\na 3\n"), (bob, "a 4\n"), (cid, "b 5\na 6\n")] {
        network.send(client, text.as_bytes());
    }
    let before = [ann, bob, cid, dan].map(|client| network.calls(client).1);
    network.settle();
    let after = [ann, bob, cid, dan].map(|client| network.calls(client).1);
    assert_eq!(after, before.map(|writes| writes + 1));
    assert_eq!(heard(&mut network, dan), "a 1\na 3\na 4\na 6\n");
    assert_eq!(heard(&mut network, ann), "a 4\na 6\nb 5\n");
    assert_eq!(heard(&mut network, bob), "a 1\na 3\na 6\nb 2\nb 5\n");
    assert_eq!(heard(&mut network, cid), "a 1\na 3\na 4\nb 2\n");
}

#[test]
fn messages_before_joining_and_after_leaving_are_missed() {
    let mut network = network();
    let [ann, bob] = members(&mut network, "+a\n");
    let [late] = members(&mut network, "=\n");
    heard(&mut network, late);
    // All in one turn, in the order of the clients.
    for (client, text) in [(ann, "a 1\n"), (bob, "-a\n"), (late, "+a\n=x\n")] {
        network.send(client, text.as_bytes());
    }
    network.turn();
    say(&mut network, ann, "a 2\n");
    assert_eq!(heard(&mut network, bob), "a 1\n");
    assert_eq!(heard(&mut network, late), "=x\na 2\n");
}

#[test]
fn the_end_of_a_member_may_be_published() {
    let mut network = network();
    let [ann, bob, cid] = members(&mut network, "+a\n");
    network.reset(ann);
    say(&mut network, bob, "a 1\n.\n");
    assert_eq!(heard(&mut network, cid), "a bye\na 1\na bye\n");
    assert_eq!(network.connections(), 1);
    say(&mut network, cid, ".\n");
    assert_eq!(network.connections(), 0);
}

#[test]
fn written_output_goes_before_published_output() {
    let mut network = network();
    let [ann, bob] = members(&mut network, "+a\n");
    network.window(bob, 3);
    say(&mut network, bob, "=12345\n");
    say(&mut network, ann, "a 1\n");
    network.send(bob, b"=6\n");
    network.window(bob, 1000);
    assert_eq!(heard(&mut network, bob), "=12");
    network.settle();
    assert_eq!(heard(&mut network, bob), "345\na 1\n=6\n");
}

/// Publishes `count` lines of 1,000 bytes one after the other.
fn flood(network: &mut Network, client: Client, count: usize) {
    for n in 0..count {
        say(network, client, &format!("a {n:0>997}\n"));
    }
}

fn slow(policy: SlowConsumer) -> Network {
    let mut limits = Limits::default().idle(None).slow_consumer(policy);
    (limits.output_low, limits.output_high, limits.output_hard) = (1000, 2000, 10_000);
    Network::new(limits)
}

#[test]
fn a_slow_consumer_is_closed() {
    let mut network = slow(SlowConsumer::Close);
    let [ann, bob, cid] = members(&mut network, "+a\n");
    network.window(cid, 0);
    flood(&mut network, ann, 50);
    assert_eq!(network.connections(), 2);
    assert_eq!(network.received(bob).len(), 50_000 + "a bye\n".len());
}

#[test]
fn a_slow_consumer_misses_the_newest() {
    let mut network = slow(SlowConsumer::DropNewest);
    let [ann, bob, cid] = members(&mut network, "+a\n");
    network.window(cid, 500);
    flood(&mut network, ann, 50);
    assert_eq!(network.received(bob).len(), 50_000);
    network.window(cid, usize::MAX);
    let got = hear_out(&mut network, cid);
    let numbers: Vec<u32> = got.lines().map(|line| line[2..].parse().unwrap()).collect();
    assert_eq!(numbers, (0..11).collect::<Vec<_>>());
    flood(&mut network, ann, 1);
    assert_eq!(network.received(cid).len(), 1000);
}

#[test]
fn a_slow_consumer_loses_the_oldest() {
    let mut network = slow(SlowConsumer::DropOldest);
    let [ann, bob, cid] = members(&mut network, "+a\n");
    network.window(cid, 500);
    flood(&mut network, ann, 50);
    assert_eq!(network.received(bob).len(), 50_000);
    network.window(cid, usize::MAX);
    let got = hear_out(&mut network, cid);
    let numbers: Vec<u32> = got.lines().map(|line| line[2..].parse().unwrap()).collect();
    // The first one was already being sent.
    assert_eq!(numbers[0], 0);
    assert_eq!(numbers[numbers.len() - 1], 49);
    assert!(numbers.len() <= 12 && numbers.is_sorted(), "{numbers:?}");
}

#[test]
fn the_policy_applies_to_a_member_that_leaves_as_well() {
    let mut network = slow(SlowConsumer::DropNewest);
    let [ann, cid] = members(&mut network, "+a\n");
    network.window(cid, 0);
    flood(&mut network, ann, 20);
    // A message, and leaving the topic, in one turn: the member must get the message, and has no
    // room.
    network.send(ann, b"a late\n");
    network.send(cid, b"-a\n");
    network.settle();
    assert_eq!(network.connections(), 2);
    network.window(cid, usize::MAX);
    assert!(!hear_out(&mut network, cid).contains("late"));
}

/// Leaves its topic at any note.
struct Leaver {
    drained: Arc<AtomicUsize>,
}

impl Handler for Leaver {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&Topic::new("a"));
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        cx.leave(&Topic::new("a"));
    }

    fn on_drain(&mut self, _: &mut Context<'_>) {
        self.drained.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_member_that_leaves_gets_the_newest_when_the_oldest_is_dropped() {
    let mut network = slow(SlowConsumer::DropOldest);
    let drained = Arc::new(AtomicUsize::new(0));
    let cid = network.connect(Leaver { drained: Arc::clone(&drained) });
    network.window(cid, 0);
    network.settle();
    let topic = Topic::new("a");
    network.publish(&topic, [1; 12_000]);
    network.settle();
    // One turn: the short message replaces the long one, and the socket is still full.
    network.publish(&topic, [2; 100]);
    network.notify(cid, ());
    network.settle();
    // Only output of the own handler counts for `on_drain`.
    assert_eq!(drained.load(Ordering::Relaxed), 0);
    network.window(cid, usize::MAX);
    assert_eq!(hear_out(&mut network, cid).into_bytes(), [2; 100]);
}

#[test]
fn a_large_room_does_not_hold_up_the_turn() {
    let mut network = network();
    let [ann] = members(&mut network, "+a\n");
    let crowd: Vec<Client> = (0..10_000).map(|_| network.connect(Member::default())).collect();
    for client in &crowd {
        network.send(*client, b"+a\n");
    }
    network.settle();
    let [other] = members(&mut network, "=\n");
    heard(&mut network, other);
    network.send(ann, b"a 1\n");
    network.turn();
    let served = |network: &Network| crowd.iter().filter(|c| network.calls(**c).1 > 0).count();
    assert!((1..10_000).contains(&served(&network)), "{}", served(&network));
    // In the middle of the pass: another client is served, and members before and after the current
    // position leave.
    network.send(other, b"=x\n");
    for at in [0, 1, 9_998, 9_999, 5_000] {
        network.send(crowd[at], b"-a\n");
    }
    network.turn();
    assert_eq!(heard(&mut network, other), "=x\n");
    assert!(served(&network) < 10_000);
    say(&mut network, ann, "a 2\n");
    for (at, client) in crowd.iter().enumerate() {
        let want = if [0, 1, 9_998, 9_999, 5_000].contains(&at) { "a 1\n" } else { "a 1\na 2\n" };
        assert_eq!(heard(&mut network, *client), want, "member {at}");
    }
}

#[test]
fn a_publisher_is_throttled_until_a_large_room_has_been_served() {
    let mut network = network();
    let [ann] = members(&mut network, "+a\n");
    let crowd: Vec<Client> = (0..100).map(|_| network.connect(Member::default())).collect();
    for client in &crowd {
        network.send(*client, b"+a\n");
    }
    network.settle();
    let line = format!("a {}\n", "x".repeat(9_997));
    for _ in 0..400 {
        network.send(ann, line.as_bytes());
    }
    let mut arrived = vec![0; crowd.len()];
    let mut unread = network.unread(ann);
    while unread > 0 {
        network.turn();
        unread = network.unread(ann);
        for (arrived, client) in arrived.iter_mut().zip(&crowd) {
            *arrived += network.received(*client).len();
        }
        let kept = 4_000_000 - unread - arrived.iter().min().unwrap();
        assert!(kept < 2 * 1024 * 1024, "{kept} bytes are read and not delivered");
    }
    network.settle();
    for (arrived, client) in arrived.iter().zip(crowd) {
        assert_eq!(arrived + network.received(client).len(), 4_000_000);
    }
}

#[test]
fn random_members_get_the_messages_of_the_model() {
    seeds(0..300, run_model);
}

/// Random clients join, leave, publish, stall and vanish, several in one turn. Each must get the
/// messages of others published while it was a member, in the order of each topic.
fn run_model(seed: u64) {
    let mut random = Random::new(seed);
    let mut network = network();
    let count = 2 + random.below(12);
    let clients: Vec<Client> = (0..count).map(|_| network.connect(Member::default())).collect();
    let mut joined: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); count];
    let mut want: Vec<BTreeMap<String, String>> = vec![BTreeMap::new(); count];
    let mut gone = vec![false; count];
    for n in 0..100 {
        // Idle connections are pumped in the order of their events.
        network.settle();
        for at in 0..count {
            let topic = random.below(3);
            if gone[at] || random.below(3) > 0 {
                continue;
            }
            let line = match random.below(20) {
                0..=3 => {
                    joined[at].insert(topic);
                    format!("+{topic}\n")
                }
                4 => {
                    joined[at].remove(&topic);
                    format!("-{topic}\n")
                }
                5 => {
                    network.window(clients[at], random.below(20));
                    continue;
                }
                6 => {
                    network.window(clients[at], usize::MAX);
                    network.grain(clients[at], 1 + random.below(30));
                    continue;
                }
                7 if n > 80 => {
                    gone[at] = true;
                    joined[at].clear();
                    "-0\n-1\n-2\n+gone\n.\n".to_owned()
                }
                _ => {
                    let line = format!("{topic} {n} by {at}\n");
                    for other in (0..count).filter(|other| *other != at) {
                        if joined[other].contains(&topic) {
                            *want[other].entry(topic.to_string()).or_default() += &line;
                        }
                    }
                    line
                }
            };
            network.send(clients[at], line.as_bytes());
        }
        network.turn();
    }
    for at in (0..count).filter(|at| !gone[*at]) {
        network.window(clients[at], usize::MAX);
        let mut got: BTreeMap<String, String> = BTreeMap::new();
        for line in hear_out(&mut network, clients[at]).split_inclusive('\n') {
            let topic = line.split(' ').next().unwrap();
            *got.entry(topic.to_owned()).or_default() += line;
        }
        assert_eq!(got, want[at], "seed {seed}, client {at}");
    }
}

/// Reads all output of a client, present and future.
fn hear_out(network: &mut Network, client: Client) -> String {
    let mut all = heard(network, client);
    loop {
        network.settle();
        match heard(network, client) {
            more if more.is_empty() => return all,
            more => all += &more,
        }
    }
}
