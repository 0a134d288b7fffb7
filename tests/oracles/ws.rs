//! WebSocket: frames for both sides, compressed and not, and answers to the handshake of a client.

use std::sync::Arc;

use socketserver::protocol::ws::{
    Agreed, Deflate, Frame, Handshake, HandshakeError, Message, Role, Ws, WsLimits,
};
use socketserver::testkit::laws_in_parts;
use socketserver::{Close, Protocol, Step};

use super::input::Input;

/// The longest messages, one for each variant.
const LIMITS: [usize; 7] = [1 << 20, 300, 1 << 20, 300, 4000, 300, 4000];

/// Checks a decoder of frames against the laws of a protocol, and its messages against the encoder;
/// or checks the handshake of a client.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let flavour = usize::from(input.flavour);
    let Some(limit) = LIMITS.get(flavour) else { return check_answer(&input) };
    let role = if matches!(flavour, 0 | 1 | 4 | 5) { Role::Server } else { Role::Client };
    let is_deflated = flavour >= 4;
    let limits = Arc::new(WsLimits::default().frame(*limit).message(*limit).fragments(20));
    let make = || {
        let ws = Ws::new(role, Arc::clone(&limits));
        if is_deflated { ws.deflated() } else { ws }
    };
    let show = |message: Message<'_>, seen: &mut Vec<u8>| {
        assert!(size(&message) <= *limit, "a message beyond the limit");
        write(&message, Role::Client, is_deflated, seen);
    };
    let (seen, end) = laws_in_parts(make, show, &input.parts());
    match end {
        // The rest is a header, or a control frame.
        Ok(left) => assert!(left < 14 + 125, "{left} bytes are kept"),
        Err(Close::Malformed { code, .. }) => assert!(matches!(code, 1002 | 1007..=1009)),
        Err(other) => panic!("{other}"),
    }
    // Encoded for each side and decoded again, the messages are the same.
    for other in [Role::Server, Role::Client] {
        assert_eq!(encoded_again(&seen, other, is_deflated), seen);
    }
}

fn size(message: &Message<'_>) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) => bytes.len(),
        Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_, reason) => reason.len(),
        _ => unreachable!("there are five kinds"),
    }
}

/// Appends the frame of a message for a decoder of this role.
fn write(message: &Message<'_>, role: Role, is_deflated: bool, out: &mut Vec<u8>) {
    let frame = match message {
        Message::Text(text) => Frame::text(text),
        Message::Binary(bytes) => Frame::binary(bytes),
        Message::Ping(bytes) => Frame::ping(bytes),
        Message::Pong(bytes) => Frame::pong(bytes),
        Message::Close(code, reason) => Frame::close(*code, reason),
        _ => unreachable!("there are five kinds"),
    };
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let deflate = Deflate::accept(b"permessage-deflate").expect("a valid offer");
    match (role, is_deflated) {
        (Role::Client, false) => frame.append(out),
        (Role::Client, true) => frame.append_deflated(out, deflate),
        (Role::Server, false) => frame.append_masked(out, key),
        (Role::Server, true) => frame.append_masked_deflated(out, key, deflate),
    }
}

/// Decodes frames of a server, writes the messages for a decoder of this role, decodes these, and
/// writes them as frames of a server.
fn encoded_again(frames: &[u8], role: Role, is_deflated: bool) -> Vec<u8> {
    let mut there = Vec::new();
    each(frames, Role::Client, is_deflated, |message| {
        write(&message, role, is_deflated, &mut there);
    });
    let mut back = Vec::new();
    each(&there, role, is_deflated, |message| {
        write(&message, Role::Client, is_deflated, &mut back);
    });
    back
}

/// Calls `note` for each message in valid frames.
fn each(frames: &[u8], role: Role, is_deflated: bool, mut note: impl FnMut(Message<'_>)) {
    let ws = Ws::new(role, Arc::new(WsLimits::default()));
    let mut ws = if is_deflated { ws.deflated() } else { ws };
    let (mut bytes, mut used) = (frames.to_vec(), 0);
    while used < bytes.len() {
        match ws.decode(&mut bytes[used..]).expect("the frames are valid") {
            Step::Message(message, n) => {
                note(message);
                used += n;
            }
            Step::Skip(n) => used += n,
            Step::NeedMore => panic!("the frames are whole"),
        }
    }
}

/// The nonce of RFC 6455, section 1.3, and the head of a good answer to it.
const NONCE: [u8; 16] = *b"the sample nonce";
const GOOD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// Checks an answer to a client: the input, and the input after the lines of a good one.
fn check_answer(input: &Input<'_>) {
    let parts = input.parts();
    judge(&parts);
    judge(&[&[GOOD], &*parts].concat());
}

fn judge(parts: &[&[u8]]) {
    let handshake = Handshake::new("ws://example.com").expect("a valid URL");
    let handshake = handshake.subprotocols(["a", "b"]).deflate();
    let whole = parts.concat();
    let expected = handshake.answer(NONCE, &whole);
    let mut len = 0;
    let mut found: Result<Option<(Agreed, usize)>, HandshakeError> = Ok(None);
    for part in parts {
        len += part.len();
        found = handshake.answer(NONCE, &whole[..len]);
        if !matches!(found, Ok(None)) {
            break;
        }
    }
    assert_eq!(found, expected, "{}", whole.escape_ascii());
    match expected {
        Ok(None) => assert!(whole.len() < 16 * 1024, "no end of an answer"),
        Ok(Some((agreed, used))) => {
            assert!(whole[..used].ends_with(b"\r\n\r\n"));
            assert!(matches!(agreed.subprotocol(), None | Some("a" | "b")));
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
}
