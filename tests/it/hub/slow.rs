//! Slow consumers: output from others, the hard limit, and its consequences.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Id};

use crate::hub::network::take_all;
use crate::support::handlers::{Log, Probe, Told, pattern, relay, tight};

/// A client that reads nothing, with its log, and a second one whose input is forwarded to it.
fn slow_and_relay(network: &mut Network) -> (Client, Log, Client) {
    let log = Log::default();
    let slow = network.connect(Probe::new(&log));
    network.window(slow, 0);
    let relay = network.connect(relay(network.id(slow)));
    network.settle();
    (slow, log, relay)
}

#[test]
fn a_client_that_reads_nothing_is_closed_above_the_hard_limit() {
    let mut network = Network::new(tight());
    let (slow, log, relay) = slow_and_relay(&mut network);
    for (more, closed) in [(1000, false), (1, false), (1, true), (1, true)] {
        network.send(relay, &vec![0; more]);
        network.settle();
        assert_eq!(!log.closes().is_empty(), closed);
    }
    assert_eq!(log.closes(), [Close::SlowConsumer]);
    assert!(network.is_closed(slow) && !network.is_closed(relay));
    assert_eq!(network.connections(), 1);
}

#[test]
fn output_from_others_does_not_pause_the_input() {
    let mut network = Network::new(tight());
    let (slow, log, relay) = slow_and_relay(&mut network);
    network.send(relay, &[0; 250]);
    network.settle();
    network.send(slow, b"not now");
    network.settle();
    assert_eq!(network.unread(slow), 0);
    network.window(slow, usize::MAX);
    let mut came = network.received(slow).len();
    network.settle();
    came += network.received(slow).len();
    assert_eq!(came, 250);
    assert_eq!(log.count(&Told::Drain), 0, "its own output was never above the watermark");
}

#[test]
fn a_handler_that_goes_on_writing_above_the_hard_limit_is_closed() {
    let log = Log::default();
    let mut network = Network::new(tight());
    let tick = |cx: &mut Context<'_>| {
        cx.write(&[0; 600]);
        cx.set_timer(0, Duration::from_secs(1));
    };
    let client = network.connect(Probe::new(&log).open(tick).wake(tick));
    network.window(client, 0);
    network.advance(Duration::from_secs(1));
    assert!(log.closes().is_empty());
    network.advance(Duration::from_secs(1));
    assert_eq!(log.closes(), [Close::SlowConsumer]);
}

#[test]
fn one_write_of_any_size_passes() {
    let mut network = Network::new(tight());
    let big = pattern(100_000);
    let (body, log) = (big.clone(), Log::default());
    let client = network.connect(Probe::new(&log).open(move |cx| cx.write(&body)));
    network.window(client, 999);
    assert!(take_all(&mut network, client) == big);
    assert!(log.closes().is_empty());
}

#[test]
fn a_client_that_reads_is_not_a_slow_consumer_however_much_comes_in_one_turn() {
    let log = Log::default();
    let mut network = Network::new(tight());
    let fast = network.connect(Probe::new(&log));
    network.settle();
    let to = network.id(fast);
    let relay = network.connect(Probe::new(&Log::default()).data(move |input, cx| {
        for byte in &*input {
            cx.send(to, vec![*byte; 600]);
        }
        Ok(input.len())
    }));
    network.send(relay, b"abcd");
    network.settle();
    assert_eq!(log.closes(), [] as [Close; 0]);
    assert_eq!(network.received(fast).len(), 2400);
}

/// The approximate address of the top of the stack.
fn stack_height() -> usize {
    let here = 0;
    std::ptr::from_ref(&here) as usize
}

#[test]
fn a_chain_of_slow_consumers_does_not_overflow_the_stack() {
    const MANY: usize = 300;
    let ids: Arc<Mutex<Vec<Id>>> = Arc::default();
    let heights: Arc<Mutex<Vec<usize>>> = Arc::default();
    let mut network = Network::new(tight());
    for n in 0..MANY {
        let (names, heights) = (Arc::clone(&ids), Arc::clone(&heights));
        let push_next = move |cx: &mut Context<'_>| {
            heights.lock().unwrap().push(stack_height());
            if let Some(next) = names.lock().unwrap().get(n + 1) {
                cx.send(*next, *b"he has gone");
            }
        };
        let handler = Probe::new(&Log::default()).open(|cx| cx.write(&[0; 1001]));
        let client = network.connect(handler.close(push_next));
        network.window(client, 0);
        ids.lock().unwrap().push(network.id(client));
    }
    let first = ids.lock().unwrap()[0];
    let relay = network.connect(relay(first));
    network.settle();
    network.send(relay, b"push");
    network.settle();
    assert_eq!(network.connections(), 1);
    let heights = heights.lock().unwrap();
    assert_eq!(heights.len(), MANY);
    let deep = heights.iter().max().unwrap() - heights.iter().min().unwrap();
    assert!(deep < 20_000, "{deep} bytes of stack for {MANY} ends");
}
