//! Compressed messages: the handshake, the frames, and their limits.

use std::sync::Arc;

use socketserver::protocol::ws::{Deflate, Frame, Message, Role, Ws, WsLimits};
use socketserver::services::web::WebSocket;
use socketserver::testkit::{Network, laws};
use socketserver::{Close, Limits, Protocol, Step};

use super::client::{HANDSHAKE, site};
use super::handshake::Echo;
use crate::support::http::{answers, connect};

/// The compressed "Hello" of RFC 7692, section 7.2.3.1.
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

fn make() -> Ws {
    Ws::new(Role::Client, Arc::new(WsLimits::default().message(1000))).deflated()
}

fn show(message: Message<'_>, seen: &mut Vec<u8>) {
    match message {
        Message::Text(text) => seen.extend_from_slice(text.as_bytes()),
        Message::Binary(bytes) => seen.extend_from_slice(&bytes),
        other => seen.extend_from_slice(format!("{other:?}").as_bytes()),
    }
    seen.push(b'|');
}

/// A frame of a server.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(payload.len()).unwrap()], payload].concat()
}

/// Decodes the input. Returns the messages, or the code of the fault.
fn decode(input: &[u8]) -> Result<String, u16> {
    laws(make, show, input);
    let (mut ws, mut input, mut seen, mut used) = (make(), input.to_vec(), Vec::new(), 0);
    loop {
        match ws.decode(&mut input[used..]) {
            Ok(Step::Message(message, n)) => {
                show(message, &mut seen);
                used += n;
            }
            Ok(Step::Skip(n)) => used += n,
            Ok(Step::NeedMore) => return Ok(String::from_utf8(seen).unwrap()),
            Err(Close::Malformed { code, .. }) => return Err(code),
            Err(why) => panic!("{why}"),
        }
    }
}

#[test]
fn compressed_messages_are_decoded_in_one_frame_and_in_several() {
    let whole = [frame(0xc1, HELLO), frame(0x81, b"plain"), frame(0xc2, HELLO)].concat();
    assert_eq!(decode(&whole), Ok("Hello|plain|Hello|".to_owned()));
    let parts = [
        frame(0x41, &HELLO[..3]),
        frame(0x89, b"?"),
        frame(0x00, &HELLO[3..5]),
        frame(0x80, &HELLO[5..]),
        frame(0xc1, HELLO),
    ];
    assert_eq!(decode(&parts.concat()), Ok("Ping([63])|Hello|Hello|".to_owned()));
    assert_eq!(decode(&frame(0xc1, b"\x00")), Ok("|".to_owned()));
}

#[test]
fn only_the_first_frame_of_a_message_has_the_mark() {
    assert_eq!(decode(&[frame(0x41, HELLO), frame(0xc0, b"")].concat()), Err(1002));
    assert_eq!(decode(&frame(0xc9, b"")), Err(1002));
    assert_eq!(decode(&frame(0xe1, HELLO)), Err(1002));
    let mut plain = Ws::new(Role::Client, Arc::new(WsLimits::default()));
    assert!(plain.decode(&mut frame(0xc1, HELLO)).is_err());
}

#[test]
fn a_message_is_limited_after_it_was_decompressed() {
    let deflate = Deflate::accept(b"permessage-deflate").unwrap();
    for (len, expected) in [(1000, Ok("x".repeat(1000) + "|")), (1001, Err(1009))] {
        let mut bytes = Vec::new();
        Frame::text(&"x".repeat(len)).append_deflated(&mut bytes, deflate);
        assert!(bytes.len() < 100);
        assert_eq!(decode(&bytes), expected);
    }
    assert_eq!(decode(&frame(0xc1, b"\xff\xff\xff")), Err(1007));
}

#[test]
fn the_first_offer_that_is_possible_is_accepted() {
    for (offers, expected) in [
        ("permessage-deflate; client_max_window_bits", Some("")),
        (
            "permessage-deflate; server_max_window_bits=8, x, \
             permessage-deflate; server_max_window_bits=10",
            Some("; server_max_window_bits=10"),
        ),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("x", None),
    ] {
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network, &mut site(WebSocket::new().deflate(), || Echo));
        let field = format!("\r\nSec-WebSocket-Extensions: {offers}\r\n\r\n");
        network.send(client, HANDSHAKE.replace("\r\n\r\n", &field).as_bytes());
        network.settle();
        let answer = answers(&["GET"], &network.received(client)).remove(0);
        let expected = expected.map(|more| {
            let answer = "permessage-deflate; server_no_context_takeover; ";
            format!("{answer}client_no_context_takeover{more}")
        });
        assert_eq!(answer.field("sec-websocket-extensions"), expected.as_deref());

        let text = "x".repeat(500);
        network.send(client, &super::client::masked(Frame::text(&text)));
        network.settle();
        let frame = network.received(client);
        assert_eq!(
            (frame[0], frame.len() < 100),
            match expected {
                Some(_) => (0xc1, true),
                None => (0x81, false),
            }
        );
    }
}
