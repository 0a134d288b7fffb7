//! RESP3: the input that is taken, and the input that is refused.

use socketserver::protocol::resp::{Resp, Token};
use socketserver::testkit::laws;

use crate::support::decoding::{token, tokens};

#[test]
fn every_kind_of_token_is_taken() {
    let input =
        b"+OK\r\n-ERR no\r\n:0\r\n:-12\r\n$4\r\na\r\nb\r\n$0\r\n\r\n_\r\n*2\r\n%1\r\n~0\r\n>3\r\n+";
    let expected = [
        token(Token::Text(b"OK")),
        token(Token::Error(b"ERR no")),
        token(Token::Integer(0)),
        token(Token::Integer(-12)),
        token(Token::Bytes(b"a\r\nb")),
        token(Token::Bytes(b"")),
        token(Token::Null),
        token(Token::Array(2)),
        token(Token::Map(1)),
        token(Token::Set(0)),
        token(Token::Push(3)),
    ];
    assert_eq!(tokens(Resp, input), (expected.to_vec(), 1, None));
    laws(|| Resp, |it, seen| seen.extend_from_slice(token(it).as_bytes()), input);
}

#[test]
fn the_limits_of_numbers_are_exact() {
    for number in [i64::MAX, i64::MIN, 1, -1] {
        let seen = tokens(Resp, format!(":{number}\r\n").as_bytes());
        assert_eq!(seen, (vec![token(Token::Integer(number))], 0, None));
    }
    let most = Resp::ELEMENTS_MAX;
    assert_eq!(tokens(Resp, format!("*{most}\r\n").as_bytes()).0, [token(Token::Array(most))]);
    let most = Resp::BYTES_MAX;
    assert_eq!(
        tokens(Resp, format!("${most}\r\n").as_bytes()),
        (Vec::new(), most.to_string().len() + 3, None)
    );
    let line = [b"+", &[b'x'; Resp::LINE_MAX][..], b"\r\n"].concat();
    assert_eq!(tokens(Resp, &line).0.len(), 1);
}

#[test]
fn hostile_input_is_refused() {
    let long = [b"+", &[b'x'; Resp::LINE_MAX + 1][..]].concat();
    let bytes = format!("${}", Resp::BYTES_MAX + 1);
    let elements = format!("*{}", Resp::ELEMENTS_MAX + 1);
    let cases: &[(&[u8], &str)] = &[
        (b"$+3\r\nabc\r\n", "not a number"),
        (b"$003\r\nabc\r\n", "a number with a leading zero"),
        (b":-0\r\n", "a number with a leading zero"),
        (b"$3\r\nabcXX", "bytes without CRLF at their end"),
        (b"$3\r\nabc\rX", "bytes without CRLF at their end"),
        (b"$2147483647", "a number above its limit"),
        (bytes.as_bytes(), "a number above its limit"),
        (elements.as_bytes(), "a number above its limit"),
        (b"$99999999999999999999", "a number above its limit"),
        (b":9223372036854775808", "a number above its limit"),
        (b":-9223372036854775809", "a number above its limit"),
        (b"$-1\r\n", "not a number"),
        (b"*-1\r\n", "not a number"),
        (b"$\r\n", "not a number"),
        (b"*\r\n", "not a number"),
        (b":-\r\n", "not a number"),
        (b"*?\r\n", "not a number"),
        (b"$3\rX", "a line without CRLF at its end"),
        (b"$3\n", "not a number"),
        (b"+OK\n", "a line without CRLF at its end"),
        (b"+O\rK", "a line without CRLF at its end"),
        (b"_x", "a null with a value"),
        (b",1.5\r\n", "an unknown type"),
        (b"|1\r\n", "an unknown type"),
        (b"\r\n", "an unknown type"),
        (&long, "a line is too long"),
    ];
    for (input, why) in cases {
        let (seen, _, fault) = tokens(Resp, input);
        let shown = input[..input.len().min(30)].escape_ascii();
        assert_eq!((seen.len(), fault), (0, Some(&*format!("RESP: {why}"))), "{shown}");
    }
}

#[test]
fn a_million_nested_arrays_take_neither_stack_nor_memory() {
    let (seen, left, fault) = tokens(Resp, &b"*1\r\n".repeat(1_000_000));
    assert_eq!((seen.len(), left, fault), (1_000_000, 0, None));
}
