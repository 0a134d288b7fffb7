//! How a server stops: the order of the `on_stop` calls, and the time for each connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::testkit::Network;
use socketserver::{Close, Context, Limits};

use crate::support::handlers::{Log, Probe, Told, patient};

const LATE: Duration = Duration::from_millis(1100);

fn stop(network: &mut Network) {
    network.stop();
    network.settle();
}

/// Uses complete lines only, and answers each with the state of the server.
fn lines(log: &Log) -> Probe {
    Probe::new(log).data(|input, cx| {
        let used = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |n| n + 1);
        if used > 0 {
            cx.write(if cx.is_stopping() { b"last" } else { b"line" });
        }
        Ok(used)
    })
}

#[test]
fn an_idle_connection_is_told_to_stop_at_once() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    let client = network.connect(lines(&log));
    network.send(client, b"hello\n");
    network.settle();
    stop(&mut network);
    assert_eq!(log.told()[2..], [Told::Stop, Told::Close(Close::Stopping)]);
    assert_eq!(network.received(client), b"line");
    assert!(!network.is_reset(client));
    assert_eq!(network.connections(), 0);
}

#[test]
fn input_that_has_arrived_is_answered_first() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    let client = network.connect(lines(&log));
    network.settle();
    network.send(client, b"hello\n");
    stop(&mut network);
    assert_eq!(network.received(client), b"last");
    assert_eq!(log.closes(), [Close::Stopping]);
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_message_that_has_begun_may_end() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    let client = network.connect(lines(&log));
    network.send(client, b"hel");
    network.settle();
    stop(&mut network);
    network.advance(Duration::from_millis(900));
    assert_eq!(log.count(&Told::Stop), 0);
    network.send(client, b"lo\n");
    network.settle();
    assert_eq!(network.received(client), b"last");
    assert_eq!(log.closes(), [Close::Stopping]);
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_message_that_does_not_end_holds_up_nothing() {
    let limits = patient().linger(Duration::ZERO);
    for mut network in [Network::new(limits.clone()), Network::with_workers(limits)] {
        let log = Log::default();
        let client = network.connect(lines(&log));
        network.send(client, b"hel");
        network.settle();
        stop(&mut network);
        for _ in 0..9 {
            network.send(client, b"l");
            network.advance(Duration::from_millis(100));
        }
        assert_eq!(log.count(&Told::Stop), 0);
        network.advance(LATE);
        assert_eq!(log.count(&Told::Stop), 1);
        assert_eq!(log.closes(), [Close::Stopping]);
        network.advance(LATE);
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn a_paused_connection_with_unused_input_is_not_told_to_stop() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let wait = |input: &mut [u8], cx: &mut Context<'_>| {
        if input.len() == 1 {
            return Ok(1);
        }
        cx.pause();
        cx.set_timer(0, Duration::from_secs(10));
        Ok(input.len() - 1)
    };
    let client = network.connect(Probe::new(&log).data(wait).wake(|cx| {
        cx.write(b"at last");
        cx.resume();
    }));
    network.send(client, b"work");
    network.settle();
    stop(&mut network);
    network.advance(Duration::from_secs(9));
    assert_eq!(log.count(&Told::Stop), 0);
    network.advance(Duration::from_secs(1));
    assert_eq!(network.received(client), b"at last");
    assert_eq!(log.closes(), [Close::Stopping]);
}

#[test]
fn a_silent_connection_has_a_second_for_a_first_message() {
    let (late, punctual) = (Log::default(), Log::default());
    let mut network = Network::new(Limits::default());
    network.connect(lines(&late));
    let client = network.connect(lines(&punctual));
    network.advance(Duration::from_millis(3210));
    stop(&mut network);
    network.advance(Duration::from_millis(900));
    assert_eq!(network.connections(), 2);
    network.send(client, b"hello\n");
    network.settle();
    assert_eq!(network.received(client), b"last");
    assert_eq!(punctual.closes(), [Close::Stopping]);
    network.advance(LATE);
    assert_eq!(late.told(), [Told::Open, Told::Stop, Told::Close(Close::Stopping)]);
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_new_connection_has_a_second_while_the_server_stops() {
    let log = Log::default();
    let mut network = Network::new(patient());
    stop(&mut network);
    network.connect(lines(&log));
    network.advance(Duration::from_millis(900));
    assert_eq!(log.told(), [Told::Open]);
    network.advance(LATE);
    assert_eq!(log.closes(), [Close::Stopping]);
}

#[test]
fn a_pending_answer_is_still_given() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    let wait = |_: &mut [u8], cx: &mut Context<'_>| {
        cx.pause();
        cx.set_timer(0, Duration::from_secs(10));
        Ok(4)
    };
    let client = network.connect(Probe::new(&log).data(wait).stop(|_| {}).wake(|cx| {
        cx.write(b"at last");
        cx.close(Close::Done);
    }));
    network.send(client, b"work");
    network.settle();
    stop(&mut network);
    network.advance(Duration::from_secs(9));
    assert_eq!(log.count(&Told::Stop), 1);
    assert_eq!(network.connections(), 1);
    network.advance(Duration::from_secs(1));
    assert_eq!(network.received(client), b"at last");
    assert_eq!(log.closes(), [Close::Done]);
}

#[test]
fn pending_output_is_delivered_before_the_end() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log).data(|input, cx| {
        cx.write(&[b'x'; 1000]);
        Ok(input.len())
    }));
    network.window(client, 10);
    network.send(client, b"go");
    network.settle();
    stop(&mut network);
    assert_eq!(network.connections(), 1);
    assert_eq!(crate::hub::network::take_all(&mut network, client), [b'x'; 1000]);
    assert_eq!(log.closes(), [Close::Stopping]);
}

#[test]
fn a_paused_silent_connection_is_told_to_stop() {
    let log = Log::default();
    let mut network = Network::new(patient());
    network.connect(Probe::new(&log).open(|cx| cx.pause()));
    network.settle();
    stop(&mut network);
    network.advance(LATE);
    assert_eq!(log.count(&Told::Stop), 1);
    assert_eq!(log.closes(), [Close::Stopping]);
}

#[test]
fn a_silent_connection_with_pending_output_is_told_to_stop() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log).open(|cx| cx.write(b"greeting")));
    network.window(client, 3);
    network.settle();
    stop(&mut network);
    for _ in 0..5 {
        network.advance(LATE);
        network.received(client);
    }
    network.advance(LATE);
    assert_eq!(log.closes(), [Close::Stopping]);
    assert!(network.is_closed(client), "our side is shut");
    network.shut(client);
    network.settle();
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_lingering_connection_does_not_linger_longer_because_the_server_stops() {
    let limits = patient().linger(Duration::from_secs(2));
    let log = Log::default();
    let mut network = Network::new(limits);
    let client = network.connect(Probe::new(&log).open(|cx| cx.close(Close::Done)));
    network.send(client, b"unread");
    network.settle();
    assert_eq!(network.connections(), 1, "this test needs one that lingers");
    stop(&mut network);
    network.advance(Duration::from_secs(2) + LATE);
    assert_eq!(network.connections(), 0);
    assert_eq!(log.closes(), [Close::Done]);
}

#[test]
fn every_handler_sees_that_the_server_is_stopping() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = |name: &'static str| {
        let seen = Arc::clone(&seen);
        move |cx: &mut Context<'_>| seen.lock().unwrap().push((name, cx.is_stopping()))
    };
    let mut network = Network::new(patient());
    let handler = Probe::new(&Log::default()).open(look("open")).close(look("close"));
    let client = network.connect(handler);
    network.send(client, b"x");
    network.settle();
    stop(&mut network);
    assert_eq!(*seen.lock().unwrap(), [("open", false), ("close", true)]);
}
