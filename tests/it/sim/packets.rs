//! The simulation of handlers of packets: none is joined to another, none is cut, and each arrives
//! once and in order.

use std::time::Duration;

use socketserver::testkit::{Action, End, Random, Script, Simulation, Trace, seeds};
use socketserver::{Close, Context, Handler, Topic};

/// Sends the lines of a packet back, and publishes them to one of two topics, as A or B. Now and
/// then it pauses in the middle of a packet.
struct Member {
    random: Random,
    topics: [Topic; 2],
}

impl Member {
    fn new(number: u64) -> Member {
        let topics = [Topic::new("all"), Topic::new("some")];
        Member { random: Random::new(number), topics }
    }
}

impl Handler for Member {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&self.topics[0]);
        if self.random.one_in(2) {
            cx.join(&self.topics[1]);
        }
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut used = 0;
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            if cx.is_done() {
                break;
            }
            cx.write(line);
            used += line.len();
            if self.random.one_in(10) {
                cx.pause();
                cx.set_timer(0, Duration::from_millis(self.random.below(20) as u64));
                break;
            }
        }
        let at = usize::from(self.random.one_in(3));
        let text = |byte: &u8| if *byte == b'x' { [b'A', b'B'][at] } else { *byte };
        cx.publish(&self.topics[at], input[..used].iter().map(text).collect::<Vec<u8>>());
        Ok(used)
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        cx.resume();
    }
}

/// Sends some packets of lines `author.packet.line.x…`, and must receive each line once, in a
/// packet with lines of a single packet.
struct Caller {
    name: u64,
    packets: usize,
    /// The lines it has sent, and the number of them that came back.
    sent: Vec<String>,
    back: usize,
    /// The last line of each author in each topic: between topics there is no order.
    heard: Vec<(String, Vec<u32>)>,
}

impl Caller {
    fn new(random: &mut Random) -> Caller {
        let name = random.below(1 << 30) as u64;
        Caller { name, packets: random.below(8), sent: Vec::new(), back: 0, heard: Vec::new() }
    }

    fn hear(&mut self, author: &str, place: Vec<u32>) {
        match self.heard.iter_mut().find(|(name, _)| name == author) {
            Some((_, last)) => {
                assert!(*last < place, "{author} was heard twice or out of order: {place:?}");
                *last = place;
            }
            None => self.heard.push((author.to_owned(), place)),
        }
    }
}

impl Script for Caller {
    fn next(&mut self, random: &mut Random) -> Action {
        if random.one_in(100) {
            return Action::Reset;
        }
        if self.packets == 0 {
            let may_leave = self.back == self.sent.len() || random.one_in(16);
            return if may_leave { Action::Shut } else { Action::Wait };
        }
        self.packets -= 1;
        let (name, packet) = (self.name, self.packets);
        let count = 1 + random.below(6);
        let mut line = |at| {
            let text = "x".repeat(1 + random.below(50));
            format!("{name}.{}.{at}.{text}\n", 100 - packet)
        };
        let lines: Vec<String> = (0..count).map(&mut line).collect();
        self.sent.extend(lines.iter().cloned());
        Action::Send(lines.concat().into_bytes())
    }

    fn received(&mut self, bytes: &[u8]) {
        let packet = std::str::from_utf8(bytes).expect("whole packets");
        assert!(packet.ends_with('\n'), "a packet was cut: {packet:?}");
        let mut origin = None;
        for line in packet.lines() {
            let fields: Vec<&str> = line.split('.').collect();
            let [author, number, at, text] = fields[..] else { panic!("no line: {line:?}") };
            let own = (author, number);
            assert!(*origin.get_or_insert(own) == own, "two packets were joined: {packet:?}");
            if let Some(topic @ ("A" | "B")) = text.get(..1) {
                assert_ne!(author, self.name.to_string(), "its own is not published to it");
                self.hear(
                    &format!("{author} in {topic}"),
                    vec![number.parse().unwrap(), at.parse().unwrap()],
                );
            } else {
                assert_eq!(Some(format!("{line}\n")), self.sent.get(self.back).cloned());
                self.back += 1;
            }
        }
    }

    fn ended(&mut self, end: &End) {
        if let End::Whole(why) = end {
            assert_eq!(self.back, self.sent.len(), "packets are missing: {why}");
        }
    }
}

fn run(seed: u64) -> Trace {
    let mut number = seed;
    let service = move |_| {
        number += 1;
        Member::new(number)
    };
    Simulation::new(seed).packets().run(service, Caller::new)
}

#[test]
fn no_packet_is_cut_or_joined_or_lost() {
    seeds(0..1000, |seed| drop(run(seed)));
}
