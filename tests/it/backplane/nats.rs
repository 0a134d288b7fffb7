//! The protocol of NATS: the input that is taken, and the input that is refused.

use socketserver::protocol::nats::{Message, Nats, Token};
use socketserver::testkit::laws;

use crate::support::decoding::{token, tokens};

#[test]
fn every_kind_of_token_is_taken() {
    let input = b"INFO {\"a\":1} \r\nMSG a.b 7  5\r\nhe\r\no\r\nmsg\ta 8 r 0\r\n\r\nPING\r\npong \r\n+OK\r\n\
        -ERR 'no'\r\nHMSG a 7 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
        HMSG a 7 r 25 27\r\nNATS/1.0\r\nColour: red\r\n\r\nhi\r\nPI";
    let message = |subscription, reply, headers, payload| {
        token(Token::Message(Message { subject: b"a", subscription, reply, headers, payload }))
    };
    let first =
        Message { subject: b"a.b", subscription: 7, reply: b"", headers: b"", payload: b"he\r\no" };
    let expected = [
        token(Token::Info(b"{\"a\":1}")),
        token(Token::Message(first)),
        message(8, b"r", b"", b""),
        token(Token::Ping),
        token(Token::Pong),
        token(Token::Taken),
        token(Token::Error(b"'no'")),
        message(7, b"", b"NATS/1.0 503\r\n\r\n", b""),
        message(7, b"r", b"NATS/1.0\r\nColour: red\r\n\r\n", b"hi"),
    ];
    assert_eq!(tokens(Nats, input), (expected.to_vec(), 2, None));
    laws(|| Nats, |it, seen| seen.extend_from_slice(token(it).as_bytes()), input);
}

#[test]
fn the_limits_are_exact() {
    let bytes = vec![b'x'; Nats::BYTES_MAX];
    let message = [format!("MSG a 1 {}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat();
    assert_eq!(tokens(Nats, &message).0.len(), 1);
    let line = |name: &str, length| [name.as_bytes(), &vec![b'x'; length - name.len()]].concat();
    for (name, most) in [("INFO ", Nats::LINE_MAX), ("-ERR ", Nats::MESSAGE_LINE_MAX)] {
        assert_eq!(tokens(Nats, &[&line(name, most)[..], b"\r\n"].concat()).0.len(), 1, "{name}");
        assert_eq!(tokens(Nats, &line(name, most)), (Vec::new(), most, None), "{name}");
        let too_long = tokens(Nats, &line(name, most + 1)).2;
        assert_eq!(too_long, Some("NATS: a line is too long"), "{name}");
    }
    assert_eq!(tokens(Nats, b"MSG a 18446744073709551615 0\r\n\r\n").0.len(), 1);
}

#[test]
fn hostile_input_is_refused() {
    let above = format!("MSG a 1 {}\r\n", Nats::BYTES_MAX + 1);
    let cases: &[(&[u8], &str)] = &[
        (b"X", "an unknown operation"),
        (b"\r\n", "an unknown operation"),
        (b"MSGS a 1 0\r\n", "an unknown operation"),
        (b"PING x\r\n", "an unknown operation"),
        (b"+OKAY\r\n", "an unknown operation"),
        (b"PING\n", "a line without CRLF at its end"),
        (b"PING\rX", "a line without CRLF at its end"),
        (b"MSG\r\n", "a message with missing fields"),
        (b"MSG a 1\r\n", "a message with missing fields"),
        (b"MSG a 1 b c d e\r\n", "too many fields"),
        (b"MSG a 1 b c d\r\n", "a message with missing fields"),
        (b"HMSG a 1 0\r\n", "a message with missing fields"),
        (b"MSG a b 0\r\n", "not a number"),
        (b"MSG a 1 -1\r\n", "not a number"),
        (b"MSG a 1 +1\r\n", "not a number"),
        (b"MSG a 18446744073709551616 0\r\n", "a number above its limit"),
        (b"MSG a 1 99999999999999999999\r\n", "a number above its limit"),
        (above.as_bytes(), "a number above its limit"),
        (b"MSG a 1 1\r\nabc", "a message without CRLF at its end"),
        (b"MSG a 1 1\r\na\rX", "a message without CRLF at its end"),
        (b"HMSG a 1 13 12\r\n", "headers longer than their message"),
        (b"HMSG a 1 0 2\r\nab\r\n", "headers of an unknown form"),
        (b"HMSG a 1 12 12\r\nNATS/2.0\r\n\r\n\r\n", "headers of an unknown form"),
        (b"HMSG a 1 12 12\r\nNATS/1.0 abc\r\n", "headers of an unknown form"),
    ];
    for (input, why) in cases {
        let (seen, _, fault) = tokens(Nats, input);
        let shown = input[..input.len().min(30)].escape_ascii();
        assert_eq!((seen.len(), fault), (0, Some(&*format!("NATS: {why}"))), "{shown}");
    }
}
