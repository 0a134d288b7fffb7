//! The `ping` example: the packets that it accepts as answers, and the program as users run it.

use std::net::UdpSocket;
use std::process::Output;

use crate::net::listening::has_ipv6;
use crate::support::corpus::oracles::icmp::example::{Answer, DATA, Echo, Version};
use crate::support::real::run_example;

const OURS: Echo = Echo { version: Version::V4, id: 0x1234, token: 0x0102_0304_0506_0708 };
const OURS_V6: Echo = Echo { version: Version::V6, ..OURS };

/// The sum of RFC 1071 over a packet that includes its checksum is all ones.
fn is_summed(icmp: &[u8]) -> bool {
    let sum: u32 =
        icmp.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
    (sum & 0xffff) + (sum >> 16) == 0xffff
}

/// The answer of the other end to a request: another type, and with ICMPv4 another checksum (RFC
/// 1624: the type is 8 less, so the sum is 0x0800 more).
fn answered(echo: Echo, sequence: u16) -> Vec<u8> {
    let mut icmp = echo.request(sequence);
    match echo.version {
        Version::V6 => icmp[0] = 129,
        Version::V4 => {
            icmp[0] = 0;
            let sum = u32::from(u16::from_be_bytes([icmp[2], icmp[3]])) + 0x0800;
            let sum = (sum & 0xffff) + (sum >> 16);
            icmp[2..4].copy_from_slice(&(sum as u16).to_be_bytes());
            assert!(is_summed(&icmp));
        }
    }
    icmp
}

/// The packet after a header of IPv4 of this many words.
fn in_ipv4(icmp: &[u8], words: u8) -> Vec<u8> {
    let mut packet = vec![0; usize::from(words) * 4];
    packet[0] = 4 << 4 | words;
    packet[8] = 57;
    packet.extend(icmp);
    packet
}

#[test]
fn a_request_is_as_in_the_standard() {
    let request = OURS.request(0x0a0b);
    assert_eq!((request[..2].to_vec(), request.len()), (vec![8, 0], 8 + DATA));
    assert_eq!(request[4..8], [0x12, 0x34, 0x0a, 0x0b]);
    assert!(is_summed(&request));
    // The kernel inserts the checksum of ICMPv6.
    assert_eq!(OURS_V6.request(1)[..4], [128, 0, 0, 0]);
}

#[test]
fn an_answer_to_a_request_of_ours_is_taken() {
    for (words, sequence) in [(5, 1), (5, 0xffff), (15, 7)] {
        let packet = in_ipv4(&answered(OURS, sequence), words);
        let answer = Answer { sequence, len: 8 + DATA, ttl: Some(57) };
        assert_eq!(OURS.answer(&packet), Some(answer));
    }
    let mut packet = answered(OURS_V6, 7);
    packet[2..4].copy_from_slice(&[0xab, 0xcd]);
    assert_eq!(OURS_V6.answer(&packet), Some(Answer { sequence: 7, len: 8 + DATA, ttl: None }));
}

#[test]
fn other_packets_are_not_taken() {
    let good = in_ipv4(&answered(OURS, 7), 5);
    let others = [
        // Its own request, which loopback returns; and answers to other programs.
        in_ipv4(&OURS.request(7), 5),
        in_ipv4(&answered(Echo { id: 0x1235, ..OURS }, 7), 5),
        in_ipv4(&answered(Echo { token: 1, ..OURS }, 7), 5),
        answered(OURS, 7),
        [&good[..], b"x"].concat(),
    ];
    for packet in others {
        assert_eq!(OURS.answer(&packet), None, "{packet:?}");
    }
    assert_eq!(OURS_V6.answer(&OURS_V6.request(7)), None);
    // Truncated anywhere; a bit flipped anywhere after the header of IP.
    for len in 0..good.len() {
        assert_eq!(OURS.answer(&good[..len]), None, "{len}");
    }
    for bit in 20 * 8..good.len() * 8 {
        let mut packet = good.clone();
        packet[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(OURS.answer(&packet), None, "bit {bit}");
    }
    // A header that claims to be longer than the packet, shorter than any, or of IPv6.
    for first in [0x4f, 0x44, 0x40, 0x65] {
        let mut packet = good.clone();
        packet[0] = first;
        assert_eq!(OURS.answer(&packet), None, "{first:x}");
    }
}

fn ping(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = run_example("ping", arguments);
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn this_host_answers_or_the_privilege_is_missing() {
    let mut hosts = vec!["127.0.0.1", "localhost"];
    if has_ipv6() {
        hosts.push("::1");
    }
    for host in hosts {
        let (code, out, error) =
            ping(&["--count", "3", "--interval", "0", "--timeout", "60", host]);
        if code == Some(0) {
            let lines: Vec<&str> = out.lines().collect();
            assert_eq!(lines.len(), 5, "{out}");
            assert!(lines[0].starts_with(&format!("ping {host} (")), "{out}");
            for (line, sequence) in lines[1..4].iter().zip(1..) {
                assert!(line.starts_with("64 bytes from "), "{line}");
                assert!(line.contains(&format!(": seq={sequence} ")), "{line}");
            }
            assert!(lines[4].starts_with(&format!("--- {host}: 3 sent, 3 received, 0% lost; ")));
            assert_eq!(error, "");
        } else {
            eprintln!("without the privilege: {error}");
            assert_eq!((code, out.as_str()), (Some(1), ""), "{error}");
            assert!(error.starts_with("cannot open a raw socket: run it as root"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}

#[test]
fn bad_arguments_get_one_clear_line_and_exit_2() {
    for arguments in [
        &[][..],
        &["a", "b"],
        &["--count", "0", "::1"],
        &["--count", "65536", "::1"],
        &["--count", "many", "::1"],
        &["--count"],
        &["--timeout", "-1", "::1"],
        &["--timeout", "1e300", "::1"],
        &["--interval", "nan", "::1"],
        &["--nonsense"],
        &["-x"],
    ] {
        let (code, out, error) = ping(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    }
}

#[test]
fn an_invalid_host_is_reported_in_one_line() {
    for host in ["not a host", "two\nlines", "127.0.0.1:80"] {
        let (code, out, error) = ping(&[host]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{host}: {error}");
        let start = format!("cannot find '{}': ", host.escape_debug());
        assert!(error.starts_with(&start) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_host_that_does_not_answer_is_exit_1() {
    // An address for documentation (RFC 5737). If it is not routed, the system reports that.
    let reach = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.connect("198.51.100.1:9"));
    let (code, out, error) = ping(&["--count", "1", "--timeout", "0", "198.51.100.1"]);
    assert_eq!(code, Some(1));
    if error.is_empty() {
        let line = if reach.is_ok() { "no answer: seq=1" } else { "not sent: seq=1: " };
        assert!(out.lines().nth(1).unwrap().starts_with(line), "{out}");
        assert!(out.ends_with("--- 198.51.100.1: 1 sent, 0 received, 100% lost\n"), "{out}");
    }
}
