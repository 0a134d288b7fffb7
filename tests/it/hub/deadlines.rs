//! Deadlines: each fires in time, for its own reason, and never otherwise.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Limits, Mode, Notification, Server, Timeout};

use crate::support::handlers::{Echo, Log, Probe, Told, patient};
use crate::support::real::{PATIENCE, Running, connect, read_to_end, soon, tcp};

const T: Duration = Duration::from_secs(10);
const LATE: Duration = Duration::from_millis(1100);

/// Checks that the connection ended for `which`, `T` after `from`.
fn assert_fired(log: &Log, which: Timeout, from: Duration) {
    assert_eq!(log.closes(), [Close::Timeout(which)]);
    let after = log.closed_at() - from;
    assert!(T <= after && after <= T + LATE, "after {after:?}");
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A server with handlers in the loop, and one with handlers on workers.
fn networks(limits: &Limits) -> [Network; 2] {
    [Network::new(limits.clone()), Network::with_workers(limits.clone())]
}

/// A client of a probe that uses complete lines only, connected at an odd time.
fn start(limits: Limits) -> (Network, Client, Log) {
    start_on(Network::new(limits))
}

fn start_on(mut network: Network) -> (Network, Client, Log) {
    let log = Log::default();
    network.advance(ms(12_345));
    let client = network.connect(Probe::new(&log).data(|input, cx| {
        let used = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |n| n + 1);
        cx.write(&input[..used]);
        Ok(used)
    }));
    network.settle();
    (network, client, log)
}

#[test]
fn silence_ends_a_new_connection() {
    for network in networks(&patient().first_byte(Some(T))) {
        let (mut network, client, log) = start_on(network);
        network.advance(T - ms(1));
        assert!(!network.is_closed(client));
        network.advance(T);
        assert_fired(&log, Timeout::FirstByte, ms(12_345));
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn events_without_a_cause_do_not_make_a_silent_one_live_longer() {
    let limits = patient().first_byte(Some(T)).idle(Some(T));
    let (mut network, client, log) = start(limits);
    for _ in 0..150 {
        network.spurious(client);
        network.advance(ms(101));
    }
    assert_fired(&log, Timeout::FirstByte, ms(12_345));
}

#[test]
fn a_message_must_be_complete_in_time_however_many_bytes_of_it_come() {
    let limits = patient().message(Some(T)).idle(Some(T));
    for network in networks(&limits) {
        let (mut network, client, log) = start_on(network);
        network.advance(T * 5);
        for _ in 0..200 {
            network.send(client, b"x");
            network.advance(ms(77));
        }
        assert_fired(&log, Timeout::Message, ms(12_345) + T * 5);
    }
}

#[test]
fn every_message_has_its_own_time() {
    for network in networks(&patient().message(Some(T))) {
        let (mut network, client, log) = start_on(network);
        for _ in 0..10 {
            network.send(client, b"ge of which this is the end\nand this the beginning of a messa");
            network.advance(T - ms(1));
        }
        assert!(log.closes().is_empty());
        network.advance(T);
        assert_fired(&log, Timeout::Message, ms(12_345) + (T - ms(1)) * 9);
    }
}

/// The end of a message that arrives together with its deadline is handled first, and a part of the
/// next message that arrives with it has its own time.
#[test]
fn a_message_that_ends_at_its_deadline_is_in_time() {
    let limits = patient().message(Some(T));
    let (mut network, client, log) = start_on(Network::new(limits));
    network.send(client, b"half a mess");
    network.settle();
    network.send(client, b"age\nand half of the n");
    network.advance(T);
    assert!(log.closes().is_empty());
    network.advance(T);
    assert_eq!(log.closes(), [Close::Timeout(Timeout::Message)]);
}

#[test]
fn a_quiet_connection_ends() {
    for network in networks(&patient().idle(Some(T))) {
        let (mut network, client, log) = start_on(network);
        for _ in 0..10 {
            network.send(client, b"line\n");
            network.advance(T - ms(1));
        }
        assert!(log.closes().is_empty());
        network.advance(T);
        assert_fired(&log, Timeout::Idle, ms(12_345) + (T - ms(1)) * 9);
        assert!(!network.is_reset(client));
    }
}

#[test]
fn input_counts_as_activity_though_nothing_answers_it() {
    let log = Log::default();
    let mut network = Network::new(patient().idle(Some(T)));
    let client = network.connect(Probe::new(&log));
    for _ in 0..3 {
        network.send(client, b"x");
        network.advance(T - ms(1));
    }
    network.advance(T);
    assert_fired(&log, Timeout::Idle, (T - ms(1)) * 2);
}

#[test]
fn output_counts_as_activity() {
    let log = Log::default();
    let mut network = Network::new(patient().idle(Some(T)));
    let tick = |cx: &mut Context<'_>| {
        cx.write(b"tick");
        if cx.now().elapsed() < T * 10 {
            cx.set_timer(0, T - ms(500));
        }
    };
    let client = network.connect(Probe::new(&log).wake(tick).data(move |input, cx| {
        tick(cx);
        Ok(input.len())
    }));
    network.send(client, b"x");
    network.advance(T * 10);
    assert!(log.closes().is_empty());
    network.advance(T * 3);
    let last = *log.times(&Told::Wake).last().unwrap();
    assert_fired(&log, Timeout::Idle, last);
}

#[test]
fn a_client_that_reads_nothing_is_closed() {
    for network in networks(&patient().write_stall(Some(T))) {
        let (mut network, client, log) = start_on(network);
        network.window(client, 3);
        network.send(client, b"a long line\n");
        for _ in 0..150 {
            network.spurious(client);
            network.advance(ms(101));
        }
        assert_fired(&log, Timeout::WriteStall, ms(12_345));
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn a_client_that_reads_slowly_is_not_closed_until_it_stops() {
    let (mut network, client, log) = start(patient().write_stall(Some(T)));
    network.window(client, 1);
    network.send(client, b"a long line\n");
    for _ in 0..5 {
        network.advance(T - ms(1));
        assert_eq!(network.received(client).len(), 1);
    }
    network.advance(T * 2);
    assert_fired(&log, Timeout::WriteStall, ms(12_345) + (T - ms(1)) * 5);
}

#[test]
fn a_closing_connection_may_stall_no_longer_than_another() {
    let log = Log::default();
    let mut network = Network::new(patient().write_stall(Some(T)));
    let client = network.connect(Probe::new(&log).open(|cx| {
        cx.write(b"greeting");
        cx.close(Close::Done);
    }));
    network.window(client, 3);
    network.advance(T - ms(1));
    assert_eq!(network.connections(), 1);
    network.advance(LATE);
    assert_eq!(network.connections(), 0);
    assert_eq!(log.closes().len(), 1);
}

#[test]
fn without_a_deadline_nothing_ends() {
    let day = Duration::from_secs(86_400);
    for words in ["", "half a message", "line\n"] {
        let (mut network, client, log) = start(patient());
        network.window(client, 2);
        network.send(client, words.as_bytes());
        network.advance(day * 1000);
        assert!(log.closes().is_empty(), "{words:?}");
        assert_eq!(network.connections(), 1);
    }
}

#[test]
fn a_deadline_of_each_of_many_is_kept() {
    let mut network = Network::new(patient().first_byte(Some(T)).idle(Some(T)));
    let clients: Vec<Client> = (0..10_000).map(|_| network.connect(Echo)).collect();
    network.advance(T / 2);
    for client in clients.iter().step_by(2) {
        network.send(*client, b"x");
    }
    network.advance(T / 2 + LATE);
    assert_eq!(network.connections(), 5_000);
    network.advance(T / 2);
    assert_eq!(network.connections(), 0);
}

#[test]
fn many_that_end_at_once_do_not_hold_up_the_others() {
    /// Records the number of ends when the first one happens.
    struct Bystander(Arc<AtomicUsize>, Sender<usize>);
    impl Handler for Bystander {
        fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
            Ok(input.len())
        }
        fn on_notify(&mut self, _: Notification, _: &mut Context<'_>) {
            self.1.send(self.0.load(Ordering::Relaxed)).unwrap();
        }
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let (tell, told) = mpsc::channel();
    let mut network = Network::new(patient().first_byte(Some(T)));
    let bystander = network.connect(Bystander(Arc::clone(&ended), tell));
    network.send(bystander, b"x");
    let id = network.id(bystander);
    for _ in 0..3_000 {
        let ended = Arc::clone(&ended);
        network.connect(Probe::new(&Log::default()).close(move |cx| {
            ended.fetch_add(1, Ordering::Relaxed);
            cx.notify(id, ());
        }));
    }
    network.advance(T + LATE);
    assert_eq!(network.connections(), 1);
    let heard: Vec<usize> = told.try_iter().collect();
    assert!(heard[0] <= 100, "{} ended before anybody else had a turn", heard[0]);
    assert_eq!(heard.last(), Some(&3_000));
}

#[test]
fn deadlines_that_follow_one_another_closely_are_all_kept() {
    let mut network = Network::new(patient().first_byte(Some(T)));
    let logs: Vec<Log> = (0..100).map(|_| Log::default()).collect();
    for log in &logs {
        network.connect(Probe::new(log));
        network.advance(ms(110));
    }
    network.advance(T * 2);
    for (log, n) in logs.iter().zip(0..) {
        assert_fired(log, Timeout::FirstByte, ms(110) * n);
    }
}

#[test]
fn a_timer_does_not_shield_its_connection_from_a_deadline() {
    for mut network in networks(&patient().first_byte(Some(T))) {
        let log = Log::default();
        let tick = |cx: &mut Context<'_>| cx.set_timer(0, ms(100));
        network.connect(Probe::new(&log).open(tick).wake(tick));
        network.advance(T * 3);
        assert_fired(&log, Timeout::FirstByte, ms(0));
    }
}

#[test]
fn a_timer_without_output_does_not_count_as_activity() {
    for mut network in networks(&patient().idle(Some(T))) {
        let log = Log::default();
        let tick = |cx: &mut Context<'_>| cx.set_timer(0, ms(100));
        let client = network.connect(Probe::new(&log).open(tick).wake(tick));
        network.send(client, b"x");
        network.advance(T * 3);
        assert_fired(&log, Timeout::Idle, ms(0));
    }
}

/// Sends its input back, but at `work` blocks until told to go on.
struct Blocks {
    began: Sender<()>,
    go_on: Receiver<()>,
}

impl Handler for Blocks {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        if input == b"work" {
            self.began.send(()).unwrap();
            soon(&self.go_on);
        }
        cx.write(input);
        Ok(input.len())
    }
}

/// Returns false if the deadline passed too early, as it may on a busy machine.
fn outlives_its_deadline_on_a_worker() -> bool {
    let ((began, has_begun), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
    let mut first = Some(Blocks { began, go_on: may_go_on });
    let limits = patient().first_byte(Some(ms(1))).idle(Some(ms(200)));
    let server = Server::bind("127.0.0.1:0").unwrap().mode(Mode::Threads(2)).limits(limits);
    let mut busy = connect(tcp(&server.addresses()[0]));
    busy.write_all(b"hello").unwrap();
    let server = Running::serve(server, move |_| match first.take() {
        Some(blocks) => Box::new(blocks) as Box<dyn Handler>,
        None => Box::new(Echo),
    });
    let mut back = [0; 5];
    busy.read_exact(&mut back).unwrap();
    let sent = busy.write_all(b"work");
    if sent.is_err() || has_begun.recv_timeout(PATIENCE).is_err() {
        return false;
    }
    // Meanwhile two idle clients in a row reach their deadlines.
    for _ in 0..2 {
        let mut idle = server.client();
        idle.write_all(b"hello").unwrap();
        assert_eq!(read_to_end(&mut idle), b"hello");
    }
    go_on.send(()).unwrap();
    busy.read_exact(&mut back[..4]).unwrap();
    assert!(back.starts_with(b"work"));
    true
}

#[test]
fn no_deadline_passes_while_the_handler_is_on_a_worker() {
    let came_to_the_point = (0..100).any(|_| outlives_its_deadline_on_a_worker());
    assert!(came_to_the_point, "100 times the deadline passed before the worker had begun");
}

/// Counts the turns after `T` and a tick, by notes to itself, one per turn.
struct Ticker(Arc<AtomicUsize>, usize);

impl Handler for Ticker {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.set_timer(0, T + ms(100));
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        cx.notify(cx.id(), ());
    }

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        if self.0.fetch_add(1, Ordering::Relaxed) < self.1 {
            cx.notify(cx.id(), ());
        }
    }
}

/// The number of connections closed for deadlines in one turn.
const SLICE: usize = 16;

/// `many` connections that have sent the same bytes, and whose deadlines pass at the same time.
fn all_at_once(limits: Limits, many: usize, said: &[u8], why: Timeout) {
    let slices = many.div_ceil(SLICE);
    let (turns, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(vec![0; slices + 9])));
    let mut network = Network::new(limits);
    for _ in 0..many {
        let (turns, ends) = (Arc::clone(&turns), Arc::clone(&ends));
        let handler = Probe::new(&Log::default())
            .data(|input, _| Ok(if input.ends_with(b"\n") { input.len() } else { 0 }));
        let client = network.connect(handler.close(move |_| {
            ends.lock().unwrap()[turns.load(Ordering::Relaxed)] += 1;
        }));
        network.send(client, said);
    }
    network.connect(Ticker(Arc::clone(&turns), slices + 8));
    network.advance(T);
    assert_eq!(network.connections(), many + 1);
    network.advance(ms(100));
    let ends = ends.lock().unwrap();
    // Each turn ends a bounded number of them and serves the others, and no turn is idle.
    assert_eq!(ends.iter().sum::<usize>(), many, "{why}");
    assert!(ends.iter().all(|count| *count <= SLICE), "{why}: {ends:?}");
}

#[test]
fn ten_thousand_deadlines_in_one_instant_do_not_hold_up_the_loop() {
    let limits = patient().first_byte(Some(T));
    all_at_once(limits, 10_000, b"", Timeout::FirstByte);
}

#[test]
fn ten_thousand_deadlines_of_messages_do_not_hold_up_the_loop() {
    let limits = patient().idle(Some(T));
    all_at_once(limits, 2_000, b"line\n", Timeout::Idle);
    let limits = patient().message(Some(T));
    all_at_once(limits, 2_000, b"half", Timeout::Message);
}
