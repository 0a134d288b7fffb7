//! Topics whose messages go to the handler of a member rather than to its peer.

use std::sync::{Arc, Mutex};

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Limits, Notification, SlowConsumer, Topic};

use crate::support::handlers::patient;

fn topic(name: &str) -> Topic {
    Topic::new(name)
}

/// The input is a list of commands: `s` subscribes to `t`, `j` joins it, `l` leaves it, and
/// any other byte is published there. Messages that reach the handler are written in brackets.
struct Member;

impl Handler for Member {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for byte in &*input {
            match byte {
                b's' => cx.subscribe(&topic("t")),
                b'j' => cx.join(&topic("t")),
                b'l' => cx.leave(&topic("t")),
                byte => cx.publish(&topic("t"), [*byte]),
            }
        }
        Ok(input.len())
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        if let Notification::Published(from, message) = notification {
            assert_eq!(from, topic("t"));
            write!(cx, "[{}]", message.escape_ascii());
        }
    }
}

fn say(network: &mut Network, client: Client, commands: &[u8]) {
    network.send(client, commands);
    network.settle();
}

#[test]
fn messages_reach_the_handler_one_by_one_in_order_and_not_its_own() {
    let networks = [
        Network::new(patient()),
        Network::with_workers(patient()),
        Network::with_reactors(patient(), 3),
    ];
    for mut network in networks {
        let [ann, bob, cid] = [(); 3].map(|()| network.connect(Member));
        say(&mut network, ann, b"s");
        say(&mut network, bob, b"j");
        say(&mut network, cid, b"123");
        say(&mut network, ann, b"45");
        assert_eq!(network.received(ann), b"[1][2][3]");
        assert_eq!(network.received(bob), b"12345");
    }
}

#[test]
fn the_later_of_join_and_subscribe_decides_and_leave_ends_both() {
    let mut network = Network::new(patient());
    let [ann, bob] = [(); 2].map(|()| network.connect(Member));
    for (commands, expected) in [("j", "1"), ("s", "[1]"), ("j", "1"), ("s", "[1]"), ("l", "")] {
        say(&mut network, ann, commands.as_bytes());
        say(&mut network, bob, b"1");
        assert_eq!(network.received(ann), expected.as_bytes(), "after {commands}");
    }
}

#[test]
fn a_message_published_before_leave_still_arrives() {
    let mut network = Network::new(patient());
    let [ann, bob] = [(); 2].map(|()| network.connect(Member));
    say(&mut network, ann, b"s");
    // Both in one turn: the message first.
    network.send(bob, b"1");
    network.send(ann, b"l");
    network.settle();
    say(&mut network, bob, b"2");
    let received = network.received(ann);
    assert!(received == b"[1]" || received.is_empty(), "{received:?}");
}

/// Subscribes, and stays on a worker until the test releases it.
struct Slow(Arc<Mutex<()>>);

impl Handler for Slow {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.subscribe(&topic("t"));
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        drop(self.0.lock());
        Ok(input.len())
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        if let Notification::Published(_, message) = notification {
            cx.write(&message[..1]);
        }
    }
}

#[test]
fn a_handler_that_is_too_slow_meets_the_policy() {
    for policy in [SlowConsumer::Close, SlowConsumer::DropNewest, SlowConsumer::DropOldest] {
        let limits = Limits::default()
            .output_low(100)
            .output_high(1000)
            .output_hard(1000)
            .slow_consumer(policy);
        // Many messages in one turn: the handler is called in the next.
        let mut network = Network::new(limits);
        let slow = network.connect(Slow(Arc::default()));
        network.settle();
        for number in b'0'..=b'9' {
            network.publish(&topic("t"), [number; 300]);
        }
        network.settle();
        let expected: &[u8] = match policy {
            SlowConsumer::Close => b"",
            SlowConsumer::DropNewest => b"0123",
            _ => b"6789",
        };
        assert_eq!(network.received(slow), expected, "{policy:?}");
        assert_eq!(network.is_closed(slow), policy == SlowConsumer::Close, "{policy:?}");
        let closed = network.metrics().closed(&Close::SlowConsumer);
        assert_eq!(closed, u64::from(policy == SlowConsumer::Close));
    }
}
