//! Outgoing connections, in simulations: slow and failing lookups, silent destinations, attempts
//! that time out. Each handler reaches the destination that it asked for.

use std::io;
use std::time::Duration;

use socketserver::testkit::{Action, Random, Script, Simulation, seeds};
use socketserver::{Close, Context, Destination, Handler, Limits};

/// Names of hosts; and of addresses that need no lookup.
const PLACES: usize = 6;

fn place(number: usize) -> Destination {
    let text = match number % 2 {
        0 => format!("host-{number}:80"),
        _ => format!("203.0.113.{number}:80"),
    };
    text.parse().expect("a destination")
}

/// Connects to a place for each byte, which is its number.
struct Exchange;

impl Handler for Exchange {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for byte in &*input {
            let to = place(usize::from(*byte));
            cx.connect(to.clone(), Line { to: to.to_string() });
        }
        cx.write(input);
        Ok(input.len())
    }
}

/// Sends the number of its place, and ends when the other side does.
struct Line {
    to: String,
}

impl Handler for Line {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(self.to.as_bytes());
        cx.write(b"\n");
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        if input.contains(&b'.') {
            cx.close(Close::Done);
        }
        Ok(input.len())
    }

    fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "that is for the moment only");
    }
}

/// Requests some connections.
struct Caller {
    left: usize,
    sent: Vec<u8>,
    came: usize,
}

impl Script for Caller {
    fn next(&mut self, random: &mut Random) -> Action {
        match self.left {
            0 => return Action::Wait,
            _ => self.left -= 1,
        }
        let numbers: Vec<u8> = (0..random.below(3)).map(|_| random.below(PLACES) as u8).collect();
        self.sent.extend(&numbers);
        Action::Send(numbers)
    }

    fn received(&mut self, bytes: &[u8]) {
        assert!(self.sent[self.came..].starts_with(bytes));
        self.came += bytes.len();
    }
}

/// The far end of a connection to a place.
struct FarEnd {
    to: String,
    came: Vec<u8>,
    has_answered: bool,
}

impl Script for FarEnd {
    fn next(&mut self, random: &mut Random) -> Action {
        match self.came.ends_with(b"\n") && !self.has_answered && random.one_in(2) {
            true => {
                self.has_answered = true;
                Action::Send(b".".to_vec())
            }
            false => Action::Wait,
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.came.extend(bytes);
        let wanted = format!("{}\n", self.to);
        assert!(wanted.as_bytes().starts_with(&self.came), "{}: another was wanted", self.to);
    }
}

#[test]
fn a_handler_reaches_the_place_that_it_asked_for_or_gets_an_error() {
    seeds(0..300, |seed| {
        let mut random = Random::new(!seed);
        let limits = Limits::default()
            .connections(2 + random.below(12))
            .connect(
                (!random.one_in(4)).then(|| Duration::from_millis(1 + random.below(3000) as u64)),
            )
            .accept_burst(1 + random.below(3));
        let caller =
            |random: &mut Random| Caller { left: 1 + random.below(6), sent: Vec::new(), came: 0 };
        let far_end = |to: &Destination, random: &mut Random| {
            let (to, came) = (to.to_string(), Vec::new());
            (!random.one_in(3)).then_some(FarEnd { to, came, has_answered: false })
        };
        Simulation::new(seed).limits(limits).remotes(far_end).run(|_| Exchange, caller);
    });
}
