//! The `frames` example: its protocol, its back-pressure on a network in memory, and the program
//! on sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socketserver::testkit::{Client, Network, laws};
use socketserver::{Close, Framed, Limits, Timeout};

use crate::hub::network::take_all;
use crate::support::real::{Example, read_to_end};

#[path = "../../../examples/frames.rs"]
#[allow(dead_code, reason = "the program is run as a process")]
mod example;

use example::{FRAME_MAX, Frames, Streamer, frame};

const MIB: u64 = 1024 * 1024;

fn request(len: u64) -> Vec<u8> {
    frame(&len.to_be_bytes())
}

/// Takes an answer apart. Returns its bytes, and the rest of the input.
fn answer(mut bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut contents = Vec::new();
    loop {
        let (len, rest) = bytes.split_first_chunk().expect("the answer goes on");
        let (content, rest) = rest.split_at(u32::from_be_bytes(*len) as usize);
        assert!(content.len() <= FRAME_MAX as usize);
        if content.is_empty() {
            return (contents, rest);
        }
        contents.extend(content);
        bytes = rest;
    }
}

/// The bytes of an answer of this length.
fn sequence(len: u64) -> Vec<u8> {
    (0..len).map(|at| at as u8).collect()
}

fn connect(network: &mut Network) -> Client {
    network.connect(Framed::new(Frames, Streamer::default()))
}

#[test]
fn the_protocol_keeps_the_laws() {
    let show = |content: &[u8], seen: &mut Vec<u8>| seen.extend(frame(content));
    let longest = frame(&vec![7; 300]);
    let mut too_long = frame(b"good");
    too_long.extend((FRAME_MAX + 1).to_be_bytes());
    for input in [&frame(b"")[..], &[request(5), request(0)].concat(), &longest, &too_long, b"abc"]
    {
        laws(|| Frames, show, input);
    }
}

#[test]
fn an_answer_has_the_requested_length_however_the_request_is_cut() {
    let lens = [0, 1, 16_384, 16_385, 200_000];
    let input: Vec<u8> = lens.into_iter().flat_map(request).collect();
    for size in [1, 5, 100] {
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network);
        let mut received = Vec::new();
        for part in input.chunks(size) {
            network.send(client, part);
            received.extend(take_all(&mut network, client));
        }
        let mut rest = &received[..];
        for len in lens {
            let (bytes, after) = answer(rest);
            assert!(bytes == sequence(len), "{len} bytes in parts of {size}");
            rest = after;
        }
        assert_eq!(rest, b"");
    }
}

#[test]
fn an_answer_is_not_written_faster_than_it_is_read() {
    let limits = Limits::default();
    let most = limits.output_high + FRAME_MAX as usize + 4;
    let mut network = Network::new(limits);
    let client = connect(&mut network);
    network.window(client, 1000);
    network.send(client, &request(10 * MIB));
    // The next one is left in the socket.
    network.send(client, &request(1));
    let mut received = Vec::new();
    loop {
        network.settle();
        assert!(network.unsent(client) <= most, "{} bytes wait", network.unsent(client));
        let some = network.received(client);
        if some.is_empty() {
            break;
        }
        received.extend(some);
    }
    let (bytes, rest) = answer(&received);
    assert!(bytes == sequence(10 * MIB));
    assert_eq!(answer(rest), (vec![0], &b""[..]));
}

#[test]
fn a_client_that_reads_nothing_is_closed_after_the_write_stall() {
    let stall = Duration::from_secs(20);
    let mut network = Network::new(Limits::default().write_stall(Some(stall)));
    let [slow, other] = [connect(&mut network), connect(&mut network)];
    network.window(slow, 1000);
    network.send(slow, &request(u64::MAX));
    network.advance(stall - Duration::from_secs(1));
    // Every byte that it takes gives it time.
    assert_eq!(network.received(slow).len(), 1000);
    network.advance(stall - Duration::from_secs(1));
    assert_eq!(network.metrics().closed(&Close::Timeout(Timeout::WriteStall)), 0);
    network.advance(Duration::from_secs(2));
    assert_eq!(network.metrics().closed(&Close::Timeout(Timeout::WriteStall)), 1);
    assert!(network.is_closed(slow) && !network.is_closed(other));
    network.send(other, &request(3));
    assert_eq!(answer(&take_all(&mut network, other)).0, [0, 1, 2]);
}

#[test]
fn input_that_is_not_a_request_ends_the_connection() {
    let too_long = (FRAME_MAX + 1).to_be_bytes();
    for input in [&too_long[..], &frame(b""), &frame(b"1234567"), &frame(b"123456789")] {
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network);
        network.send(client, &[&request(2), input].concat());
        assert_eq!(answer(&take_all(&mut network, client)), (vec![0, 1], &b""[..]));
        assert!(network.is_closed(client));
        // It lingers, so that the client receives the answers before a reset.
        network.advance(2 * Limits::default().linger);
        let why = Close::Malformed { code: 0, why: "" };
        assert_eq!(network.metrics().closed(&why), 1, "{:?}", network.metrics());
    }
}

#[test]
fn an_answer_is_completed_after_the_end_of_the_input_and_when_the_server_stops() {
    type Event = fn(&mut Network, Client);
    let events: [Event; 2] = [|network, client| network.shut(client), |network, _| network.stop()];
    for event in events {
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network);
        network.window(client, 1000);
        network.send(client, &request(MIB));
        network.settle();
        event(&mut network, client);
        assert_eq!(answer(&take_all(&mut network, client)).0.len() as u64, MIB);
        assert!(network.is_closed(client));
    }
}

#[test]
fn the_program_streams_and_completes_an_answer_after_a_signal() {
    let example = Example::at("frames", "127.0.0.1:0");
    let mut quick = example.client();
    quick.write_all(&[request(5), request(3)].concat()).unwrap();
    quick.shutdown(Shutdown::Write).unwrap();
    let received = read_to_end(&mut quick);
    let (bytes, rest) = answer(&received);
    assert_eq!((bytes, answer(rest)), (sequence(5), (sequence(3), &b""[..])));

    let mut slow: TcpStream = example.client();
    slow.write_all(&request(32 * MIB)).unwrap();
    slow.read_exact(&mut [0; 4]).unwrap();
    example.signal("TERM");
    let mut received = frame(&[0; FRAME_MAX as usize])[..4].to_vec();
    received.extend(read_to_end(&mut slow));
    assert!(answer(&received).0 == sequence(32 * MIB));
    assert_eq!(example.join(), (Some(0), String::new()));
}
