//! The decoder and the encoder, compared with those of `tungstenite`.

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;

use socketserver::protocol::ws::{CloseCode, Frame, Message, Role, Ws, WsLimits};
use socketserver::testkit::{Random, laws_in_parts};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::{self, WebSocket};

/// A connection in memory: the input is there, the output is kept.
struct Wire {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.input.read(into)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(role: protocol::Role, input: Vec<u8>) -> WebSocket<Wire> {
    let wire = Wire { input: Cursor::new(input), output: Vec::new() };
    WebSocket::from_raw_socket(wire, role, None)
}

/// A text of up to three bytes, or of about the lengths at which the header changes.
fn text(random: &mut Random) -> String {
    let len = match random.below(4) {
        0 => 120 + random.below(10),
        1 => 65_530 + random.below(10),
        _ => random.below(4),
    };
    (0..len).map(|_| ['a', 'ß', '水', '𝄞'][random.below(4)]).collect()
}

fn line(kind: &str, bytes: &[u8]) -> Vec<u8> {
    format!("{kind} {}|", bytes.escape_ascii()).into_bytes()
}

fn show(message: Message<'_>, seen: &mut Vec<u8>) {
    seen.extend(match message {
        Message::Text(text) => line("text", text.as_bytes()),
        Message::Binary(bytes) => line("binary", &bytes),
        Message::Ping(bytes) => line("ping", bytes),
        Message::Pong(bytes) => line("pong", bytes),
        Message::Close(code, reason) => line("close", format!("{code} {reason}").as_bytes()),
        _ => unreachable!(),
    });
}

/// Has the oracle write a message in one to three frames, with pings in between. Returns its line.
fn write_one(client: &mut WebSocket<Wire>, random: &mut Random) -> Vec<u8> {
    use tungstenite::Message::Frame as Raw;
    use tungstenite::protocol::frame::Frame;
    let text = text(random);
    let (data, kind) = match random.below(2) {
        0 => (Data::Text, "text"),
        _ => (Data::Binary, "binary"),
    };
    let mut seen = Vec::new();
    let parts = 1 + random.below(3);
    let mut rest = text.as_bytes();
    for part in 0..parts {
        let is_last = part + 1 == parts;
        let cut = if is_last { rest.len() } else { random.below(rest.len() + 1) };
        let (front, back) = rest.split_at(cut);
        rest = back;
        let opcode = if part == 0 { data } else { Data::Continue };
        let frame = Frame::message(front.to_vec(), OpCode::Data(opcode), is_last);
        client.write(Raw(frame)).unwrap();
        if !is_last {
            client.write(tungstenite::Message::Ping(vec![b'p'; part].into())).unwrap();
            seen.extend(line("ping", &vec![b'p'; part]));
        }
    }
    seen.extend(line(kind, text.as_bytes()));
    seen
}

#[test]
fn messages_of_the_oracle_are_decoded() {
    let limits = Arc::new(WsLimits::default());
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut client = theirs(protocol::Role::Client, Vec::new());
        let expected: Vec<u8> = (0..5).flat_map(|_| write_one(&mut client, &mut random)).collect();
        client.flush().unwrap();
        let bytes = &client.get_ref().output;
        let size = 1 + random.below(bytes.len());
        let parts: Vec<&[u8]> = bytes.chunks(size).collect();
        let make = || Ws::new(Role::Server, Arc::clone(&limits));
        assert_eq!(laws_in_parts(make, show, &parts), (expected, Ok(0)), "seed {seed}");
    }
}

#[test]
fn the_oracle_decodes_our_frames() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut bytes = Vec::new();
        let texts: Vec<String> = (0..5).map(|_| text(&mut random)).collect();
        let is_server = random.below(2) == 0;
        for text in &texts {
            for frame in [Frame::text(text), Frame::binary(text.as_bytes()), Frame::ping(b"p")] {
                match is_server {
                    true => frame.append(&mut bytes),
                    false => frame.append_masked(&mut bytes, [1, 2, 3, seed as u8]),
                }
            }
        }
        let end = Frame::close(CloseCode::RESTART, "until later");
        match is_server {
            true => end.append(&mut bytes),
            false => end.append_masked(&mut bytes, [9, 8, 7, 6]),
        }
        let role = if is_server { protocol::Role::Client } else { protocol::Role::Server };
        let mut oracle = theirs(role, bytes);
        for text in &texts {
            assert_eq!(oracle.read().unwrap(), tungstenite::Message::text(text));
            assert_eq!(oracle.read().unwrap(), tungstenite::Message::binary(text.clone()));
            assert_eq!(oracle.read().unwrap(), tungstenite::Message::Ping("p".into()));
        }
        let tungstenite::Message::Close(Some(close)) = oracle.read().unwrap() else { panic!() };
        assert_eq!((u16::from(close.code), &*close.reason), (1012, "until later"));
    }
}
