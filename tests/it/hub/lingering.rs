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
    let limits = patient().linger(Duration::from_secs(5)).linger_total(Duration::from_secs(5));
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

/// RFC 9112, section 9.6. A limit of bytes would reset the connection of a client that uploads.
#[test]
fn lingering_lasts_while_the_client_sends_and_ends_soon_after() {
    let (mut network, client, _) = closed_with_unread_input(patient());
    for _ in 0..5 {
        network.advance(Duration::from_secs(4));
        network.send(client, &[0; 1_000_000]);
        network.settle();
        assert_eq!((network.connections(), network.unread(client)), (1, 0));
    }
    network.advance(Duration::from_millis(4900));
    assert_eq!(network.connections(), 1);
    network.advance(Duration::from_millis(1200));
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_client_that_never_stops_is_closed_in_the_end() {
    let (mut network, client, _) = closed_with_unread_input(patient());
    let budget = Limits::default().read_budget;
    let mut turns = 0;
    while network.connections() == 1 {
        assert!(turns < 320, "still there after 32 s");
        turns += 1;
        // There is always more than one turn reads, so the connection is always queued.
        network.send(client, &vec![0; 4 * budget]);
        network.turn();
        network.advance(Duration::from_millis(100));
    }
    assert!(turns >= 300, "closed after {turns} tenths of a second");
}

/// A client whose handler wrote `len` bytes and closed, with all input read.
fn closed_after(len: usize, window: usize) -> (Network, Client) {
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&Log::default()).data(move |input, cx| {
        cx.write(&vec![b'x'; len]);
        cx.close(Close::Done);
        Ok(input.len())
    }));
    network.window(client, window);
    network.send(client, b"?");
    network.settle();
    (network, client)
}

/// Bytes that the client sends before it has read the answer would cause a reset.
#[test]
fn a_close_after_an_answer_that_may_be_on_its_way_lingers() {
    for (len, window) in [(100_000, 1_000_000), (5000, 1000), (2000, 1_000_000)] {
        let (mut network, client) = closed_after(len, window);
        let mut received = 0;
        while received < len {
            network.send(client, b"\r\n");
            network.settle();
            assert_eq!(network.connections(), 1, "{len}");
            received += network.received(client).len();
        }
        network.settle();
        assert!(network.is_closed(client), "our side is shut");
        network.shut(client);
        network.settle();
        assert_eq!((network.is_reset(client), network.connections()), (false, 0), "{len}");
    }
}

/// Its client may have read none of the last answer. It has read the one before, or has the room.
#[test]
fn an_idle_connection_with_a_long_last_answer_lingers_at_a_stop() {
    let log = Log::default();
    let answers = || {
        Probe::new(&log).data(|input, cx| {
            cx.write(&vec![b'x'; if *input == *b"long" { 2000 } else { 1000 }]);
            Ok(input.len())
        })
    };
    let mut network = Network::new(patient());
    let clients = [(); 3].map(|()| network.connect(answers()));
    for (client, requests) in
        clients.iter().zip([&["long"][..], &["long", "short"], &["short", "short"]])
    {
        for request in requests {
            network.send(*client, request.as_bytes());
            network.settle();
        }
    }
    network.stop();
    network.settle();
    assert!(clients.iter().all(|client| network.is_closed(*client)), "the own side is shut");
    assert_eq!(network.connections(), 1);
    network.send(clients[0], b"\r\n");
    network.settle();
    assert_eq!((network.received(clients[0]).len(), network.connections()), (2000, 1));
    network.shut(clients[0]);
    network.settle();
    assert_eq!((network.is_reset(clients[0]), network.connections()), (false, 0));
}

/// A client that uploads reads nothing before it has sent all of it, so the rest of a long answer
/// waits until that was read.
#[test]
fn a_close_reads_on_while_its_answer_waits_for_the_client() {
    let budget = Limits::default().read_budget;
    for (mut network, handlers) in
        [(Network::new(patient()), "loop"), (Network::with_workers(patient()), "workers")]
    {
        let client = network.connect(Probe::new(&Log::default()).data(|input, cx| {
            cx.write(&[b'x'; 100_000]);
            cx.close(Close::Done);
            Ok(input.len())
        }));
        network.window(client, 1000);
        network.send(client, b"?");
        network.settle();
        network.send(client, &vec![0; 10 * budget]);
        network.turn();
        assert!(network.unread(client) >= budget, "{handlers}: no more than a share in one turn");
        network.settle();
        assert_eq!((network.unread(client), network.connections()), (0, 1), "{handlers}");
        assert!(!network.is_closed(client), "{handlers}: the answer waits");
        let mut received = 0;
        while received < 100_000 {
            received += network.received(client).len();
            network.settle();
        }
        network.shut(client);
        network.settle();
        assert_eq!((network.is_reset(client), network.connections()), (false, 0), "{handlers}");
    }
}

/// Bytes that it sends do not extend the timeout of its answer.
#[test]
fn a_client_that_sends_and_does_not_read_is_cut_in_the_end() {
    let limits = patient().write_stall(Some(Duration::from_secs(10)));
    let mut network = Network::new(limits);
    let client = network.connect(Probe::new(&Log::default()).data(|input, cx| {
        cx.write(&[b'x'; 100_000]);
        cx.close(Close::Done);
        Ok(input.len())
    }));
    network.window(client, 1000);
    for _ in 0..12 {
        network.send(client, &[0; 10_000]);
        network.advance(Duration::from_secs(1));
    }
    assert_eq!((network.is_reset(client), network.connections()), (true, 0));
}

/// A paused client was not read: it may be in the middle of a message.
#[test]
fn a_close_during_a_pause_lingers() {
    let mut network = Network::new(patient());
    let handler = Probe::new(&Log::default()).open(|cx| {
        cx.pause();
        cx.set_timer(0, Duration::from_secs(1));
    });
    let client = network.connect(handler.wake(|cx| {
        cx.write(b"401");
        cx.close(Close::Done);
    }));
    network.advance(Duration::from_secs(1));
    network.send(client, &[0; 10_000]);
    network.settle();
    assert_eq!((network.received(client).as_slice(), network.connections()), (&b"401"[..], 1));
    network.shut(client);
    network.settle();
    assert_eq!((network.is_reset(client), network.connections()), (false, 0));
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
