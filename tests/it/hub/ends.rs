//! How connections end: half-closes, resets, errors, last words.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::Close;
use socketserver::testkit::Network;

use crate::hub::network::take_all;
use crate::support::handlers::{Echo, Log, Probe, Told, patient, pattern, tight};

const RESET: Close = Close::Io(ErrorKind::ConnectionReset);

/// A probe that sends its input back.
fn echo(log: &Log) -> Probe {
    Probe::new(log).data(|input, cx| {
        cx.write(input);
        Ok(input.len())
    })
}

#[test]
fn data_and_end_that_come_merged_are_told_one_after_the_other() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(echo(&log));
    network.settle();
    network.send(client, b"last words");
    network.shut(client);
    network.turn();
    let end = [Told::Data(b"last words".into()), Told::Eof, Told::Close(Close::Eof)];
    assert_eq!(log.told()[1..], end);
    assert_eq!(network.received(client), b"last words");
    assert!(network.is_closed(client) && !network.is_reset(client));
    assert_eq!(network.connections(), 0);
}

#[test]
fn an_end_that_comes_later_is_told_then() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(echo(&log));
    network.send(client, b"words");
    network.settle();
    assert_eq!(network.calls(client).0, 1);
    network.shut(client);
    network.settle();
    assert_eq!(log.told()[2..], [Told::Eof, Told::Close(Close::Eof)]);
}

#[test]
fn a_message_cut_off_by_the_end_is_lost() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log).data(|_, _| Ok(0)));
    network.send(client, b"half a mess");
    network.shut(client);
    network.settle();
    assert_eq!(log.told()[2..], [Told::Eof, Told::Close(Close::Eof)]);
    assert_eq!(network.connections(), 0);
}

#[test]
fn an_answer_that_is_still_pending_reaches_a_client_that_has_half_closed() {
    let (log, sent) = (Log::default(), pattern(300_000));
    let mut network = Network::new(patient());
    let client = network.connect(echo(&log));
    network.window(client, 1000);
    network.send(client, &sent);
    network.shut(client);
    assert!(take_all(&mut network, client) == sent);
    assert_eq!(log.closes(), [Close::Eof]);
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_handler_may_go_on_writing_after_the_end_of_the_input() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let handler = Probe::new(&log).eof(|cx| cx.set_timer(0, Duration::from_secs(3)));
    let client = network.connect(handler.wake(|cx| {
        cx.write(b"the sum is 42");
        cx.close(Close::Done);
    }));
    network.shut(client);
    network.settle();
    network.spurious(client);
    network.settle();
    assert_eq!(log.count(&Told::Eof), 1);
    network.advance(Duration::from_secs(3));
    assert_eq!(network.received(client), b"the sum is 42");
    assert_eq!(log.closes(), [Close::Done]);
}

#[test]
fn a_reset_is_told_once() {
    for spoken in [false, true] {
        let log = Log::default();
        let mut network = Network::new(patient());
        let client = network.connect(Probe::new(&log).data(|_, _| Ok(0)));
        if spoken {
            network.send(client, b"half a mess");
        }
        network.settle();
        network.reset(client);
        network.spurious(client);
        network.settle();
        assert_eq!(log.closes(), [RESET]);
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn a_reset_before_the_first_turn_closes_the_opened_handler() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log));
    network.send(client, b"x");
    network.reset(client);
    network.settle();
    assert_eq!(log.told(), [Told::Open, Told::Close(RESET)]);
}

#[test]
fn a_reset_is_noticed_while_output_is_pending() {
    let log = Log::default();
    let mut network = Network::new(tight());
    let client = network.connect(echo(&log));
    network.window(client, 10);
    network.send(client, &[0; 500]);
    network.settle();
    network.reset(client);
    network.settle();
    assert!(matches!(log.closes()[..], [Close::Io(_)]), "{:?}", log.closes());
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_reset_is_noticed_after_the_end_of_the_input() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log).eof(|_| {}));
    network.shut(client);
    network.settle();
    assert!(log.closes().is_empty());
    network.reset(client);
    network.settle();
    assert_eq!(log.closes(), [RESET]);
}

#[test]
fn a_reset_does_not_close_a_handler_that_was_never_opened() {
    let (log, to) = (Log::default(), Arc::new(Mutex::new(None)));
    let whom = Arc::clone(&to);
    let mut network = Network::new(patient());
    network.connect(Probe::new(&Log::default()).open(move |cx| {
        if let Some(id) = *whom.lock().unwrap() {
            cx.send(id, *b"welcome");
        }
    }));
    let client = network.connect(Probe::new(&log));
    *to.lock().unwrap() = Some(network.id(client));
    network.reset(client);
    network.settle();
    assert_eq!(log.count(&Told::Open), log.closes().len());
    assert_eq!(network.connections(), 1);
}

#[test]
fn output_before_an_error_is_sent_first() {
    let log = Log::default();
    let bad = Close::Malformed { code: 400, why: "no" };
    let why = bad.clone();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log).data(move |_, cx| {
        cx.write(b"400 no");
        Err(why.clone())
    }));
    network.window(client, 4);
    network.send(client, b"rubbish");
    assert_eq!(take_all(&mut network, client), b"400 no");
    assert_eq!(log.closes(), [bad]);
}

#[test]
fn the_first_reason_to_close_stays() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log).data(|_, cx| {
        cx.close(Close::failed("first"));
        cx.close(Close::Done);
        assert!(cx.is_done());
        Err(Close::InputLimit)
    }));
    network.send(client, b"x");
    network.shut(client);
    network.settle();
    assert_eq!(log.closes(), [Close::failed("first")]);
}

#[test]
fn output_of_on_close_reaches_others_but_not_the_peer() {
    let mut network = Network::new(patient());
    let other = network.connect(Echo);
    let to = network.id(other);
    let client = network.connect(Probe::new(&Log::default()).close(move |cx| {
        cx.write(b"nobody hears this");
        cx.send(to, *b"he has gone");
    }));
    network.shut(client);
    network.settle();
    assert_eq!(network.received(client), b"");
    assert_eq!(network.received(other), b"he has gone");
}
