//! Throttled senders and slow consumers: no sender is throttled for ever or released too early, and
//! none is closed for the output of others.

use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Id, Limits, Notification, SlowConsumer, Topic};

/// Forwards its input to all the others, and their end as well. A `!` in it is an error.
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
    let mut limits = Limits::default().idle(None).first_byte(None);
    (limits.output_low, limits.output_high, limits.output_hard) = (500, 1000, 10_000);
    limits
}

#[test]
fn forwarding_to_two_goes_at_the_pace_of_the_slower() {
    let mut network = Network::new(limits());
    let [fast, slow] = [(); 2].map(|()| network.connect(Tee(Vec::new())));
    let sender = network.connect(Tee([slow, fast].map(|to| network.id(to)).into()));
    network.window(slow, 0);
    network.window(fast, 100);
    for _ in 0..100 {
        network.send(sender, &[b'x'; 2000]);
        network.settle();
        // The fast one reads everything.
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
fn a_lingering_connection_is_not_throttled() {
    let mut network = Network::new(limits());
    let slow = network.connect(Tee(Vec::new()));
    network.window(slow, 0);
    let sender = network.connect(Tee(vec![network.id(slow)]));
    network.send(sender, &[b'x'; 2000]);
    network.send(sender, b"!");
    network.settle();
    assert!(network.is_closed(sender));
    network.advance(Duration::from_secs(7)); // Limits::linger is 5
    assert_eq!(network.connections(), 1, "it lingers for ever");
}

/// A member of topics. It publishes the line `T text` to T.
struct Member(Vec<Topic>);

impl Handler for Member {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        for topic in &self.0 {
            cx.join(topic);
        }
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            cx.publish(&Topic::new(std::str::from_utf8(&line[..1]).unwrap()), line);
        }
        Ok(input.len())
    }

    /// Publishes although its input is not read.
    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        for topic in &self.0 {
            cx.publish(topic, *b"note\n");
        }
    }

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        for topic in &self.0 {
            cx.publish(topic, *b"bye\n");
        }
    }
}

fn member(network: &mut Network, topics: &[&str]) -> Client {
    let topics = topics.iter().map(|name| Topic::new(name)).collect();
    let client = network.connect(Member(topics));
    network.settle();
    client
}

/// Sends lines of 1,000 bytes, all at once.
fn flood(network: &mut Network, from: Client, topic: &str, count: usize) {
    for _ in 0..count {
        network.send(from, format!("{topic} {}\n", "x".repeat(997)).as_bytes());
    }
}

#[test]
fn a_member_of_two_topics_is_not_slow_before_its_socket_is() {
    for slow_consumer in [SlowConsumer::Close, SlowConsumer::DropNewest, SlowConsumer::DropOldest] {
        let mut network = Network::new(limits().slow_consumer(slow_consumer));
        let both = member(&mut network, &["a", "b"]);
        let author = member(&mut network, &[]);
        flood(&mut network, author, "a", 20);
        flood(&mut network, author, "b", 20);
        network.settle();
        assert_eq!(network.received(both).len(), 40_000, "{slow_consumer:?}");
    }
}

#[test]
fn a_member_of_two_topics_ends_once() {
    let mut network = Network::new(limits());
    let both = member(&mut network, &["a", "b"]);
    let other = member(&mut network, &["a"]);
    let author = member(&mut network, &[]);
    network.window(both, 0);
    flood(&mut network, author, "a", 20);
    flood(&mut network, author, "b", 20);
    network.settle();
    assert_eq!(network.connections(), 2);
    assert_eq!(network.received(other).len(), 20_000 + "bye\n".len());
}

#[test]
fn its_own_messages_do_not_make_a_member_slow() {
    for slow_consumer in [SlowConsumer::Close, SlowConsumer::DropOldest] {
        let mut network = Network::new(limits().slow_consumer(slow_consumer));
        let ann = member(&mut network, &["a"]);
        let bob = member(&mut network, &["a"]);
        network.window(ann, 0);
        flood(&mut network, bob, "a", 20);
        network.settle();
        network.notify(ann, ());
        network.settle();
        assert_eq!(network.received(bob), b"note\n");
        assert_eq!(network.connections(), 2, "{slow_consumer:?}");
        network.window(ann, usize::MAX);
        network.received(ann);
        network.settle();
        assert_eq!(network.received(ann).len(), 20_000, "{slow_consumer:?}");
    }
}
