//! Periodic tasks of a server: their times, their effects, and panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketserver::testkit::Network;
use socketserver::{Close, Context, Handler, Notification, Topic};

use crate::support::handlers::{Echo, patient};

const SECOND: Duration = Duration::from_secs(1);

/// Writes the numbers that it is sent, and the messages of the topic `ticks`.
struct Shows;

impl Handler for Shows {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&Topic::new("ticks"));
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        if let Ok(number) = notification.downcast::<u64>() {
            write!(cx, "<{number}>");
        }
    }
}

#[test]
fn a_task_reaches_connections_and_topics_of_all_reactors() {
    for reactors in [1, 3] {
        let mut network = Network::with_reactors(patient(), reactors);
        let clients: Vec<_> = (0..4).map(|_| network.connect(Shows)).collect();
        let ids: Vec<_> = clients.iter().map(|client| network.id(*client)).collect();
        network.settle();
        network.every(SECOND, move |cx| {
            let seconds = cx.now().elapsed().as_secs();
            cx.publish(&Topic::new("ticks"), format!("tick {seconds}\n"));
            cx.send(ids[0], "sent\n");
            cx.notify(ids[1], seconds);
        });
        network.advance(SECOND);
        let received: Vec<_> = clients.iter().map(|c| network.received(*c)).collect();
        let has = |at: usize, text: &str| String::from_utf8_lossy(&received[at]).contains(text);
        assert!((0..4).all(|at| has(at, "tick 1\n")), "{reactors} reactors: {received:?}");
        assert!(has(0, "sent\n") && has(1, "<1>"), "{reactors} reactors: {received:?}");
    }
}

#[test]
fn tasks_run_at_multiples_of_their_periods() {
    let mut network = Network::new(patient());
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    for period in [2, 3] {
        let times = Arc::clone(&times);
        network.every(SECOND * period, move |cx| {
            times.lock().unwrap().push((period, cx.now().elapsed().as_secs()));
        });
    }
    network.advance(SECOND * 7);
    assert_eq!(*times.lock().unwrap(), [(2, 2), (3, 3), (2, 4), (2, 6), (3, 6)]);
}

#[test]
fn a_task_that_panics_does_not_run_again_and_the_server_goes_on() {
    let mut network = Network::new(patient());
    let (runs, others) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&runs);
    network.every(SECOND, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("as told");
    });
    let counted = Arc::clone(&others);
    network.every(SECOND, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let client = network.connect(Echo);
    network.advance(SECOND * 3);
    network.send(client, b"still here");
    network.settle();
    assert_eq!(network.received(client), b"still here");
    assert_eq!((runs.load(Ordering::Relaxed), others.load(Ordering::Relaxed)), (1, 3));
    assert_eq!(network.metrics().panics, 1);
}
