//! Whatever clients of packets do, in whatever order: no packet is joined to another, and none is lost.

use std::time::Duration;

use socketserver::testkit::{Client, Network, Random, seeds};
use socketserver::{Close, Context, Handler, Limits, Topic};

use super::handlers::patient;

/// Writes the lines of a packet back and publishes them, in upper case, to the others. Now and then
/// it takes a rest in the middle.
struct Member(Random);

impl Handler for Member {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&Topic::new("all"));
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut used = 0;
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            if cx.is_done() {
                break;
            }
            cx.write(line);
            used += line.len();
            if self.0.one_in(10) {
                cx.pause();
                cx.wake_after(Duration::from_millis(self.0.below(20) as u64));
                break;
            }
        }
        cx.publish(&Topic::new("all"), input[..used].to_ascii_uppercase());
        Ok(used)
    }

    fn on_wake(&mut self, cx: &mut Context<'_>) {
        cx.resume();
    }
}

/// A client, the lines it has sent, and those that came back to it or were published.
struct Person {
    client: Client,
    sent: Vec<String>,
    back: Vec<String>,
    published: Vec<String>,
}

impl Person {
    fn arrive(network: &mut Network, random: &mut Random) -> Person {
        let client = network.connect(Member(Random::new(random.below(1 << 30) as u64)));
        network.packets(client, 100_000);
        network.window(client, 1 + random.below(300));
        Person { client, sent: Vec::new(), back: Vec::new(), published: Vec::new() }
    }

    /// One packet of a few lines `n:text`, all with the number of the packet.
    fn send(&mut self, network: &mut Network, n: usize, random: &mut Random) {
        let lines = 1 + random.below(6);
        let lines: Vec<String> =
            (0..lines).map(|at| format!("{n}:{at}x{}\n", "x".repeat(random.below(50)))).collect();
        network.send(self.client, lines.concat().as_bytes());
        self.sent.extend(lines);
    }

    fn take(&mut self, network: &mut Network) -> bool {
        let Some(packet) = network.received_packet(self.client) else { return false };
        let packet = String::from_utf8(packet).unwrap();
        let lines: Vec<&str> = packet.split_inclusive('\n').collect();
        let number = |line: &str| line.split_once(':').unwrap().0.to_owned();
        assert!(lines.iter().all(|line| number(line) == number(lines[0])), "joined: {packet}");
        let to = if packet.contains('x') { &mut self.back } else { &mut self.published };
        to.extend(lines.into_iter().map(str::to_lowercase));
        true
    }
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let (output_low, output_high) = (700, 700 + random.below(3000));
    let read_budget = 1 + random.below(20_000);
    let limits = Limits { read_budget, output_low, output_high, output_hard: 1 << 30, ..patient() };
    let mut network = Network::new(limits);
    let mut people = [(); 2].map(|()| Person::arrive(&mut network, &mut random));
    network.settle();
    for n in 0..300 {
        let at = random.below(2);
        match random.below(6) {
            0..=1 => people[at].send(&mut network, n, &mut random),
            2 => network.turn(),
            3 => network.advance(Duration::from_millis(random.below(30) as u64)),
            4 => network.spurious(people[at].client),
            _ => {
                people[at].take(&mut network);
            }
        }
    }
    loop {
        network.advance(Duration::from_millis(25));
        let [ann, bob] = &mut people;
        if !ann.take(&mut network) & !bob.take(&mut network) {
            break;
        }
    }
    let [ann, bob] = people;
    assert!(ann.back == ann.sent && bob.back == bob.sent);
    assert!(ann.published == bob.sent && bob.published == ann.sent);
}

#[test]
fn no_seed_loses_or_joins_packets() {
    seeds(0..200, run);
}
