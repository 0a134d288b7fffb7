//! Telnet (RFC 854): commands are left out of the text, options are refused, CR NUL ends a line.

use socketserver::protocol::telnet::{TelnetLine, TelnetLines};
use socketserver::services::session::Session;
use socketserver::testkit::{Network, laws};

use crate::hub::network::take_all;
use crate::support::chat::Party;
use crate::support::decoding::decode_all;
use crate::support::handlers::patient;

fn show(line: TelnetLine<'_>, seen: &mut Vec<u8>) {
    match line {
        TelnetLine::Text(text) => seen.extend_from_slice(&text),
        TelnetLine::TooLong => seen.extend_from_slice(b"<too long>"),
        TelnetLine::Refusal([255, verb, option]) => {
            seen.extend_from_slice(format!("<{verb} {option}>").as_bytes());
        }
        TelnetLine::Refusal(other) => panic!("not a command: {other:?}"),
    }
    seen.push(b'|');
}

/// Decodes `input` at once, after the check that every cut gives the same.
fn decode(limit: usize, input: &[u8]) -> String {
    laws(|| TelnetLines::with_limit(limit), show, input);
    let (seen, _) = decode_all(TelnetLines::with_limit(limit), show, input);
    seen.escape_ascii().to_string()
}

#[test]
fn lf_crlf_or_cr_nul_ends_a_line() {
    for (input, lines) in [
        (&b"one\ntwo\r\nthree\r\0four"[..], "one|two|three|"),
        (b"\r\0\n\r\n", "|||"),
        (b"a\0b\r\rc\r\n\r", r"a\x00b\r\rc|"),
        (b"123456\r\0.\n1234567\r\0.\n", "123456|.|<too long>|.|"),
        (b"1234567\r\r\0.\n", "<too long>|.|"),
    ] {
        assert_eq!(decode(6, input), lines, "{}", input.escape_ascii());
    }
}

#[test]
fn commands_are_not_text_and_requests_are_refused() {
    for (input, lines) in [
        (&b"\xff\xfd\x01one\n"[..], "<252 1>|one|"),
        (b"\xff\xfb\x1f\xff\xfc\x1f\xff\xfe\x1fone\n", "<254 31>|one|"),
        (b"o\xff\xfd\x06n\xff\xf1e\r\xff\xf1\0", "<252 6>|one|"),
        (b"one\xff\xfa\x18\x00\nxterm\xff\xff\xf0\xff\xf0\r\n", "one|"),
        (b"\xff\xfd\xff\n", "<252 255>||"),
        // An escaped 255, and one that no command follows.
        (b"a\xff\xffb\n\xff\xff\nc\xffd\xff\n", r"a\xffb|\xff|cd|"),
        // Ctrl-C twice: the data mark is urgent, and the system takes it out of the stream.
        (b"\xff\xf4\xff\xfd\x06\xff\xff\xf4\xff\xfd\x06\xffhello\r\n", "<252 6>|<252 6>|hello|"),
        (b"\xff\xf4\xff\xfd\x06\xff\xf2hello\r\n", "<252 6>|hello|"),
        // Commands do not count, and do not help a line past the limit.
        (b"123\xff\xf1456\n123\xff\xf1456\r\n12345\xff\xff\n", r"123456|123456|12345\xff|"),
        (b"123\xff\xf14567\xff\xfd\x0189\n.\n", "<too long>|<252 1>|.|"),
        (b"123456\xff\xf17\xff\xff\r\xff\xf1\0\n.\n", r"<too long>|"),
        (b"123456\xff\xff8\r\0.\n", "<too long>|.|"),
        (b"123456\r\xff\xf1\n.\n", "<too long>|.|"),
    ] {
        let shown = decode(6, input);
        assert!(shown.starts_with(lines), "{}: {shown}", input.escape_ascii());
    }
}

#[test]
fn any_bytes_keep_the_laws() {
    let bytes = [255, 255, 254, 253, 251, 250, 240, 244, 0, 13, 13, 10, b'a', b'b'];
    socketserver::testkit::seeds(0..300, |seed| {
        let mut random = socketserver::testkit::Random::new(seed + 1);
        let input: Vec<u8> = (0..40).map(|_| bytes[random.below(bytes.len())]).collect();
        laws(|| TelnetLines::with_limit(3), show, &input);
    });
}

#[test]
fn an_endless_option_takes_no_memory() {
    let (mut party, [one, two]) = Party::guests();
    party.send(one, b"hi\xff\xfa\x18");
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..8 {
        party.send(one, &megabyte);
        assert_eq!(party.network.unread(one), 0);
    }
    party.send(one, b"\xff\xf0 there\r\0");
    assert_eq!(party.hear(two), "guest-1: hi there\n");
}

#[test]
fn the_room_hears_no_command_of_telnet() {
    let (mut party, [one, two]) = Party::guests();
    party.send(one, b"\xff\xf4\xff\xfd\x06\xffhello\r\n\xff\xfb\x1fbye\r\0");
    assert_eq!(party.hear(two), "guest-1: hello\nguest-1: bye\n");
    assert_eq!(take_all(&mut party.network, one), b"\xff\xfc\x06\xff\xfe\x1f");
}

#[test]
fn a_session_refuses_options_and_takes_cr_nul() {
    for size in 1..=8 {
        for limits in [Network::new(patient()), Network::with_workers(patient())] {
            let mut network = limits;
            let client = network.connect(Session::new());
            network.send(client, b"\n");
            network.settle();
            take_all(&mut network, client);
            for part in b"\xff\xf4\xff\xfd\x06\xff0\r\0ex\xff\xf1it\r\0".chunks(size) {
                network.send(client, part);
                network.settle();
            }
            let heard = take_all(&mut network, client);
            assert_eq!(heard, [b"\xff\xfc\x06", "您输入的是0".as_bytes()].concat(), "{size}");
            assert!(network.is_closed(client), "in parts of {size}");
        }
    }
}
