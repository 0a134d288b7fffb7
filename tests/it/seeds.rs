//! Whatever clients do, in whatever order: everybody gets the right bytes, and everybody goes.

use std::time::Duration;

use socketserver::testkit::{Client, Network, Random, seeds};
use socketserver::{Close, Context, Handler, Limits};

use crate::handlers::{Log, Probe};

/// Messages are a length in two bytes and so much text, and are answered backwards. An empty
/// one ends the connection. Now and then it takes a rest.
struct Backwards {
    random: Random,
}

impl Handler for Backwards {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut used = 0;
        while let Some((head, rest)) = input[used..].split_at_checked(2) {
            let len = usize::from(u16::from_be_bytes([head[0], head[1]]));
            let Some(text) = rest.get(..len) else { break };
            if cx.is_done() {
                break;
            }
            cx.out().extend(text.iter().rev());
            used += 2 + len;
            if len == 0 {
                cx.write(b"bye");
                cx.close(Close::Done);
            } else if self.random.one_in(20) {
                cx.pause();
                cx.wake_after(Duration::from_millis(self.random.below(50) as u64));
            }
        }
        Ok(used)
    }

    fn on_wake(&mut self, cx: &mut Context<'_>) {
        cx.resume();
    }
}

/// The model: what a client has yet to send, what must come back, and what has.
struct Person {
    client: Client,
    to_send: Vec<u8>,
    expected: Vec<u8>,
    came: Vec<u8>,
    shut: bool,
    reset: bool,
}

impl Person {
    fn arrive(network: &mut Network, random: &mut Random) -> Person {
        let handler = Backwards { random: Random::new(random.below(1 << 30) as u64) };
        let client = network.connect(handler);
        if random.one_in(2) {
            network.grain(client, 1 + random.below(300));
        }
        if random.one_in(2) {
            network.window(client, 1 + random.below(500));
        }
        let (mut to_send, mut expected, mut quit) = (Vec::new(), Vec::new(), false);
        for _ in 0..random.below(30) {
            let len = if random.one_in(40) { 0 } else { 1 + random.below(400) };
            let text: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
            to_send.extend((len as u16).to_be_bytes());
            to_send.extend(&text);
            if !quit {
                expected.extend(text.iter().rev());
                quit = len == 0;
                expected.extend(if quit { &b"bye"[..] } else { b"" });
            }
        }
        if random.one_in(5) {
            // A message of which the end never comes.
            to_send.extend([3, 0, 1]);
        }
        Person { client, to_send, expected, came: Vec::new(), shut: false, reset: false }
    }

    fn act(&mut self, network: &mut Network, random: &mut Random) {
        if self.reset {
            return;
        }
        match random.below(12) {
            0..=4 => self.send(network, random.below(300)),
            5..=7 => self.receive(network),
            8 | 9 => network.spurious(self.client),
            10 if self.to_send.is_empty() && random.one_in(4) => self.shut(network),
            11 if random.one_in(30) => {
                network.reset(self.client);
                self.reset = true;
            }
            _ => {}
        }
    }

    fn send(&mut self, network: &mut Network, len: usize) {
        let len = len.min(self.to_send.len());
        let part: Vec<u8> = self.to_send.drain(..len).collect();
        if len > 0 {
            network.send(self.client, &part);
        }
    }

    fn receive(&mut self, network: &mut Network) {
        self.came.extend(network.received(self.client));
        assert!(self.expected.starts_with(&self.came), "wrong bytes");
    }

    fn shut(&mut self, network: &mut Network) {
        if !self.shut {
            network.shut(self.client);
            self.shut = true;
        }
    }
}

/// Every other seed runs its handlers on workers.
pub(crate) fn in_turn(seed: u64, limits: Limits) -> Network {
    match seed % 2 {
        0 => Network::new(limits),
        _ => Network::with_workers(limits),
    }
}

fn run(seed: u64) {
    let mut random = Random::new(seed + 1);
    let low = random.below(300);
    let high = low + 1 + random.below(300);
    let limits = Limits {
        read_budget: 1 + random.below(2000),
        pending_input: 1000,
        output_low: low,
        output_high: high,
        output_hard: high + random.below(300),
        ..Limits::default()
    };
    let mut network = in_turn(seed, limits);
    let mut people = Vec::new();
    for _ in 0..400 {
        if people.len() < 12 && random.one_in(8) {
            people.push(Person::arrive(&mut network, &mut random));
        }
        if !people.is_empty() {
            let who = random.below(people.len());
            people[who].act(&mut network, &mut random);
        }
        match random.below(4) {
            0 => network.advance(Duration::from_millis(random.below(40) as u64)),
            1 | 2 => network.turn(),
            _ => {}
        }
    }
    // All who are left say the rest, take the rest, and go.
    for _ in 0..10_000 {
        for person in people.iter_mut().filter(|person| !person.reset) {
            person.send(&mut network, 500);
            if person.to_send.is_empty() {
                person.shut(&mut network);
            }
            person.receive(&mut network);
        }
        network.advance(Duration::from_millis(5));
        if network.connections() == 0 {
            break;
        }
    }
    for person in people.iter_mut().filter(|person| !person.reset) {
        person.receive(&mut network);
        assert!(person.came == person.expected, "bytes are missing");
    }
    assert_eq!(network.connections(), 0, "somebody is still there");
}

#[test]
fn everybody_gets_the_right_bytes_whatever_the_others_do() {
    seeds(0..200, run);
}

#[test]
fn on_close_is_told_exactly_once_whatever_happens() {
    seeds(0..200, |seed| {
        let mut random = Random::new(seed);
        let mut network = Network::new(crate::handlers::tight());
        let mut logs = Vec::new();
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..100 {
            match (random.below(8), clients.len()) {
                (0 | 1, _) | (_, 0) => {
                    let log = Log::default();
                    let to = clients.last().map(|client| network.id(*client));
                    clients.push(network.connect(Probe::new(&log).eof(|_| {}).data(
                        move |input, cx| {
                            if let Some(to) = to {
                                cx.send(to, &*input);
                            }
                            cx.write(&[0; 150]);
                            Ok(input.len() / 2)
                        },
                    )));
                    logs.push(log);
                }
                (what, len) => {
                    let client = clients[random.below(len)];
                    match what {
                        2 | 3 => network.send(client, &[1; 400]),
                        4 => network.reset(client),
                        5 => network.shut(client),
                        6 => network.window(client, random.below(300)),
                        _ => network.turn(),
                    }
                }
            }
        }
        for client in clients {
            network.reset(client);
        }
        network.settle();
        assert_eq!(network.connections(), 0);
        assert!(logs.iter().all(|log| log.closes().len() == 1));
    });
}
