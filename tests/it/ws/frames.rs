//! The decoder of frames: its messages, its faults with their codes, and its limits.

use std::borrow::Cow;
use std::sync::Arc;

use socketserver::protocol::ws::{CloseCode, Frame, Message, Role, Ws, WsLimits};
use socketserver::testkit::laws;
use socketserver::{Close, Protocol, Step};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame of a client with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ ..=125 => bytes.push(0x80 | u8::try_from(len).unwrap()),
        len @ ..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn show(message: Message<'_>, seen: &mut Vec<u8>) {
    let text = match message {
        Message::Text(text) => format!("text {text}|"),
        Message::Binary(bytes) => format!("binary {}|", bytes.escape_ascii()),
        Message::Ping(bytes) => format!("ping {}|", bytes.escape_ascii()),
        Message::Pong(bytes) => format!("pong {}|", bytes.escape_ascii()),
        Message::Close(code, reason) => format!("close {code} {reason}|"),
        _ => unreachable!(),
    };
    seen.extend_from_slice(text.as_bytes());
}

/// Decodes the input at once. Returns the messages, and the fault if there is one.
fn decode(limits: &WsLimits, input: &[u8]) -> (String, Option<Close>) {
    let mut ws = Ws::new(Role::Server, Arc::new(limits.clone()));
    let (mut input, mut seen, mut used) = (input.to_vec(), Vec::new(), 0);
    let fault = loop {
        match ws.decode(&mut input[used..]) {
            Ok(Step::Message(message, n)) => {
                show(message, &mut seen);
                used += n;
            }
            Ok(Step::Skip(n)) => used += n,
            Ok(Step::NeedMore) => break None,
            Err(why) => break Some(why),
        }
    };
    (String::from_utf8(seen).unwrap(), fault)
}

fn code_of(input: &[u8]) -> u16 {
    match decode(&WsLimits::default(), input) {
        (_, Some(Close::Malformed { code, .. })) => code,
        other => panic!("{} gave {other:?}", input.escape_ascii()),
    }
}

fn valid_inputs() -> Vec<Vec<u8>> {
    vec![
        frame(0x81, "Grüße".as_bytes()),
        frame(0x81, b""),
        [frame(0x82, b"\xff\x00"), frame(0x89, b"are you there?"), frame(0x8a, b"")].concat(),
        [
            frame(0x01, b"Gr\xc3"),
            frame(0x89, b"1"),
            frame(0x00, b""),
            frame(0x00, b"\xbc\xc3"),
            frame(0x8a, b"2"),
            frame(0x80, b"\x9fe"),
            frame(0x81, b"next"),
        ]
        .concat(),
        [frame(0x02, b""), frame(0x80, b"")].concat(),
        [frame(0x82, &[b'x'; 126]), frame(0x88, b"\x03\xe8bye"), b"anything".to_vec()].concat(),
        frame(0x88, b""),
    ]
}

#[test]
fn messages_do_not_depend_on_how_the_input_is_cut() {
    let make = || Ws::new(Role::Server, Arc::new(WsLimits::default().message(300).fragments(5)));
    for input in valid_inputs().into_iter().chain(faults().map(|(_, input)| input)) {
        laws(make, show, &input);
        laws(make, show, &[frame(0x81, b"before"), input.clone()].concat());
        laws(make, show, &[frame(0x01, b"within"), input].concat());
    }
    let many = [frame(0x01, b"a"), frame(0x00, b"").repeat(5)].concat();
    laws(make, show, &many);
    laws(make, show, &[frame(0x01, b"a"), frame(0x80, &[b'a'; 300])].concat());
}

#[test]
fn messages_are_found_in_order_with_control_frames_in_between() {
    let seen = valid_inputs().iter().map(|input| decode(&WsLimits::default(), input)).collect();
    let seen: Vec<(String, Option<Close>)> = seen;
    let x = "x".repeat(126);
    let expected = [
        "text Grüße|",
        "text |",
        r"binary \xff\x00|ping are you there?|pong |",
        "ping 1|pong 2|text Grüße|text next|",
        "binary |",
        &format!("binary {x}|close 1000 bye|"),
        "close 1005 |",
    ];
    assert_eq!(seen, expected.map(|text| (text.to_owned(), None)));
}

/// Inputs that break a rule, with the code to answer with.
fn faults() -> impl Iterator<Item = (u16, Vec<u8>)> {
    let mut faults = vec![
        // Reserved bits and opcodes.
        (1002, frame(0xc1, b"")),
        (1002, frame(0xa1, b"")),
        (1002, frame(0x91, b"")),
        (1002, frame(0x83, b"")),
        (1002, frame(0x87, b"")),
        (1002, frame(0x8b, b"")),
        (1002, frame(0x8f, b"")),
        // No mask.
        (1002, b"\x81\x00".to_vec()),
        // Control frames: too long, and in fragments.
        (1002, frame(0x89, &[0; 126])),
        (1002, frame(0x09, b"")),
        (1002, frame(0x08, b"\x03\xe8")),
        // Fragments out of order.
        (1002, frame(0x80, b"")),
        (1002, frame(0x00, b"")),
        (1002, [frame(0x01, b""), frame(0x81, b"")].concat()),
        (1002, [frame(0x01, b""), frame(0x02, b"")].concat()),
        // Lengths that are not the shortest, or too great.
        (1002, b"\x82\xfe\x00\x7d".to_vec()),
        (1002, b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff".to_vec()),
        (1002, b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00".to_vec()),
        (1009, b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04".to_vec()),
        // Close frames.
        (1002, frame(0x88, b"\x03")),
        (1007, frame(0x88, b"\x03\xe8\xff")),
        // Text that is not UTF-8.
        (1007, frame(0x81, b"a\xff")),
        (1007, frame(0x81, b"a\xc3")),
        (1007, [frame(0x01, b"a\xc3"), frame(0x80, b"")].concat()),
        (1007, [frame(0x01, b"\xed"), frame(0x00, b"\xa0")].concat()),
    ];
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535_u16] {
        faults.push((1002, frame(0x88, &code.to_be_bytes())));
    }
    faults.into_iter()
}

#[test]
fn each_fault_has_its_code() {
    for (code, input) in faults() {
        assert_eq!(code_of(&input), code, "{}", input.escape_ascii());
    }
}

#[test]
fn a_fault_in_a_text_is_found_before_the_frame_is_complete() {
    let input = frame(0x81, b"a\xed\xa0 and more");
    let header = input.len() - b"a\xed\xa0 and more".len();
    assert_eq!(decode(&WsLimits::default(), &input[..header + 2]), (String::new(), None));
    assert_eq!(code_of(&input[..header + 3]), 1007);
}

#[test]
fn a_frame_that_is_too_long_is_refused_by_its_header() {
    let limits = WsLimits::default().frame(1000).message(1500);
    let frame_of = |len| frame(0x82, &vec![0; len])[..8].to_vec();
    let too_big = |why| Some(Close::Malformed { code: 1009, why });
    assert_eq!(decode(&limits, &frame_of(1000)).1, None);
    assert_eq!(decode(&limits, &frame_of(1001)).1, too_big("the frame is too long"));
    let second = [frame(0x02, &[0; 1000]), frame(0x80, &[0; 501])[..8].to_vec()].concat();
    assert_eq!(decode(&limits, &second).1, too_big("the message is too long"));
    let second = [frame(0x02, &[0; 1000]), frame(0x80, &[0; 500])].concat();
    assert_eq!(decode(&limits, &second).1, None);
}

#[test]
fn a_message_of_too_many_frames_is_refused() {
    let limits = WsLimits::default().fragments(3);
    let of = |count: usize| [frame(0x01, b""), frame(0x00, b"").repeat(count - 1)].concat();
    assert_eq!(decode(&limits, &of(3)).1, None);
    let why = "the message has too many frames";
    assert_eq!(decode(&limits, &of(4)).1, Some(Close::Malformed { code: 1008, why }));
}

#[test]
fn a_whole_frame_is_borrowed_and_any_other_message_is_owned() {
    let mut ws = Ws::new(Role::Server, Arc::new(WsLimits::default()));
    let mut input = frame(0x82, b"bytes");
    let step = ws.decode(&mut input).unwrap();
    assert!(matches!(step, Step::Message(Message::Binary(Cow::Borrowed(b"bytes")), 11)));
    let mut input = frame(0x82, b"bytes");
    let (front, back) = input.split_at_mut(8);
    assert_eq!(ws.decode(front), Ok(Step::Skip(8)));
    let step = ws.decode(back).unwrap();
    assert!(matches!(step, Step::Message(Message::Binary(Cow::Owned(_)), 3)));
}

#[test]
fn a_client_takes_frames_without_a_mask_and_no_others() {
    let limits = Arc::new(WsLimits::default());
    let mut ws = Ws::new(Role::Client, Arc::clone(&limits));
    let mut input = Vec::from(Frame::text("Hello"));
    assert_eq!(ws.decode(&mut input), Ok(Step::Message(Message::Text("Hello".into()), 7)));
    let why = "a masked frame";
    let mut masked = frame(0x81, b"Hello");
    let refused = Ws::new(Role::Client, limits).decode(&mut masked);
    assert_eq!(refused, Err(Close::Malformed { code: 1002, why }));
}

#[test]
fn a_reason_is_cut_between_characters() {
    let long = format!("a{}", "ß".repeat(100));
    let bytes = Vec::from(Frame::close(CloseCode::NORMAL, &long));
    assert_eq!(bytes.len(), 2 + 2 + 123);
    assert_eq!(str::from_utf8(&bytes[4..]).unwrap(), &long[..123]);
    let bytes = Vec::from(Frame::close(CloseCode::NORMAL, &long[1..]));
    assert_eq!(bytes.len(), 2 + 2 + 122);
    assert_eq!(Vec::from(Frame::close(CloseCode::ABNORMAL, "x")), b"\x88\x00");
}

#[test]
fn an_announced_length_takes_no_memory() {
    // If it did, the test would need 2 TiB.
    let limits = WsLimits::default().frame(usize::MAX).message(usize::MAX);
    let limits = Arc::new(limits);
    for first in [0x81, 0x82, 0x02] {
        let mut ws = Ws::new(Role::Server, Arc::clone(&limits));
        let mut input = [&[first, 0xff, 0, 0, 2, 0, 0, 0, 0, 0][..], &[0; 4], b"ab"].concat();
        assert_eq!(ws.decode(&mut input), Ok(Step::Skip(16)));
        for _ in 0..100 {
            assert_eq!(ws.decode(&mut [0x37; 1000]), Ok(Step::Skip(1000)));
        }
    }
}
