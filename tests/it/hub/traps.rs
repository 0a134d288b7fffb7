//! Pitfalls of reactors: panics, reused slots, ends in the middle of other events.

use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Limits};

use crate::support::handlers::{Echo, Log, Probe, Told, patient, tight};

/// Makes `handler` panic by `provoke`, beside another connection that must not be affected.
fn panics(handler: Probe, log: &Log, provoke: impl FnOnce(&mut Network, Client)) {
    let mut network = Network::new(tight());
    let bystander = network.connect(Echo);
    network.send(bystander, b"hi");
    network.settle();
    let victim = network.connect(handler);
    network.window(victim, 150);
    provoke(&mut network, victim);
    network.settle();
    assert_eq!(log.closes(), [Close::Panicked]);
    assert!(network.is_closed(victim));
    network.send(bystander, b" ho");
    network.settle();
    assert_eq!(network.received(bystander), b"hi ho");
    network.shut(victim);
    network.settle();
    assert_eq!(network.connections(), 1);
}

fn boom(_: &mut Context<'_>) {
    panic!("boom")
}

#[test]
fn a_panic_in_on_open_ends_only_its_connection() {
    let log = Log::default();
    panics(Probe::new(&log).open(boom), &log, |network, _| network.settle());
}

#[test]
fn a_panic_in_on_data_ends_only_its_connection() {
    let log = Log::default();
    let handler = Probe::new(&log).data(|_, _| panic!("boom"));
    panics(handler, &log, |network, client| network.send(client, b"x"));
}

#[test]
fn a_panic_in_on_eof_ends_only_its_connection() {
    let log = Log::default();
    panics(Probe::new(&log).eof(boom), &log, Network::shut);
}

#[test]
fn a_panic_in_on_drain_ends_only_its_connection() {
    let log = Log::default();
    let handler = Probe::new(&log).open(|cx| cx.write(&[0; 300])).drain(boom);
    panics(handler, &log, |network, client| {
        for _ in 0..2 {
            network.settle();
            network.received(client);
        }
    });
}

#[test]
fn a_panic_in_on_timer_ends_only_its_connection() {
    let log = Log::default();
    let second = Duration::from_secs(1);
    let handler = Probe::new(&log).open(move |cx| cx.set_timer(0, second)).wake(boom);
    panics(handler, &log, |network, _| network.advance(second));
}

#[test]
fn a_panic_in_on_stop_ends_only_its_connection() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log).stop(boom));
    let other = Log::default();
    let second = network.connect(Probe::new(&other));
    for client in [client, second] {
        network.send(client, b"x");
    }
    network.settle();
    network.stop();
    network.settle();
    assert_eq!(log.closes(), [Close::Panicked]);
    assert_eq!(other.closes(), [Close::Stopping]);
    network.shut(client);
    network.settle();
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_panic_in_on_close_changes_nothing() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&log).close(boom));
    let other = network.connect(Echo);
    network.shut(client);
    network.send(other, b"x");
    network.settle();
    assert_eq!(log.closes(), [Close::Eof]);
    assert_eq!(network.received(other), b"x");
    assert_eq!(network.connections(), 1);
}

/// Its destructor panics, and so does the destructor of the payload of that panic.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        struct Shrapnel;
        impl Drop for Shrapnel {
            fn drop(&mut self) {
                panic!("again")
            }
        }
        std::panic::panic_any(Shrapnel)
    }
}

impl Handler for Grenade {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        if input == b"hand over" {
            cx.upgrade(Echo);
        }
        Ok(input.len())
    }
}

#[test]
fn a_destructor_that_panics_ends_no_other_connection() {
    let mut network = Network::new(patient());
    let (closed, upgraded) = (network.connect(Grenade), network.connect(Grenade));
    network.send(upgraded, b"hand over");
    network.shut(closed);
    network.settle();
    network.send(upgraded, b"still here");
    network.settle();
    assert_eq!(network.received(upgraded), b"still here");
    assert_eq!(network.connections(), 1);
}

#[test]
fn a_handler_that_was_never_made_ends_no_other_connection() {
    struct Dud(Echo);
    impl Drop for Dud {
        fn drop(&mut self) {
            panic!("boom")
        }
    }
    impl Handler for Dud {
        fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
            self.0.on_data(input, cx)
        }
    }
    let mut network = Network::new(patient());
    let client = network.connect(Probe::new(&Log::default()).close(|cx| cx.upgrade(Dud(Echo))));
    network.shut(client);
    network.settle();
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_handler_that_was_never_opened_is_not_told_of_its_end() {
    for way in 0..3 {
        let (old, new) = (Log::default(), Log::default());
        let heir = new.clone();
        let mut network = Network::new(patient());
        let client = network.connect(Probe::new(&old).data(move |input, cx| {
            cx.upgrade(Probe::new(&heir));
            match way {
                0 => cx.close(Close::Done),
                1 => return Err(Close::Done),
                _ => panic!("boom"),
            }
            Ok(input.len())
        }));
        network.send(client, b"x");
        network.shut(client);
        network.settle();
        assert_eq!(network.connections(), 0);
        assert_eq!(new.count(&Told::Open), new.closes().len(), "way {way}");
    }
}

#[test]
fn resuming_without_a_pause_offers_no_input() {
    let log = Log::default();
    let offers = log.clone();
    let mut network = Network::new(Limits::default());
    let client = network.connect(Probe::new(&log).data(move |_, cx| {
        assert!(offers.told().len() < 100, "offered for ever");
        cx.resume();
        Ok(0)
    }));
    network.send(client, b"x");
    network.settle();
    assert!(log.closes().is_empty());
}
