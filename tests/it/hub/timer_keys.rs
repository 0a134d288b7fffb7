//! Timers by key: any number for each connection, intervals without drift, and their end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::testkit::Network;
use socketserver::{Close, Context, Handler};

use crate::support::handlers::patient;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

type Rings = Arc<Mutex<Vec<(u64, u64)>>>;
type Open = Box<dyn FnOnce(&mut Context<'_>) + Send>;
type Act = Box<dyn FnMut(u64, &mut Context<'_>) + Send>;

/// Logs the key and the time of each ring, and then runs a closure of the test.
struct Ringer {
    rings: Rings,
    open: Option<Open>,
    act: Act,
}

impl Ringer {
    fn new(rings: &Rings, open: impl FnOnce(&mut Context<'_>) + Send + 'static) -> Ringer {
        Ringer { rings: Arc::clone(rings), open: Some(Box::new(open)), act: Box::new(|_, _| {}) }
    }

    fn act(mut self, act: impl FnMut(u64, &mut Context<'_>) + Send + 'static) -> Ringer {
        self.act = Box::new(act);
        self
    }
}

impl Handler for Ringer {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        if let Some(open) = self.open.take() {
            open(cx);
        }
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        let millis = cx.now().elapsed().as_millis() as u64;
        self.rings.lock().unwrap().push((key, millis));
        (self.act)(key, cx);
    }
}

fn rings_of(ringer: impl FnOnce(&Rings) -> Ringer, time: Duration) -> Vec<(u64, u64)> {
    let rings = Rings::default();
    let mut network = Network::new(patient());
    network.connect(ringer(&rings));
    network.advance(time);

    rings.lock().unwrap().clone()
}

#[test]
fn timers_of_different_keys_ring_each_at_its_time() {
    let open = |cx: &mut Context<'_>| {
        for key in [3, 1, 2] {
            cx.set_timer(key, ms(100 * key));
        }
        cx.set_timer(9, ms(250));
    };
    let rings = rings_of(|rings| Ringer::new(rings, open), ms(1000));
    assert_eq!(rings, [(1, 100), (2, 200), (9, 250), (3, 300)]);
}

#[test]
fn an_interval_rings_at_multiples_of_its_period_until_it_is_cancelled() {
    let ringer = |rings: &Rings| {
        let ringer = Ringer::new(rings, |cx| cx.set_interval(7, ms(100)));
        let mut count = 0;
        ringer.act(move |key, cx| {
            count += 1;
            if count == 3 {
                cx.cancel_timer(key);
            }
        })
    };
    assert_eq!(rings_of(ringer, ms(1000)), [(7, 100), (7, 200), (7, 300)]);
}

#[test]
fn an_interval_does_not_drift_when_turns_come_late() {
    let rings = Rings::default();
    let mut network = Network::new(patient());
    network.connect(Ringer::new(&rings, |cx| cx.set_interval(7, ms(100))));
    // Another timer is due in between, so that the clock stops at odd times.
    network.connect(Ringer::new(&Rings::default(), |cx| cx.set_interval(0, ms(33))));
    network.advance(ms(1000));
    let times: Vec<u64> = rings.lock().unwrap().iter().map(|(_, at)| *at).collect();
    assert_eq!(times, (1..=10).map(|n| n * 100).collect::<Vec<u64>>());
}

#[test]
fn setting_a_key_again_replaces_its_timer_whatever_it_was() {
    let ringer = |rings: &Rings| {
        Ringer::new(rings, |cx| {
            cx.set_interval(1, ms(10));
            cx.set_timer(1, ms(300));
            cx.set_timer(2, ms(300));
            cx.set_interval(2, ms(400));
        })
    };
    assert_eq!(rings_of(ringer, ms(900)), [(1, 300), (2, 400), (2, 800)]);
}

#[test]
fn a_timer_that_is_due_and_is_cancelled_by_another_does_not_ring() {
    let ringer = |rings: &Rings| {
        let ringer = Ringer::new(rings, |cx| {
            cx.set_timer(1, ms(50));
            cx.set_timer(2, ms(50));
            cx.set_timer(3, ms(50));
        });
        ringer.act(|key, cx| {
            if key == 1 {
                cx.cancel_timer(2);
                cx.set_timer(3, ms(10));
            }
        })
    };
    assert_eq!(rings_of(ringer, ms(500)), [(1, 50), (3, 60)]);
}

#[test]
fn timers_end_with_their_connection_and_with_their_handler() {
    let rings = Rings::default();
    for is_upgraded in [false, true] {
        let mut network = Network::new(patient());
        let next = Ringer::new(&rings, |_| {});
        let client = network.connect(Ringer::new(&rings, move |cx| {
            cx.set_timer(1, ms(50));
            cx.set_interval(2, ms(20));
            if is_upgraded {
                cx.upgrade(next);
            }
        }));
        network.settle();
        if !is_upgraded {
            network.reset(client);
        }
        network.advance(ms(500));
        assert_eq!(*rings.lock().unwrap(), [], "upgraded: {is_upgraded}");
    }
}

#[test]
fn handlers_on_workers_are_called_for_each_of_their_timers() {
    let rings = Rings::default();
    let mut network = Network::with_workers(patient());
    network.connect(Ringer::new(&rings, |cx| {
        cx.set_timer(1, ms(50));
        cx.set_timer(2, ms(50));
        cx.set_interval(3, ms(40));
    }));
    network.advance(ms(100));
    let mut keys: Vec<u64> = rings.lock().unwrap().iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    assert_eq!(keys, [1, 2, 3, 3]);
}
