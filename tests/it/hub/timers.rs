//! The timers of handlers: exact, one per connection, dropped with it.

use std::time::Duration;

use socketserver::testkit::{Action, Network, Random, Script, Simulation, seeds};
use socketserver::{Close, Context, Handler, Limits, Mode};

use crate::support::handlers::{Log, Probe, Told, patient};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_timer_rings_to_the_millisecond_and_once() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    network.connect(Probe::new(&log).open(|cx| cx.set_timer(0, ms(1234))));
    network.advance(ms(1233));
    assert_eq!(log.count(&Told::Wake), 0);
    network.advance(ms(5000));
    assert_eq!(log.times(&Told::Wake), [ms(1234)]);
}

#[test]
fn a_second_timer_takes_the_place_of_the_first() {
    for (first, second) in [(1000, 3000), (3000, 1000)] {
        let log = Log::default();
        let mut network = Network::new(Limits::default());
        network.connect(Probe::new(&log).open(move |cx| {
            cx.set_timer(0, ms(first));
            cx.set_timer(0, ms(second));
        }));
        network.advance(ms(10_000));
        assert_eq!(log.times(&Told::Wake), [ms(second)]);
    }
}

#[test]
fn a_timer_may_be_set_anew_when_it_rings() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let tick = |cx: &mut Context<'_>| cx.set_timer(0, ms(30));
    network.connect(Probe::new(&log).open(tick).wake(tick));
    network.advance(ms(100));
    assert_eq!(log.times(&Told::Wake), [ms(30), ms(60), ms(90)]);
}

#[test]
fn more_timers_than_a_turn_serves_all_ring_at_their_time() {
    let log = Log::default();
    let mut network = Network::new(patient());
    for _ in 0..10_000 {
        network.connect(Probe::new(&log).open(|cx| cx.set_timer(0, ms(50))));
    }
    network.advance(ms(50));
    assert_eq!(log.times(&Told::Wake), vec![ms(50); 10_000]);
}

#[test]
fn the_timer_of_a_closed_connection_does_not_fire_for_the_next_in_its_slot() {
    let (log, heir_log) = (Log::default(), Log::default());
    let mut network = Network::new(patient());
    let second = Duration::from_secs(1);
    let gone = network.connect(Probe::new(&log).open(move |cx| cx.set_timer(0, second)));
    network.settle();
    network.reset(gone);
    network.settle();
    network.connect(Probe::new(&heir_log));
    network.advance(second * 3);
    assert_eq!(log.count(&Told::Wake) + heir_log.count(&Told::Wake), 0);
}

#[test]
fn a_timer_set_in_on_close_never_fires() {
    let log = Log::default();
    let set = |cx: &mut Context<'_>| cx.set_timer(0, Duration::from_secs(1));
    let mut network = Network::new(patient());
    let handler = Probe::new(&log).close(set).data(move |_, cx| {
        set(cx);
        Err(Close::Done)
    });
    let client = network.connect(handler);
    network.send(client, b"x");
    network.advance(Duration::from_secs(7));
    assert_eq!(log.count(&Told::Wake), 0);
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_timer_is_never_early_not_by_a_part_of_a_millisecond() {
    let log = Log::default();
    let mut network = Network::new(patient());
    network.advance(Duration::from_micros(900));
    network.connect(Probe::new(&log).open(|cx| cx.set_timer(0, ms(5))));
    // Another event causes a turn just before the time.
    network.advance(Duration::from_micros(4_900));
    network.turn();
    assert_eq!(log.count(&Told::Wake), 0);
    network.advance(ms(1));
    assert_eq!(log.count(&Told::Wake), 1);
}

/// Sets a timer with each byte: that many milliseconds from now.
struct Restless;

impl Handler for Restless {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for after_ms in &*input {
            cx.set_timer(0, Duration::from_millis(u64::from(*after_ms)));
        }
        Ok(input.len())
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        cx.write(b".");
    }
}

/// Sets timers, a few at a time.
struct Fidget {
    left: usize,
}

impl Script for Fidget {
    fn next(&mut self, random: &mut Random) -> Action {
        match self.left {
            0 if random.one_in(4) => Action::Shut,
            0 => Action::Wait,
            _ => {
                self.left -= 1;
                Action::Send(vec![random.below(60) as u8])
            }
        }
    }

    fn received(&mut self, _: &[u8]) {}
}

/// The simulation checks that it fires in time, and not before.
#[test]
fn a_new_timer_takes_the_place_of_one_that_rang_while_its_handler_was_away() {
    seeds(0..300, |seed| {
        let fidget = |random: &mut Random| Fidget { left: random.below(60) };
        Simulation::new(seed).mode(Mode::Threads(1)).run(|_| Restless, fidget);
    });
}
