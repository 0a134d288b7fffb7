//! The simulation of a handler of messages: it answers each, in order, pauses in between, and
//! continues when its output has drained.

use std::time::Duration;

use socketserver::testkit::{Random, Simulation, seeds};
use socketserver::{Close, Context, Handler, Limits, Mode};

use crate::sim::echo::{Talker, bytes};
use crate::support::handlers::Lines;

/// A message is a length in two bytes and a text, and is answered by the reversed text. An empty
/// one closes the connection, one of 7 bytes is answered a thousand times. The handler pauses now
/// and then.
struct Backwards {
    random: Random,
    /// The text still to write, and how many times.
    rest: (Vec<u8>, usize),
}

const TIMES: usize = 1000;
/// The longest message that fits: all but one of its bytes may stay unused.
const PENDING: usize = 700;

impl Backwards {
    fn go_on(&mut self, cx: &mut Context<'_>) {
        while self.rest.1 > 0 && !cx.is_done() {
            cx.write(&self.rest.0);
            self.rest.1 -= 1;
        }
    }
}

/// The keys of its timers.
const RESUME: u64 = 1;
const TICK: u64 = 2;

impl Handler for Backwards {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut used = 0;
        while let Some((head, rest)) = input[used..].split_at_checked(2) {
            let len = usize::from(u16::from_be_bytes([head[0], head[1]]));
            let Some(text) = rest.get(..len) else { break };
            self.go_on(cx);
            if cx.is_done() || self.rest.1 > 0 {
                break;
            }
            used += 2 + len;
            self.rest = (text.iter().rev().copied().collect(), if len == 7 { TIMES } else { 1 });
            self.go_on(cx);
            if len == 0 {
                cx.write(b"bye");
                cx.close(Close::Done);
            } else if self.random.one_in(20) {
                cx.pause();
                cx.set_timer(RESUME, Duration::from_millis(self.random.below(50) as u64));
            } else if self.random.one_in(30) {
                cx.set_interval(TICK, Duration::from_millis(self.random.below(20) as u64));
            }
        }
        Ok(used)
    }

    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        match key {
            RESUME => cx.resume(),
            _ if self.random.one_in(3) => cx.cancel_timer(key),
            _ => {}
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.go_on(cx);
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        // Writes all of the rest, even above the watermark: after the close there is no drain.
        while self.rest.1 > 0 {
            cx.write(&self.rest.0);
            self.rest.1 -= 1;
        }
        cx.close(Close::Eof);
    }
}

fn talker(random: &mut Random) -> Talker {
    let (mut to_say, mut expected, mut quit) = (Vec::new(), Vec::new(), false);
    for _ in 0..random.below(16) {
        let len = match random.below(16) {
            0 => PENDING + 1 - 2,
            1 => PENDING - 2,
            2 if random.one_in(4) => 0,
            3 if random.one_in(4) => 7,
            _ => 8 + random.below(200),
        };
        let text = bytes(random, len);
        let times = if len == 7 { TIMES } else { 1 };
        if !quit {
            for _ in 0..times {
                expected.extend(text.iter().rev());
            }
            quit = len == 0;
            expected.extend(if quit { &b"bye"[..] } else { b"" });
        }
        to_say.push([&(len as u16).to_be_bytes()[..], &text].concat());
    }
    Talker::new(to_say, expected)
}

#[test]
fn each_message_is_answered_once_and_in_order() {
    seeds(0..400, |seed| {
        let mut random = Random::new(seed ^ 0xf00d);
        let output_low = random.below(300);
        let output_high = output_low + 1 + random.below(300);
        let limits = Limits::default()
            .connections(1 + random.below(6))
            .read_budget(1 + random.below(2000))
            .pending_input(PENDING)
            .output_low(output_low)
            .output_high(output_high);
        let service = move |_| Backwards {
            random: Random::new(random.below(1 << 30) as u64),
            rest: (Vec::new(), 0),
        };
        Simulation::new(seed).limits(limits).run(service, talker);
    });
}

/// The handler on a worker sees the state of the output when it left. If some output has been sent
/// meanwhile, its connection must nevertheless know that it stopped.
#[test]
fn a_handler_that_stopped_at_a_full_output_continues_after_its_worker() {
    seeds(0..1600, |seed| {
        let limits = Limits::default().connections(3).output_low(40).output_high(80);
        let talker = |random: &mut Random| {
            let mut line = |_| format!("{}\n", "x".repeat(10 + random.below(30)));
            let lines: Vec<u8> = (0..40).flat_map(|n| line(n).into_bytes()).collect();
            let to_say = lines.chunks(300).map(<[u8]>::to_vec).collect();
            Talker::new(to_say, lines)
        };
        Simulation::new(seed).limits(limits).mode(Mode::Threads(1)).run(|_| Lines, talker);
    });
}
