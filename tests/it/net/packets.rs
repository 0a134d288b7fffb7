//! Connections that preserve the boundaries of packets, in memory: one write is one packet, and
//! stays one whatever else happens.

use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Limits, SlowConsumer, Topic};

use crate::support::handlers::{Echo, Lines, Log, Probe, Told, patient, pattern, relay, tight};

/// The largest packet in these tests.
const LARGEST: usize = 200_000;

fn packets(network: &mut Network, handler: impl socketserver::Handler + 'static) -> Client {
    let client = network.connect(handler);
    network.packets(client, LARGEST);
    client
}

/// All packets that the client has received, as text.
fn heard(network: &mut Network, client: Client) -> Vec<String> {
    let next = || network.received_packet(client);
    std::iter::from_fn(next).map(|packet| String::from_utf8(packet).unwrap()).collect()
}

/// All packets of a client with a window, until no more come.
fn heard_slowly(network: &mut Network, client: Client) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        network.settle();
        match network.received_packet(client) {
            Some(packet) => all.push(String::from_utf8(packet).unwrap()),
            None => return all,
        }
    }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[test]
fn a_packet_is_offered_alone_and_answered_by_one() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    let twice = |input: &mut [u8], cx: &mut Context<'_>| {
        cx.write(input);
        cx.write(input);
        Ok(input.len())
    };
    let client = packets(&mut network, Probe::new(&log).data(twice));
    for packet in ["a", "bc", "def"] {
        network.send(client, packet.as_bytes());
    }
    network.settle();
    assert_eq!(log.told()[1..], ["a", "bc", "def"].map(|s| Told::Data(s.into())));
    assert_eq!(heard(&mut network, client), ["aa", "bcbc", "defdef"]);
}

#[test]
fn the_output_of_each_call_is_a_packet() {
    let mut network = Network::new(patient());
    let greet = |cx: &mut Context<'_>| {
        cx.write(b"hel");
        cx.write(b"lo");
        cx.set_timer(0, Duration::ZERO);
        let id = cx.id();
        cx.send(id, *b"note to self");
        cx.send(id, *b"another");
    };
    let probe = Probe::new(&Log::default())
        .open(greet)
        .wake(|cx| cx.write(b"wake"))
        .eof(|cx| {
            cx.write(b"bye");
            cx.close(Close::Eof);
        })
        .data(|input, cx| {
            cx.write(input);
            Ok(input.len())
        });
    let client = packets(&mut network, probe);
    network.turn();
    network.send(client, b"data");
    network.settle();
    network.shut(client);
    network.settle();
    let heard = heard(&mut network, client);
    assert_eq!(heard, ["hello", "note to self", "another", "data", "wake", "bye"]);
    assert!(network.is_closed(client));
}

#[test]
fn unused_bytes_of_a_packet_are_dropped() {
    let log = Log::default();
    let mut network = Network::new(Limits::default());
    let client = packets(&mut network, Probe::new(&log).data(|_, _| Ok(1)));
    network.send(client, b"abc");
    network.send(client, b"def");
    network.settle();
    assert_eq!(log.told()[1..], ["abc", "def"].map(|s| Told::Data(s.into())));
}

#[test]
fn a_handler_that_pauses_within_a_packet_is_offered_its_rest_alone() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let pausing = |input: &mut [u8], cx: &mut Context<'_>| {
        cx.pause();
        cx.set_timer(0, Duration::from_secs(1));
        Ok(input.len().min(2))
    };
    let client = packets(&mut network, Probe::new(&log).data(pausing).wake(|cx| cx.resume()));
    for packet in ["abcde", "fg"] {
        network.send(client, packet.as_bytes());
    }
    network.advance(Duration::from_secs(10));
    let offers: Vec<Told> =
        log.told().into_iter().filter(|told| matches!(told, Told::Data(_))).collect();
    assert_eq!(offers, ["abcde", "cde", "e", "fg"].map(|s| Told::Data(s.into())));
}

#[test]
fn a_handler_that_is_full_within_a_packet_is_offered_its_rest_alone() {
    let mut network = Network::new(tight());
    let client = packets(&mut network, Lines);
    network.window(client, 1);
    let lines = format!("{}\n", "x".repeat(149));
    // No line of the first packet may be joined to the rest without an end of the second.
    network.send(client, lines.repeat(4).as_bytes());
    network.send(client, b"no end");
    network.send(client, b"end\n");
    let heard = heard_slowly(&mut network, client);
    assert_eq!(heard, [lines.repeat(2), lines.repeat(2), "end\n".to_owned()]);
}

#[test]
fn an_upgrade_within_a_packet_gets_its_rest() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let after = Probe::new(&log).open(|cx| cx.write(b"new"));
    let mut after = Some(after);
    let before = Probe::new(&Log::default()).data(move |_, cx| {
        cx.write(b"old");
        cx.upgrade(after.take().unwrap());
        Ok(1)
    });
    let client = packets(&mut network, before);
    network.send(client, b"abc");
    network.send(client, b"def");
    network.settle();
    assert_eq!(log.told(), [Told::Open, Told::Data("bc".into()), Told::Data("def".into())]);
    assert_eq!(heard(&mut network, client), ["old", "new"]);
}

#[test]
fn packets_that_wait_stay_apart_and_in_order() {
    let mut network = Network::new(tight());
    let client = packets(&mut network, Echo);
    network.window(client, 1);
    for n in 0..100 {
        network.send(client, n.to_string().as_bytes());
    }
    network.settle();
    assert!(network.unread(client) > 100, "small packets fill the output too");
    assert_eq!(heard_slowly(&mut network, client), numbers(0..100));
    assert_eq!(network.unread(client), 0);
}

#[test]
fn packets_that_were_taken_count_no_more() {
    let limits = patient().output_low(2000).output_high(4000);
    let mut network = Network::new(limits);
    let client = packets(&mut network, Echo);
    network.window(client, 1);
    for _ in 0..20 {
        network.send(client, &[b'x'; 100]);
    }
    network.settle();
    // One is in the window. Seven are above the high watermark, because each counts 512 bytes
    // extra, so the next call is the last. Three are below the low watermark.
    assert_eq!(network.unread(client), 1100);
    for left in [1100, 1100, 1100, 1100, 600] {
        assert!(network.received_packet(client).is_some());
        network.settle();
        assert_eq!(network.unread(client), left);
    }
}

#[test]
fn output_from_others_makes_separate_packets() {
    let mut network = Network::new(patient());
    let client = packets(&mut network, Probe::new(&Log::default()));
    network.window(client, 0);
    let others: [Client; 3] = [(); 3].map(|()| network.connect(relay(network.id(client))));
    for (n, other) in others.iter().cycle().take(9).enumerate() {
        network.send(*other, n.to_string().as_bytes());
        network.settle();
    }
    network.window(client, 1);
    network.spurious(client);
    assert_eq!(heard_slowly(&mut network, client), numbers(0..9));
}

/// A member of `topics` that publishes its input to the first of them.
fn member(topics: &'static [&str]) -> Probe {
    let join = |cx: &mut Context<'_>| topics.iter().for_each(|topic| cx.join(&Topic::new(topic)));
    Probe::new(&Log::default()).open(join).data(|input, cx| {
        cx.publish(&Topic::new(topics[0]), &*input);
        Ok(input.len())
    })
}

#[test]
fn each_message_that_is_published_is_a_packet() {
    let mut network = Network::new(patient());
    let ann = packets(&mut network, member(&["a"]));
    let bob = packets(&mut network, member(&["a"]));
    let both = packets(&mut network, member(&["b", "a"]));
    let stream = network.connect(member(&["a"]));
    network.settle();
    for (client, text) in [(ann, "1"), (bob, "2"), (ann, "3"), (both, "b")] {
        network.send(client, text.as_bytes());
    }
    network.publish(&Topic::new("b"), b"4");
    network.turn();
    assert_eq!(heard(&mut network, ann), ["2"]);
    assert_eq!(heard(&mut network, bob), ["1", "3"]);
    let mut heard = heard(&mut network, both);
    heard.sort();
    assert_eq!(heard, ["1", "2", "3", "4"]);
    assert_eq!((network.received(stream), network.calls(stream).1), (b"132".to_vec(), 1));
}

#[test]
fn many_messages_to_packets_do_not_hold_the_loop() {
    let mut network = Network::new(patient().output_hard(100_000));
    let member_of_packets = packets(&mut network, member(&["a"]));
    let stream = network.connect(member(&["a"]));
    let modest = network.connect(Echo);
    network.settle();
    for n in 0..10_000 {
        network.publish(&Topic::new("a"), n.to_string().as_bytes());
    }
    network.send(modest, b"me too");
    network.turn();
    assert_eq!(network.received(modest), b"me too");
    let mut all = heard(&mut network, member_of_packets);
    assert!(all.len() < 10_000);
    network.settle();
    all.extend(heard(&mut network, member_of_packets));
    assert!(all == numbers(0..10_000), "each once and in order");
    assert!(network.received(stream) == numbers(0..10_000).concat().as_bytes());
}

/// The packets for a member that reads nothing while 0 to 9 are published, 400 bytes each.
fn slow(policy: SlowConsumer) -> (Vec<String>, Vec<Close>) {
    // A packet counts 512 bytes extra: three are queued.
    let limits = tight().slow_consumer(policy).output_hard(2000);
    let mut network = Network::new(limits);
    let log = Log::default();
    let client = packets(&mut network, Probe::new(&log).open(|cx| cx.join(&Topic::new("a"))));
    network.window(client, 1);
    network.settle();
    for n in 0..10 {
        network.publish(&Topic::new("a"), n.to_string().repeat(400).as_bytes());
        network.settle();
    }
    let packets = heard_slowly(&mut network, client);
    assert!(packets.iter().all(|packet| packet.len() == 400));
    (packets.iter().map(|packet| packet[..1].to_owned()).collect(), log.closes())
}

#[test]
fn a_slow_consumer_loses_whole_packets() {
    assert_eq!(slow(SlowConsumer::DropNewest), (numbers(0..4), Vec::new()));
    let (heard, closes) = slow(SlowConsumer::DropOldest);
    assert_eq!((heard.first().unwrap().as_str(), closes), ("0", Vec::new()));
    assert_eq!(heard[1..], numbers(10 - heard.len() as u32 + 1..10));
    assert_eq!(slow(SlowConsumer::Close).1, [Close::SlowConsumer]);
}

#[test]
fn an_empty_packet_is_the_end_and_none_is_sent() {
    let log = Log::default();
    let mut network = Network::new(patient());
    let nothing = |cx: &mut Context<'_>| {
        cx.join(&Topic::new("a"));
        cx.write(b"");
        let id = cx.id();
        cx.send(id, *b"");
    };
    let client = packets(&mut network, Probe::new(&log).open(nothing));
    network.settle();
    network.publish(&Topic::new("a"), b"");
    network.send(client, b"something");
    network.send(client, b"");
    network.send(client, b"behind the end");
    network.settle();
    let told = [Told::Open, Told::Data("something".into()), Told::Eof, Told::Close(Close::Eof)];
    assert_eq!(log.told(), told);
    assert_eq!(heard(&mut network, client), Vec::<String>::new());
}

#[test]
fn a_packet_of_64_kib_comes_whole_and_a_longer_one_ends_its_connection() {
    let log = Log::default();
    let limits = patient().pending_input(1).read_budget(1);
    let mut network = Network::new(limits);
    let client = packets(&mut network, Probe::new(&log));
    let sent = pattern(64 * 1024 + 1);
    network.send(client, &sent[1..]);
    network.settle();
    assert!(log.data() == sent[1..]);
    network.send(client, &sent);
    network.settle();
    assert!(log.data() == sent[1..]);
    assert_eq!(log.closes(), [Close::InputLimit]);
    assert!(network.is_closed(client));
}

#[test]
fn a_packet_that_its_socket_cannot_take_ends_its_connection() {
    for (len, closes) in
        [(LARGEST, vec![]), (LARGEST + 1, vec![Close::PacketTooLong { bytes: LARGEST + 1 }])]
    {
        let log = Log::default();
        let mut network = Network::new(patient());
        let probe = Probe::new(&log).data(move |input, cx| {
            cx.write(&pattern(len));
            Ok(input.len())
        });
        let client = packets(&mut network, probe);
        network.send(client, b"go");
        network.settle();
        assert_eq!(network.is_closed(client), !closes.is_empty());
        assert_eq!(log.closes(), closes);
    }
    let text = Close::PacketTooLong { bytes: 300_000 }.to_string();
    assert_eq!(text, "a packet of 300000 bytes is too long for its socket");
}

#[test]
fn many_small_packets_do_not_hold_the_loop() {
    let log = Log::default();
    let mut network = Network::new(Limits::default().read_budget(256 * 1024));
    let client = packets(&mut network, Probe::new(&log));
    for _ in 0..1000 {
        network.send(client, b"x");
    }
    network.turn();
    assert_eq!(network.unread(client), 1000 - 64);
    network.settle();
    assert_eq!(log.data().len(), 1000);
}

#[test]
fn a_fast_reader_of_many_answers_does_not_hold_the_loop() {
    let mut network = Network::new(Limits::default().read_budget(256 * 1024));
    let probe = Probe::new(&Log::default()).data(|input, cx| {
        cx.write(&[input[0]; 100_000]);
        Ok(input.len())
    });
    let client = packets(&mut network, probe);
    for n in 0..50 {
        network.send(client, &[n]);
    }
    network.turn();
    assert_eq!(network.unread(client), 50 - 3, "what was written counts, too");
    network.settle();
    let firsts = heard(&mut network, client).into_iter().map(|packet| packet.as_bytes()[0]);
    assert_eq!(firsts.collect::<Vec<u8>>(), (0..50).collect::<Vec<u8>>());
}

#[test]
fn the_end_comes_after_all_packets() {
    let mut network = Network::new(patient());
    let finish = |cx: &mut Context<'_>| {
        cx.write(b"last");
        cx.finish();
    };
    let probe = Probe::new(&Log::default()).open(|cx| cx.write(b"first")).eof(finish);
    let client = packets(&mut network, probe);
    network.window(client, 1);
    network.settle();
    network.shut(client);
    network.settle();
    assert!(!network.is_closed(client), "the last packet waits");
    assert_eq!(heard_slowly(&mut network, client), ["first", "last"]);
    assert!(network.is_closed(client) && !network.is_reset(client));
}
