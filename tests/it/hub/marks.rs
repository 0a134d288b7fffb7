//! The hard limit of the output, to the byte: a connection ends when output is added while more
//! than this is pending.

use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Topic};

use crate::support::handlers::{Log, Probe, relay, tight};

/// The hard limit of [`tight`].
const HARD: usize = 1000;

/// A client that reads nothing, and whose handler writes as the test tells.
fn stalled(network: &mut Network, log: &Log) -> Client {
    let handler = Probe::new(log).open(|cx| cx.join(&Topic::new("all")));
    let client = network.connect(handler);
    network.window(client, 0);
    network.settle();
    client
}

/// `queue` adds output of a given size for the client: up to the limit, then beyond it, which ends
/// it.
fn ends_above_the_hard_limit(mut queue: impl FnMut(&mut Network, Client, usize)) {
    let log = Log::default();
    let mut network = Network::new(tight());
    let client = stalled(&mut network, &log);
    for (len, closes) in [(HARD, vec![]), (1, vec![]), (1, vec![Close::SlowConsumer])] {
        queue(&mut network, client, len);
        network.settle();
        assert_eq!(log.closes(), closes);
        assert_eq!(network.is_reset(client), !closes.is_empty());
    }
}

#[test]
fn output_from_others_ends_a_connection_above_the_hard_limit() {
    let mut sender = None;
    ends_above_the_hard_limit(|network, client, len| {
        let to = network.id(client);
        let sender = *sender.get_or_insert_with(|| network.connect(relay(to)));
        network.send(sender, &vec![1; len]);
    });
}

#[test]
fn published_output_ends_a_connection_above_the_hard_limit() {
    ends_above_the_hard_limit(|network, _, len| network.publish(&Topic::new("all"), vec![1; len]));
}

#[test]
fn its_own_output_ends_a_connection_above_the_hard_limit() {
    const SECOND: Duration = Duration::from_secs(1);
    let log = Log::default();
    let mut network = Network::new(tight());
    let handler = Probe::new(&log).open(|cx| {
        cx.write(&[1; HARD]);
        cx.set_timer(0, SECOND);
    });
    let client = network.connect(handler.wake(|cx| {
        cx.write(b"1");
        cx.set_timer(0, SECOND);
    }));
    network.window(client, 0);
    network.settle();
    network.advance(SECOND);
    assert!(log.closes().is_empty());
    network.advance(SECOND);
    assert_eq!(log.closes(), [Close::SlowConsumer]);
    assert!(network.is_reset(client));
}
