//! The flow of bytes: unused input, budgets, watermarks of the output, streams.

use std::sync::{Arc, Mutex};

use socketserver::testkit::Network;
use socketserver::{Close, Context, Handler, Limits};

use crate::hub::network::take_all;
use crate::support::handlers::{Echo, Lines, Log, Probe, Told, patient, pattern, tight};
use crate::support::waiting::Rounds;

#[test]
fn unused_input_is_offered_again_with_more_after_it() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    let wants_four = |input: &mut [u8], _: &mut Context<'_>| Ok(input.len() / 4 * 4);
    let client = network.connect(Probe::new(&log).data(wants_four));
    for byte in b"abcdef" {
        network.send(client, &[*byte]);
        network.settle();
    }
    let offers = ["a", "ab", "abc", "abcd", "e", "ef"].map(|s| Told::Data(s.into()));
    assert_eq!(log.told()[1..], offers);
}

#[test]
fn a_message_that_comes_byte_by_byte_is_answered_when_it_is_whole() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Lines);
    let sent = b"one\ntwo\n";
    let mut came = Vec::new();
    for byte in sent {
        network.send(client, &[*byte]);
        network.turn();
        came.extend(network.received(client));
        let whole = came.len();
        assert!(whole == 0 || sent[whole - 1] == b'\n');
    }
    assert_eq!(came, sent);
    assert_eq!(network.calls(client), (8, 2));
}

#[test]
fn as_much_input_as_the_limit_may_pend_and_no_more() {
    let limits = patient().pending_input(1000);
    let log = Log::default();
    let mut network = Network::new(limits);
    let client = network.connect(Probe::new(&log).data(|_, _| Ok(0)));
    network.send(client, &[1; 999]);
    network.settle();
    network.send(client, &[1; 1]);
    network.settle();
    assert!(log.closes().is_empty());
    network.send(client, &[1; 1]);
    network.settle();
    assert_eq!(log.closes(), [Close::InputLimit]);
}

#[test]
fn a_greedy_sender_does_not_hold_up_the_others() {
    let limits = Limits::default().read_budget(100_000);
    let (log, sent) = (Log::default(), pattern(2_000_000));
    let mut network = Network::new(limits);
    let greedy = network.connect(Probe::new(&log));
    let modest = network.connect(Echo);
    network.settle();
    network.send(greedy, &sent);
    network.send(modest, b"me too");
    network.turn();
    assert_eq!(network.received(modest), b"me too");
    assert!(network.unread(greedy) > 1_500_000, "the budget bounds a turn");
    // No second event comes: the server must remember the rest itself.
    network.settle();
    assert_eq!(network.unread(greedy), 0);
    assert!(log.data() == sent);
}

#[test]
fn many_greedy_senders_hold_up_the_others_no_more_than_one() {
    const BUDGET: usize = 100_000;
    // One more read may begin before the budget is used up.
    const ONES_TURN: usize = BUDGET + 64 * 1024;
    let limits = Limits::default().read_budget(BUDGET);
    let mut network = Network::new(limits);
    let greedy = [(); 20].map(|()| network.connect(Probe::new(&Log::default())));
    let modest = network.connect(Echo);
    let sent = vec![1; 2_000_000];
    greedy.iter().for_each(|client| network.send(*client, &sent));
    // Each has one event, and none after it.
    network.turn();
    let unread = |network: &Network| greedy.map(|client| network.unread(client));
    let mut turns = vec![unread(&network)];
    let mut rounds = Rounds::at_most(10_000, "everything has been read");
    while unread(&network).iter().sum::<usize>() > 0 {
        rounds.count(unread(&network));
        network.send(modest, b"me too");
        network.turn();
        assert_eq!(network.received(modest), b"me too");
        let (before, now) = (turns[turns.len() - 1], unread(&network));
        let read: usize = before.iter().zip(now).map(|(before, now)| before - now).sum();
        assert!(0 < read && read <= ONES_TURN, "{read} bytes of the others in one turn");
        let (most, least) = (now.iter().max().unwrap(), now.iter().min().unwrap());
        assert!(most - least <= ONES_TURN, "they are served in turn");
        turns.push(now);
    }
    assert!(turns.len() > 20 * 10);
}

#[test]
fn above_the_high_watermark_nothing_is_read() {
    let mut network = Network::new(tight());
    let client = network.connect(Echo);
    network.window(client, 1);
    network.send(client, &[b'a'; 201]);
    network.settle();
    network.send(client, &[b'b'; 50]);
    network.settle();
    assert_eq!(network.unread(client), 50);
    network.spurious(client);
    network.settle();
    assert_eq!(network.unread(client), 50);
    network.window(client, usize::MAX);
    let came = take_all(&mut network, client);
    assert_eq!(came.len(), 251);
    assert_eq!(network.unread(client), 0);
}

#[test]
fn a_handler_is_done_at_the_high_watermark_and_continues_after_a_drain() {
    let mut network = Network::new(tight());
    let sent: Vec<u8> = (0..100).flat_map(|n| format!("line {n:03}\n").into_bytes()).collect();
    let client = network.connect(Lines);
    network.window(client, 9);
    network.send(client, &sent);
    network.settle();
    assert_eq!(take_all(&mut network, client), sent);

    let seen = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::clone(&seen);
    network.connect(Probe::new(&Log::default()).open(move |cx| {
        for write in [&[0; 199][..], &[0; 1][..]] {
            cx.write(write);
            done.lock().unwrap().push(cx.is_done());
        }
    }));
    network.settle();
    assert_eq!(*seen.lock().unwrap(), [false, true]);
}

#[test]
fn pending_output_counts_towards_the_watermark() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::clone(&seen);
    let mut network = Network::new(tight());
    let client = network.connect(Probe::new(&Log::default()).data(move |input, cx| {
        cx.write(input);
        done.lock().unwrap().push(cx.is_done());
        Ok(input.len())
    }));
    network.window(client, 0);
    for _ in 0..2 {
        network.send(client, &[0; 100]);
        network.settle();
    }
    assert_eq!(*seen.lock().unwrap(), [false, true]);
}

#[test]
fn on_drain_is_called_once_output_has_fallen_to_the_low_watermark() {
    let log = Log::default();
    let mut network = Network::new(tight());
    let client = network.connect(Probe::new(&log).open(|cx| cx.write(&[0; 250])));
    network.window(client, 50);
    network.settle();
    for (pending, drains) in [(200, 0), (150, 0), (100, 1), (50, 1), (0, 1)] {
        assert_eq!(log.count(&Told::Drain), drains, "{pending} bytes pending");
        network.received(client);
        network.settle();
    }
}

/// Sends `left` bytes, as many at a time as there is room for.
struct Stream {
    left: usize,
    written: Arc<Mutex<usize>>,
}

impl Stream {
    fn go_on(&mut self, cx: &mut Context<'_>) {
        while self.left > 0 && !cx.is_done() {
            let n = self.left.min(1000);
            cx.write(&[b's'; 1000][..n]);
            self.left -= n;
            *self.written.lock().unwrap() += n;
        }
        if self.left == 0 {
            cx.close(Close::Done);
        }
    }
}

impl Handler for Stream {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        self.go_on(cx);
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.go_on(cx);
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

#[test]
fn a_stream_keeps_no_more_pending_than_the_high_watermark_and_one_write() {
    const LEN: usize = 10_000_000;
    let (limits, written) = (Limits::default(), Arc::default());
    let most = limits.output_high + 1000;
    let mut network = Network::new(limits);
    let client = network.connect(Stream { left: LEN, written: Arc::clone(&written) });
    network.window(client, 20_000);
    let mut came = 0;
    while came < LEN {
        network.settle();
        let some = network.received(client).len();
        assert!(some > 0, "stuck at {came}");
        came += some;
        assert!(*written.lock().unwrap() - came <= most);
    }
    network.shut(client);
    network.settle();
    assert_eq!((came, network.connections()), (LEN, 0));
}

#[test]
fn a_stream_to_a_fast_reader_does_not_hold_up_the_others() {
    const LEN: usize = 10_000_000;
    let limits = Limits::default();
    let most = limits.read_budget + 2 * limits.output_high;
    let mut network = Network::new(limits);
    let client = network.connect(Stream { left: LEN, written: Arc::default() });
    let other = network.connect(Echo);
    let (mut came, mut turns) = (0, 0);
    while came < LEN {
        network.send(other, b"x");
        network.turn();
        assert_eq!(network.received(other), b"x");
        let some = network.received(client).len();
        assert!(0 < some && some <= most, "{some} bytes in one turn");
        (came, turns) = (came + some, turns + 1);
    }
    assert_eq!(came, LEN);
    assert!(turns > 10);
}
