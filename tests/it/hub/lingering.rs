//! Closing with unread input, which must not destroy the answer, and must not last.

use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Limits};

use crate::support::handlers::{Log, Probe, patient, relay};

/// A client whose handler used one byte and closed, with more input unread.
fn closed_with_unread_input(limits: Limits) -> (Network, Client, Log) {
    let log = Log::default();
    let mut network = Network::new(limits);
    let client = network.connect(Probe::new(&log).data(|_, cx| {
        cx.write(b"enough");
        cx.close(Close::Done);
        Ok(1)
    }));
    network.send(client, b"much too much");
    network.settle();
    assert_eq!(log.closes(), [Close::Done], "told at once");
    assert!(network.is_closed(client), "our side is shut");
    (network, client, log)
}

#[test]
fn closing_with_input_unread_lingers_until_the_client_closes() {
    let (mut network, client, log) = closed_with_unread_input(patient());
    network.send(client, &[0; 10_000]);
    network.settle();
    assert_eq!(network.unread(client), 0, "thrown away");
    assert_eq!(network.connections(), 1);
    assert_eq!(network.received(client), b"enough");
    network.shut(client);
    network.settle();
    assert!(!network.is_reset(client));
    assert_eq!(network.connections(), 0);
    assert_eq!(log.closes(), [Close::Done]);
}

#[test]
fn lingering_ends_after_its_time_whatever_the_client_sends() {
    let limits = patient().linger(Duration::from_secs(5));
    let (mut network, client, log) = closed_with_unread_input(limits);
    for _ in 0..49 {
        network.send(client, b"x");
        network.advance(Duration::from_millis(100));
    }
    assert_eq!(network.connections(), 1);
    network.advance(Duration::from_millis(1200));
    assert_eq!(network.connections(), 0);
    assert_eq!(log.closes(), [Close::Done]);
}

#[test]
fn lingering_ends_after_a_number_of_bytes() {
    let limits = patient().linger_bytes(1000);
    let (mut network, client, _) = closed_with_unread_input(limits);
    network.send(client, &[0; 999]);
    network.settle();
    assert_eq!(network.connections(), 1);
    network.send(client, &[0; 1]);
    network.settle();
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_reset_ends_lingering() {
    let (mut network, client, log) = closed_with_unread_input(patient());
    network.reset(client);
    network.settle();
    assert_eq!(network.connections(), 0);
    assert_eq!(log.closes(), [Close::Done]);
}

#[test]
fn closing_with_everything_read_does_not_linger() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log).data(|input, cx| {
        cx.close(Close::Done);
        Ok(input.len())
    }));
    network.send(client, b"bye");
    network.settle();
    assert_eq!(network.connections(), 0);
    assert!(!network.is_reset(client));
}

#[test]
fn nothing_is_sent_to_a_closing_connection() {
    let (mut network, client, _) = closed_with_unread_input(patient());
    let relay = network.connect(relay(network.id(client)));
    network.send(relay, b"psst");
    network.settle();
    assert_eq!(network.received(client), b"enough");
}

#[test]
fn a_client_that_broke_the_rules_is_given_time_to_read_the_answer() {
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&Log::default()).data(|input, cx| {
        cx.write(b"400 no");
        cx.close(Close::Malformed { code: 400, why: "no" });
        Ok(input.len())
    }));
    network.send(client, b"rubbish");
    network.settle();
    network.send(client, b"and more rubbish on its way");
    network.settle();
    assert_eq!(network.connections(), 1);
    assert_eq!(network.received(client), b"400 no");
    network.shut(client);
    network.settle();
    assert!(!network.is_reset(client));
    assert_eq!(network.connections(), 0);
}

/// Half a message was read and not used. The other half is on its way and must not destroy the
/// answer.
#[test]
fn closing_in_the_middle_of_a_message_lingers() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let handler = Probe::new(&log).open(|cx| cx.set_timer(0, Duration::from_secs(5)));
    let client = network.connect(handler.data(|_, _| Ok(0)).wake(|cx| {
        cx.write(b"enough");
        cx.close(Close::Done);
    }));
    network.send(client, b"half a mess");
    network.advance(Duration::from_secs(5));
    assert_eq!(log.closes(), [Close::Done]);
    network.send(client, b"age");
    network.settle();
    assert_eq!(network.unread(client), 0, "thrown away");
    network.shut(client);
    network.settle();
    assert_eq!(network.received(client), b"enough");
    assert!(!network.is_reset(client));
    assert_eq!(network.connections(), 0);
}
