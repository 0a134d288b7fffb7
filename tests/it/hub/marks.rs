//! The hard mark of the output, to the byte: a connection ends when more output comes while more than
//! this waits for a client that takes nothing.

use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Topic};

use crate::support::handlers::{Log, Probe, relay, tight};

/// The hard mark of [`tight`].
const HARD: usize = 1000;

/// A client that takes nothing, and whose handler writes what the test says.
fn stalled(network: &mut Network, log: &Log) -> Client {
    let handler = Probe::new(log).open(|cx| cx.join(&Topic::new("all")));
    let client = network.connect(handler);
    network.window(client, 0);
    network.settle();
    client
}

/// `queue` brings so many bytes to the client: the mark is reached, then passed, and that is enough.
fn ends_behind_the_mark(mut queue: impl FnMut(&mut Network, Client, usize)) {
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
fn output_that_others_send_ends_a_connection_behind_the_mark() {
    let mut sender = None;
    ends_behind_the_mark(|network, client, len| {
        let to = network.id(client);
        let sender = *sender.get_or_insert_with(|| network.connect(relay(to)));
        network.send(sender, &vec![1; len]);
    });
}

#[test]
fn output_that_is_published_ends_a_connection_behind_the_mark() {
    ends_behind_the_mark(|network, _, len| network.publish(&Topic::new("all"), &vec![1; len]));
}

#[test]
fn output_of_its_own_ends_a_connection_behind_the_mark() {
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
