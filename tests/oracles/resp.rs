//! RESP3: tokens, written again.

use socketserver::Close;
use socketserver::protocol::resp::{Resp, Token};
use socketserver::testkit::laws_in_parts;

use super::input::Input;

/// Checks the decoder against the laws of a protocol. Each token has a single encoding, so encoding
/// the tokens again must give the input.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let (seen, end) = laws_in_parts(|| Resp, show, &input.parts());
    assert!(input.sent.starts_with(&seen), "written again: {}", seen.escape_ascii());
    match end {
        Ok(left) => assert_eq!(seen.len() + left, input.sent.len()),
        Err(why) => assert!(matches!(why, Close::Malformed { code: 0, .. }), "{why}"),
    }
}

fn show(token: Token<'_>, seen: &mut Vec<u8>) {
    let mut put = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| seen.extend_from_slice(part));
        seen.extend_from_slice(b"\r\n");
    };
    match token {
        Token::Text(text) => put(&[b"+", text]),
        Token::Error(text) => put(&[b"-", text]),
        Token::Bytes(bytes) => put(&[b"$", bytes.len().to_string().as_bytes(), b"\r\n", bytes]),
        Token::Null => put(&[b"_"]),
        Token::Integer(number) => put(&[b":", number.to_string().as_bytes()]),
        Token::Array(count) => put(&[b"*", count.to_string().as_bytes()]),
        Token::Map(count) => put(&[b"%", count.to_string().as_bytes()]),
        Token::Set(count) => put(&[b"~", count.to_string().as_bytes()]),
        Token::Push(count) => put(&[b">", count.to_string().as_bytes()]),
        other => panic!("an unknown token: {other:?}"),
    }
}
