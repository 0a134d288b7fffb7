//! The `ping` example: the packets that it accepts as answers, and the program as users run it.

use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};

use socket2::{Domain, Protocol, Socket, Type};

use crate::net::listening::has_ipv6;
use crate::support::corpus::oracles::icmp::errors::{IcmpError, Version};
use crate::support::corpus::oracles::icmp::example::{Answer, DATA, Echo, Kind, Message};
use crate::support::output::{Lines, Program, end_of};
use crate::support::process::signal;
use crate::support::real::{command, example_path, run_example, wait_no_longer_than_patience};

const OURS: Echo =
    Echo { version: Version::V4, kind: Kind::Raw, id: 0x1234, token: 0x0102_0304_0506_0708 };
const OURS_V6: Echo = Echo { version: Version::V6, ..OURS };

/// The sum of RFC 1071 over a packet that includes its checksum is all ones.
fn is_summed(icmp: &[u8]) -> bool {
    let sum: u32 =
        icmp.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
    (sum & 0xffff) + (sum >> 16) == 0xffff
}

/// Sets the checksum (RFC 1071).
fn summed(mut icmp: Vec<u8>) -> Vec<u8> {
    icmp[2..4].fill(0);
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    let sum: u32 = icmp.chunks(2).map(word).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    icmp[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    icmp
}

/// The answer of the other end to a request: another type, and with ICMPv4 another checksum.
fn answered(echo: Echo, sequence: u16) -> Vec<u8> {
    let mut icmp = echo.request(sequence);
    icmp[0] = if echo.version == Version::V4 { 0 } else { 129 };
    if echo.version == Version::V4 { summed(icmp) } else { icmp }
}

/// An error about a packet.
fn error_about(packet: &[u8], kind: u8, code: u8) -> Vec<u8> {
    summed([&[kind, code, 0, 0, 0, 0, 0, 0], packet].concat())
}

fn reply(sequence: u16, len: usize, ttl: Option<u8>) -> Option<Message> {
    Some(Message::Reply(Answer { sequence, len, ttl }))
}

/// The packet after a header of IPv4 of this many words.
fn in_ipv4(icmp: &[u8], words: u8) -> Vec<u8> {
    let mut packet = vec![0; usize::from(words) * 4];
    packet[0] = 4 << 4 | words;
    packet[8] = 57;
    packet[9] = 1;
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
        assert_eq!(OURS.message(&packet), reply(sequence, 8 + DATA, Some(57)));
    }
    let mut packet = answered(OURS_V6, 7);
    packet[2..4].copy_from_slice(&[0xab, 0xcd]);
    assert_eq!(OURS_V6.message(&packet), reply(7, 8 + DATA, None));
    // A datagram socket has its own id, and the header of IP on some systems only.
    let ours = Echo { kind: Kind::Datagram, ..OURS };
    let packet = answered(Echo { id: 77, ..OURS }, 7);
    assert_eq!(ours.message(&packet), reply(7, 8 + DATA, None));
    assert_eq!(ours.message(&in_ipv4(&packet, 5)), reply(7, 8 + DATA, Some(57)));
}

#[test]
fn a_truncated_answer_is_marked() {
    for len in 0..8 + DATA {
        let cut = &answered(OURS, 7)[..len];
        let whole_token = (len >= 16).then_some(len);
        if len >= 8 {
            let expected = whole_token.and_then(|len| reply(7, len, Some(57)));
            assert_eq!(OURS.message(&in_ipv4(&summed(cut.to_vec()), 5)), expected, "{len}");
        }
        let expected = whole_token.and_then(|len| reply(7, len, None));
        assert_eq!(OURS_V6.message(&answered(OURS_V6, 7)[..len]), expected, "{len}");
    }
    for (len, is_truncated) in [(16, true), (7 + DATA, true), (8 + DATA, false)] {
        assert_eq!(Answer { sequence: 1, len, ttl: None }.is_truncated(), is_truncated);
    }
}

#[test]
fn an_error_about_a_request_of_ours_is_taken_and_named() {
    let v6 = |request: &[u8]| {
        let mut packet = [0; 40];
        packet[6] = 58;
        [&packet[..], request].concat()
    };
    let request = OURS.request(7);
    for (kind, code, name) in [
        (3, 1, "destination unreachable: host unreachable (type 3, code 1)"),
        (3, 13, "destination unreachable: communication prohibited (type 3, code 13)"),
        (3, 99, "destination unreachable (type 3, code 99)"),
        (11, 0, "time exceeded: hop limit (type 11, code 0)"),
        (12, 0, "parameter problem: wrong field (type 12, code 0)"),
    ] {
        // A router sends at least the header of the request, and perhaps more than all of it.
        for part in [&request[..8], &request[..], &[&request[..], &[0; 64]].concat()] {
            let packet = in_ipv4(&error_about(&in_ipv4(part, 6), kind, code), 5);
            let Some(Message::Error(7, error)) = OURS.message(&packet) else { panic!("{name}") };
            assert_eq!(error.to_string(), name);
        }
    }
    for (kind, code, name) in [
        (1, 3, "destination unreachable: address unreachable (type 1, code 3)"),
        (2, 0, "packet too big (type 2, code 0)"),
        (3, 0, "time exceeded: hop limit (type 3, code 0)"),
    ] {
        let packet = error_about(&v6(&OURS_V6.request(7)), kind, code);
        let Some(Message::Error(7, error)) = OURS_V6.message(&packet) else { panic!("{name}") };
        assert_eq!(error.to_string(), name);
    }
    // After a redirect the request is still under way.
    assert_eq!(IcmpError::new(Version::V4, 5, 1), None);
}

#[test]
fn other_errors_are_not_taken() {
    let request = OURS.request(7);
    let mut is_udp = in_ipv4(&request, 5);
    is_udp[9] = 17;
    for about in [
        in_ipv4(&Echo { id: 1, ..OURS }.request(7), 5),
        in_ipv4(&Echo { token: 1, ..OURS }.request(7)[..8], 5),
        in_ipv4(&request[..7], 5),
        in_ipv4(&answered(OURS, 7), 5),
        is_udp,
        request.clone(),
        Vec::new(),
    ] {
        assert_eq!(OURS.message(&in_ipv4(&error_about(&about, 3, 1), 5)), None, "{about:?}");
    }
    let good = in_ipv4(&error_about(&in_ipv4(&request, 5), 3, 1), 5);
    assert!(OURS.message(&good).is_some());
    for bit in 20 * 8..good.len() * 8 {
        let mut packet = good.clone();
        packet[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(OURS.message(&packet), None, "bit {bit}");
    }
    // Without a sum to check, the token tells the requests of this process.
    let mut v6 = vec![0; 40];
    v6[6] = 58;
    v6.extend(&OURS_V6.request(7)[..15]);
    assert_eq!(OURS_V6.message(&error_about(&v6, 1, 0)), None);
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
        assert_eq!(OURS.message(&packet), None, "{packet:?}");
    }
    assert_eq!(OURS_V6.message(&OURS_V6.request(7)), None);
    // Truncated anywhere; a bit flipped anywhere after the header of IP.
    for len in 0..good.len() {
        // Without 17 times 0x5a5a, the sum is right.
        let expected = if good.len() - len == 34 { reply(7, 30, Some(57)) } else { None };
        assert_eq!(OURS.message(&good[..len]), expected, "{len}");
    }
    for bit in 20 * 8..good.len() * 8 {
        let mut packet = good.clone();
        packet[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(OURS.message(&packet), None, "bit {bit}");
    }
    // A header that claims to be longer than the packet, shorter than any, or of IPv6.
    for first in [0x4f, 0x44, 0x40, 0x65] {
        let mut packet = good.clone();
        packet[0] = first;
        assert_eq!(OURS.message(&packet), None, "{first:x}");
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

/// Runs a script as root of its own network, with the path of `ping` as `$1`. Returns nothing if
/// that is not permitted here, or if its preparation ends with 77.
fn in_own_network(script: &str) -> Option<String> {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "sh", "-c", script, "sh"]).arg(example_path("ping"));
    let output = command.stderr(Stdio::piped()).output().ok()?;
    let said = String::from_utf8(output.stdout).unwrap();
    if output.status.success() {
        return Some(said);
    }
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(77) || why.contains("unshare"), "{why}{said}");
    eprintln!("left out: {why}");
    None
}

#[test]
fn a_datagram_socket_needs_no_privilege() {
    let script = |range: &str| {
        format!(
            "ip link set lo up && echo {range} > /proc/sys/net/ipv4/ping_group_range || exit 77
             for host in 127.0.0.1 ::1; do
                 setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all \
                     \"$1\" --count 2 --interval 0 --timeout 60 $host 2>&1
             done; true"
        )
    };
    let Some(said) = in_own_network(&script("'0 2147483647'")) else { return };
    for host in ["127.0.0.1", "::1"] {
        assert!(said.contains(&format!("64 bytes from {host}: seq=2 time=")), "{said}");
        assert!(said.contains(&format!("--- {host}: 2 sent, 2 received, 0% lost; ")), "{said}");
    }
    let said = in_own_network(&script("'1 0'")).unwrap();
    assert_eq!(said.lines().count(), 2, "{said}");
    for line in said.lines() {
        assert!(line.starts_with("cannot open a raw socket: run it as root"), "{line}");
        assert!(line.contains("net.ipv4.ping_group_range"), "{line}");
    }
}

#[test]
fn errors_of_a_router_are_named() {
    let script = "
        mount -t tmpfs none /run && ip netns add b && ip link set lo up &&
        ip link add v0 type veth peer name v1 netns b &&
        ip addr add 192.0.2.1/24 dev v0 && ip link set v0 up &&
        ip -n b addr add 192.0.2.2/24 dev v1 && ip -n b link set v1 up &&
        ip netns exec b sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward' &&
        ip -n b route add prohibit 198.51.100.0/24 &&
        ip route add 198.51.100.0/24 via 192.0.2.2 || exit 77
        \"$1\" --count 2 --interval 0 --timeout 60 198.51.100.1
        test $? = 1";
    let Some(said) = in_own_network(script) else { return };
    let error = "destination unreachable: communication prohibited (type 3, code 13)";
    for sequence in [1, 2] {
        let line = format!("from 192.0.2.2: seq={sequence} {error}\n");
        assert!(said.contains(&line), "{said}");
    }
    assert!(said.ends_with("2 sent, 0 received, +2 errors, 100% lost\n"), "{said}");
}

#[test]
fn a_duplicate_is_marked_and_ctrl_c_prints_the_summary() {
    let Ok(other) = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)) else { return };
    let other = UdpSocket::from(other);
    wait_no_longer_than_patience(&other);
    let mut command = command(&example_path("ping"));
    command.args(["--interval", "60", "127.0.0.99"]).stdout(Stdio::piped());
    let mut program = Program::spawn(&mut command);
    let mut lines = Lines::of(program.stdout.take().unwrap());
    lines.until("64 bytes from 127.0.0.99: seq=1 ttl=");
    // Its answer, again.
    loop {
        let mut packet = [0; 256];
        let (len, from) = other.recv_from(&mut packet).unwrap();
        if from.ip().to_string() == "127.0.0.99" && packet[20] == 0 {
            other.send_to(&packet[20..len], "127.0.0.1:0").unwrap();
            break;
        }
    }
    assert!(lines.until("seq=1 ttl=").ends_with(" ms (DUP!)\n"));
    signal(program.id(), "INT");
    let summary = lines.until("---");
    let start = "--- 127.0.0.99: 1 sent, 1 received, +1 duplicates, 0% lost; min/avg/max = ";
    assert!(summary.starts_with(start), "{summary}");
    assert_eq!(end_of(&mut program).code(), Some(0));
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
