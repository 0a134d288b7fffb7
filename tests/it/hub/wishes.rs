//! The effects that a handler can request: pauses, upgrades, output for others.

use std::io::ErrorKind;
use std::time::Duration;

use socketserver::testkit::Network;
use socketserver::{Close, Context, Limits, Timeout};

use crate::support::handlers::{Echo, Log, Probe, Told, patient, relay, tight};

const SECOND: Duration = Duration::from_secs(1);
const RESET: Close = Close::Io(ErrorKind::ConnectionReset);

/// Uses one byte of input, then pauses for a second.
fn one_byte_a_second(log: &Log) -> Probe {
    Probe::new(log).wake(|cx| cx.resume()).data(|_, cx| {
        cx.pause();
        assert!(cx.is_done());
        cx.set_timer(0, SECOND);
        Ok(1)
    })
}

#[test]
fn a_paused_connection_is_not_read() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(one_byte_a_second(&log));
    network.send(client, b"a");
    network.settle();
    network.send(client, b"bc");
    network.spurious(client);
    network.advance(SECOND / 2);
    assert_eq!(network.unread(client), 2);
    assert_eq!(log.data(), b"a");
    network.advance(SECOND / 2);
    assert_eq!(network.unread(client), 0);
    assert_eq!(log.data(), b"abc");
}

#[test]
fn resuming_offers_unused_input_at_once() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(one_byte_a_second(&log));
    network.send(client, b"abc");
    network.advance(SECOND * 10);
    let data = |bytes: &str| Told::Data(bytes.into());
    let wake = Told::Wake;
    let all = [data("abc"), wake.clone(), data("bc"), wake.clone(), data("c"), wake];
    assert_eq!(log.told()[1..], all);
    assert_eq!(network.calls(client).0, 1);
}

#[test]
fn an_end_during_a_pause_is_told_after_the_data() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(one_byte_a_second(&log));
    network.send(client, b"ab");
    network.shut(client);
    network.settle();
    assert_eq!(log.count(&Told::Eof), 0);
    network.advance(SECOND * 5);
    let end = [Told::Data(b"b".into()), Told::Wake, Told::Eof, Told::Close(Close::Eof)];
    assert_eq!(log.told()[3..], end);
}

#[test]
fn a_pause_has_no_deadline_but_that_of_stalled_output() {
    let all = Limits::default()
        .first_byte(Some(SECOND))
        .message(Some(SECOND))
        .idle(Some(SECOND))
        .write_stall(Some(SECOND));
    let (log, stalled) = (Log::default(), Log::default());
    let pause = |bytes: &'static [u8]| {
        move |_: &mut [u8], cx: &mut Context<'_>| {
            cx.write(bytes);
            cx.pause();
            Ok(1)
        }
    };
    let mut network = Network::new(all);
    let first = network.connect(Probe::new(&log).data(pause(b"wait")));
    let second = network.connect(Probe::new(&stalled).data(pause(b"wait")));
    network.window(second, 2);
    for client in [first, second] {
        network.send(client, b"half a message");
    }
    network.advance(SECOND * 1000);
    assert!(log.closes().is_empty());
    assert_eq!(stalled.closes(), [Close::Timeout(Timeout::WriteStall)]);
}

#[test]
fn a_reset_ends_a_pause() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log).open(|cx| cx.pause()));
    network.settle();
    network.reset(client);
    network.settle();
    assert_eq!(log.closes(), [RESET]);
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_reset_is_not_forgotten_after_another_pause() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let mut wakes = vec![Duration::ZERO];
    let handler = Probe::new(&log).wake(|cx| cx.resume()).data(move |_, cx| {
        cx.pause();
        wakes.drain(..).for_each(|delay| cx.set_timer(0, delay));
        Ok(1)
    });
    let client = network.connect(handler);
    network.send(client, b"abc");
    network.turn();
    // The same turn resumes it and brings the reset, and it pauses again with unused input.
    network.reset(client);
    network.settle();
    assert_eq!(log.closes(), [], "input that has arrived waits for its handler");
    network.advance(patient().linger + Duration::from_secs(1));
    assert_eq!(log.closes(), [RESET]);
}

#[test]
fn output_flows_and_drains_during_a_pause() {
    let log = Log::default();
    let mut network = Network::new(tight());
    let client = network.connect(Probe::new(&log).open(|cx| {
        cx.write(&[0; 300]);
        cx.pause();
    }));
    network.window(client, 100);
    for came in [100, 100, 100] {
        network.settle();
        assert_eq!(network.received(client).len(), came);
    }
    assert_eq!(log.count(&Told::Drain), 1);
}

#[test]
fn an_upgrade_hands_over_unused_input() {
    let (old, new) = (Log::default(), Log::default());
    let heir = new.clone();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&old).data(move |_, cx| {
        cx.write(b"switching;");
        cx.upgrade(Probe::new(&heir).open(|cx| cx.write(b"hello;")).data(|input, cx| {
            cx.write(input);
            Ok(input.len())
        }));
        assert!(cx.is_done());
        Ok(4)
    }));
    network.send(client, b"up! first words");
    network.turn();
    assert_eq!(network.received(client), b"switching;hello;first words");
    assert_eq!(network.calls(client), (1, 1));
    network.send(client, b"more");
    network.shut(client);
    network.settle();
    assert_eq!(network.received(client), b"more");
    let data = |bytes: &str| Told::Data(bytes.into());
    assert_eq!(old.told(), [Told::Open, data("up! first words")]);
    let all = [Told::Open, data("first words"), data("more")];
    assert_eq!(new.told(), [&all[..], &[Told::Eof, Told::Close(Close::Eof)]].concat());
}

#[test]
fn an_upgrade_without_leftovers_waits_for_new_input() {
    let new = Log::default();
    let heir = new.clone();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&Log::default()).data(move |input, cx| {
        cx.upgrade(Probe::new(&heir));
        Ok(input.len())
    }));
    network.send(client, b"up!");
    network.settle();
    assert_eq!(new.told(), [Told::Open]);
    network.send(client, b"x");
    network.settle();
    assert_eq!(new.data(), b"x");
}

#[test]
fn an_upgrade_is_possible_from_any_call() {
    let ways: [fn(Probe, Log) -> Probe; 3] = [
        |old, log| old.open(move |cx| cx.upgrade(Probe::new(&log))),
        |old, log| old.wake(move |cx| cx.upgrade(Probe::new(&log))),
        |old, log| old.open(|cx| cx.write(&[0; 300])).drain(move |cx| cx.upgrade(Probe::new(&log))),
    ];
    for (n, way) in ways.into_iter().enumerate() {
        let (old, new) = (Log::default(), Log::default());
        let mut network = Network::new(tight());
        let first = Probe::new(&old).open(|cx| cx.set_timer(0, SECOND));
        let client = network.connect(way(first, new.clone()));
        network.advance(SECOND * 2);
        network.send(client, b"x");
        network.shut(client);
        network.settle();
        let end = [Told::Data(b"x".into()), Told::Eof, Told::Close(Close::Eof)];
        assert_eq!(new.told(), [&[Told::Open], &end[..]].concat(), "way {n}");
        assert!(old.closes().is_empty());
    }
}

#[test]
fn an_upgrade_ends_the_pause_of_the_old_handler() {
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&Log::default()).data(|_, cx| {
        cx.pause();
        cx.upgrade(Echo);
        Ok(1)
    }));
    network.send(client, b"abc");
    network.settle();
    assert_eq!(network.received(client), b"bc");
}

#[test]
fn output_to_another_connection_arrives_in_order_and_with_few_writes() {
    let mut network = Network::new(patient());
    let target = network.connect(Echo);
    let senders = [1, 2, 3].map(|_| network.connect(relay(network.id(target))));
    network.settle();
    for (client, bytes) in senders.iter().zip(["one ", "two ", "three"]) {
        network.send(*client, bytes.as_bytes());
    }
    network.settle();
    assert_eq!(network.received(target), b"one two three");
    assert_eq!(network.calls(target), (0, 1), "one write for all of the turn");
}

#[test]
fn output_added_to_blocked_output_arrives_after_it() {
    let mut network = Network::new(patient());
    let target = network.connect(Echo);
    let sender = network.connect(relay(network.id(target)));
    network.window(target, 4);
    network.send(target, b"mine;mine;");
    network.settle();
    network.send(sender, b"yours");
    assert_eq!(crate::hub::network::take_all(&mut network, target), b"mine;mine;yours");
}

#[test]
fn a_connection_may_send_to_itself() {
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&Log::default()).data(|input, cx| {
        cx.send(cx.id(), &*input);
        Ok(input.len())
    }));
    network.send(client, b"hello me");
    network.settle();
    assert_eq!(network.received(client), b"hello me");
}
