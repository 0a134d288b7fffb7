//! The protocol of NATS: operations, written again.

use socketserver::Close;
use socketserver::protocol::nats::{Nats, Token};
use socketserver::testkit::laws_in_parts;

use super::input::Input;

/// Checks the decoder against the laws of a protocol. The operations, written again in their usual
/// form, must be decoded to the same ones.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let (seen, end) = laws_in_parts(|| Nats, show, &input.parts());
    match end {
        Ok(left) => assert!(left <= input.sent.len()),
        Err(why) => assert!(matches!(why, Close::Malformed { code: 0, .. }), "{why}"),
    }
    let again = laws_in_parts(|| Nats, show, &[&seen]);
    assert_eq!(again, (seen, Ok(0)), "written again");
}

fn show(token: Token<'_>, seen: &mut Vec<u8>) {
    let mut put = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| seen.extend_from_slice(part));
        seen.extend_from_slice(b"\r\n");
    };
    match token {
        Token::Info(json) => put(&[b"INFO ", json]),
        Token::Error(why) => put(&[b"-ERR ", why]),
        Token::Ping => put(&[b"PING"]),
        Token::Pong => put(&[b"PONG"]),
        Token::Taken => put(&[b"+OK"]),
        Token::Message(message) => {
            let whole = [message.headers, message.payload].concat();
            let lengths = match message.headers {
                [] => format!("{}", whole.len()),
                headers => format!("{} {}", headers.len(), whole.len()),
            };
            let name = if message.headers.is_empty() { "MSG" } else { "HMSG" };
            let sid = message.subscription.to_string();
            let space = b" ";
            put(&[
                name.as_bytes(),
                space,
                message.subject,
                space,
                sid.as_bytes(),
                space,
                message.reply,
                space,
                lengths.as_bytes(),
                b"\r\n",
                &whole,
            ]);
            // Any text: it must only return.
            let _ = (message.status(), message.header("Nats-Sequence"));
        }
        other => panic!("an unknown token: {other:?}"),
    }
}
