//! Who is held for others: nobody for ever, nobody let go too early.

use std::time::Duration;

use socketserver::testkit::Network;
use socketserver::{Close, Context, Handler, Id, Limits};

/// Passes what comes to all the others, and says goodbye to them. A `!` in it is an error.
struct Tee(Vec<Id>);

impl Handler for Tee {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for other in &self.0 {
            cx.forward(*other, &*input);
        }
        match input.contains(&b'!') {
            true => Err(Close::Malformed { code: 0, why: "shouting" }),
            false => Ok(input.len()),
        }
    }

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        for other in &self.0 {
            cx.forward(*other, *b"bye");
        }
    }
}

fn limits() -> Limits {
    let mut limits = Limits { idle: None, first_byte: None, ..Limits::default() };
    (limits.output_low, limits.output_high, limits.output_hard) = (500, 1000, 10_000);
    limits
}

#[test]
fn who_forwards_to_two_goes_at_the_pace_of_the_slower() {
    let mut network = Network::new(limits());
    let [fast, slow] = [(); 2].map(|()| network.connect(Tee(Vec::new())));
    let sender = network.connect(Tee([slow, fast].map(|to| network.id(to)).into()));
    network.window(slow, 0);
    network.window(fast, 100);
    for _ in 0..100 {
        network.send(sender, &[b'x'; 2000]);
        network.settle();
        // The fast one takes all it can get.
        while !network.received(fast).is_empty() {
            network.settle();
        }
    }
    assert_eq!(network.unread(sender), 198_000, "read although somebody takes nothing");
    network.reset(slow);
    network.settle();
    while !network.received(fast).is_empty() {
        network.settle();
    }
    assert_eq!(network.unread(sender), 0, "the slow one has gone");
}

#[test]
fn who_lingers_is_not_held() {
    let mut network = Network::new(limits());
    let slow = network.connect(Tee(Vec::new()));
    network.window(slow, 0);
    let sender = network.connect(Tee(vec![network.id(slow)]));
    network.send(sender, &[b'x'; 2000]);
    network.send(sender, b"!");
    network.settle();
    assert!(network.is_closed(sender));
    network.advance(Duration::from_secs(5)); // Limits::linger is 2
    assert_eq!(network.connections(), 1, "it lingers for ever");
}
