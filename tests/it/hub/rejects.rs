//! Rejected input: the handler writes a last answer, once, and the peer gets to read it.

use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Limits, Timeout};

use crate::support::handlers::{Log, Probe, patient};

const LATE: Close = Close::Timeout(Timeout::Message);

/// A probe that leaves all input unused and answers when it is rejected.
struct Last(Probe, &'static str);

impl Handler for Last {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.0.on_data(input, cx)
    }

    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        if !self.1.is_empty() {
            cx.write(format!("{}: {why}", self.1).as_bytes());
        }
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.0.on_close(why, cx);
    }
}

/// A client whose handler writes `word` at the end, in the loop and on a worker.
fn start(limits: &Limits, word: &'static str) -> [(Network, Client, Log); 2] {
    [Network::new(limits.clone()), Network::with_workers(limits.clone())].map(|mut network| {
        let log = Log::default();
        let client = network.connect(Last(Probe::new(&log).data(|_, _| Ok(0)), word));
        network.settle();
        (network, client, log)
    })
}

#[test]
fn a_message_that_is_late_may_be_answered() {
    let limits = patient().message(Some(Duration::from_secs(10)));
    for (mut network, client, log) in start(&limits, "sorry") {
        network.send(client, b"half a mess");
        network.advance(Duration::from_secs(9));
        assert_eq!(network.received(client), b"");
        network.advance(Duration::from_millis(2100));
        assert_eq!(network.received(client), b"sorry: timeout: message");
        assert_eq!(log.closes(), [LATE]);
        // The client is probably still sending, and must be able to read the answer.
        network.send(client, b"age");
        network.settle();
        assert_eq!((network.connections(), network.is_closed(client)), (1, true));
        network.shut(client);
        network.settle();
        assert_eq!((network.connections(), network.is_reset(client)), (0, false));
    }
}

#[test]
fn a_late_message_without_an_answer_ends_at_once() {
    let limits = patient().message(Some(Duration::from_secs(10)));
    for (mut network, client, log) in start(&limits, "") {
        network.send(client, b"half a mess");
        network.advance(Duration::from_millis(11_100));
        assert_eq!(log.closes(), [LATE]);
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn a_message_that_completes_at_its_deadline_is_not_late() {
    let limits = patient().message(Some(Duration::from_secs(10)));
    for mut network in [Network::new(limits.clone()), Network::with_workers(limits)] {
        let log = Log::default();
        let client = network.connect(Last(
            Probe::new(&log)
                .data(|input, _| Ok(if input.ends_with(b"\n") { input.len() } else { 0 })),
            "sorry",
        ));
        network.send(client, b"half ");
        network.advance(Duration::from_secs(10));
        network.send(client, b"a message\n");
        network.advance(Duration::from_secs(100));
        assert_eq!((network.received(client), log.closes()), (Vec::new(), Vec::new()));
    }
}

#[test]
fn a_message_that_is_too_long_may_be_answered() {
    let limits = patient().pending_input(100);
    for (mut network, client, log) in start(&limits, "no") {
        network.send(client, &[b'x'; 100]);
        network.settle();
        assert!(!network.is_closed(client));
        network.send(client, b"x");
        network.settle();
        assert_eq!(network.received(client), b"no: too much pending input");
        assert_eq!(log.closes(), [Close::InputLimit]);
        network.shut(client);
        network.settle();
        assert_eq!((network.connections(), network.is_reset(client)), (0, false));
    }
}

#[test]
fn a_panic_in_on_reject_ends_only_its_connection() {
    struct Boom;
    impl Handler for Boom {
        fn on_data(&mut self, _: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
            Ok(0)
        }
        fn on_reject(&mut self, _: &Close, _: &mut Context<'_>) {
            panic!("boom")
        }
    }
    let limits = patient().message(Some(Duration::from_secs(1)));
    for mut network in [Network::new(limits.clone()), Network::with_workers(limits)] {
        let (client, other) =
            (network.connect(Boom), network.connect(crate::support::handlers::Echo));
        network.send(client, b"x");
        network.send(other, b"hello");
        network.advance(Duration::from_secs(3));
        network.shut(client);
        network.settle();
        assert_eq!((network.connections(), network.received(other)), (1, b"hello".to_vec()));
    }
}
