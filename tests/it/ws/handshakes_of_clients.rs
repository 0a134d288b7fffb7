//! The handshake of a client: its request, and each rule that an answer may break.

use socketserver::protocol::ws::{Agreed, Handshake, HandshakeError, accept_key};

const NONCE: [u8; 16] = *b"the sample nonce";

/// The request as text, and a good answer to it with these lines in addition.
fn handshake(more: &str) -> (Handshake, String) {
    let handshake = Handshake::new("ws://example.com:9001/chat?a=b").unwrap();
    let handshake = handshake.subprotocols(["chat", "not a token", "chat.v1"]).deflate();
    let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
         Connection: keep-alive, upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    );
    (handshake, answer)
}

type Outcome = Result<Option<(Agreed, usize)>, HandshakeError>;

/// The outcome of an answer, which is the same however it is cut.
fn outcome(handshake: &Handshake, answer: &str) -> Outcome {
    let whole = handshake.answer(NONCE, answer.as_bytes());
    let mut early = None;
    for end in 0..answer.len() {
        match handshake.answer(NONCE, &answer.as_bytes()[..end]) {
            Ok(None) if early.is_none() => {}
            found => {
                let before = early.get_or_insert_with(|| found.clone());
                assert_eq!(*before, found, "cut at {end}");
            }
        }
    }
    assert_eq!(early.unwrap_or_else(|| whole.clone()), whole);
    whole
}

#[test]
fn the_request_has_the_fields_of_the_rfc() {
    let (handshake, _) = handshake("");
    let request = String::from_utf8(handshake.request(NONCE)).unwrap();
    let expected = "GET /chat?a=b HTTP/1.1\r\nHost: example.com:9001\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, chat.v1\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
        client_no_context_takeover; client_max_window_bits\r\n\r\n";
    assert_eq!(request, expected);
}

#[test]
fn an_answer_tells_the_agreement_and_its_length() {
    let deflate = "permessage-deflate; server_no_context_takeover; client_max_window_bits=10";
    for (more, subprotocol, deflates) in [
        (String::new(), None, false),
        ("Sec-WebSocket-Protocol: chat.v1\r\n".to_owned(), Some("chat.v1"), false),
        (format!("Sec-WebSocket-Extensions: {deflate}\r\nX:\r\n"), None, true),
        ("Sec-WebSocket-Extensions: \r\n".to_owned(), None, false),
    ] {
        let (handshake, answer) = handshake(&more);
        let (agreed, used) =
            outcome(&handshake, &(answer.clone() + "\x01frames")).unwrap().unwrap();
        assert_eq!((agreed.subprotocol(), used), (subprotocol, answer.len()));
        assert_eq!(agreed.deflate().is_some(), deflates);
    }
}

#[test]
fn each_broken_rule_has_its_error() {
    let (handshake, good) = handshake("");
    let with = |more: &str| good.replace("\r\n\r\n", &format!("\r\n{more}\r\n\r\n"));
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    for (answer, expected) in [
        ("SSH-2.0-OpenSSH\r\n".to_owned(), HandshakeError::Malformed),
        (good.replace("HTTP/1.1", "HTTP/1.0"), HandshakeError::Malformed),
        (good.replace("101", "1x1"), HandshakeError::Malformed),
        (good.replace("101", "/01"), HandshakeError::Malformed),
        (good.replace("101 ", "1010"), HandshakeError::Malformed),
        (with(" folded"), HandshakeError::Malformed),
        (with("no colon"), HandshakeError::Malformed),
        (with("a : b"), HandshakeError::Malformed),
        (with("a: b\nc: d"), HandshakeError::Malformed),
        (with("a: \0"), HandshakeError::Malformed),
        (good.replace("101", "200"), HandshakeError::Status(200)),
        ("HTTP/1.1 403\r\n\r\n".to_owned(), HandshakeError::Status(403)),
        (good.replace("WebSocket\r\n", "h2c\r\n"), HandshakeError::Upgrade),
        (good.replace("keep-alive, upgrade", "keep-alive"), HandshakeError::Upgrade),
        (good.replace(accept, "AAAALMBiTxaQ9kYGzzhZRbK+xOo="), HandshakeError::Accept),
        (good.replace("Sec-WebSocket-Accept", "X"), HandshakeError::Accept),
        (good.replace(accept, &accept.to_lowercase()), HandshakeError::Accept),
        (with(&format!("Sec-WebSocket-Accept: {accept}")), HandshakeError::Accept),
        (with("Sec-WebSocket-Protocol: other"), HandshakeError::Subprotocol),
        (with("Sec-WebSocket-Protocol: Chat"), HandshakeError::Subprotocol),
        (with("Sec-WebSocket-Protocol: chat, chat.v1"), HandshakeError::Subprotocol),
        (with("Sec-WebSocket-Extensions: x"), HandshakeError::Extension),
        (with("Sec-WebSocket-Extensions: permessage-deflate"), HandshakeError::Extension),
        (
            good.replace("\r\n\r\n", &format!("\r\nX: {}", "x".repeat(16384))),
            HandshakeError::TooLong,
        ),
    ] {
        assert_eq!(outcome(&handshake, &answer), Err(expected), "{answer}");
    }
    let plain = Handshake::new("ws://example.com").unwrap();
    let deflate = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover";
    assert_eq!(outcome(&plain, &with(deflate)), Err(HandshakeError::Extension));
    let subprotocol = with("Sec-WebSocket-Protocol: chat");
    assert_eq!(outcome(&plain, &subprotocol), Err(HandshakeError::Subprotocol));
}

#[test]
fn the_longest_head_is_accepted() {
    let (handshake, good) = handshake("");
    for (len, is_accepted) in [(16 * 1024, true), (16 * 1024 + 1, false)] {
        let more = format!("\r\nX: {}\r\n\r\n", "x".repeat(len - good.len() - "X: \r\n".len()));
        let answer = good.replace("\r\n\r\n", &more);
        assert_eq!(answer.len(), len);
        assert_eq!(handshake.answer(NONCE, answer.as_bytes()).is_ok(), is_accepted);
    }
}
