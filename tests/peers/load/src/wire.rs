//! The bytes of the protocols that members of a room speak: WebSocket and that of Redis. Knows no
//! socket.

use std::fmt::Write;

/// The text of each message: the length of a line in a chat.
const TEXT: [u8; 64] = [b'x'; 64];
const ROOM: &str = "room";
/// Any key: a server cannot tell a good one.
const MASK: [u8; 4] = [0x5a, 0x17, 0xc3, 0x88];

/// The protocol between a member and its server.
#[derive(Clone, Copy, PartialEq)]
pub enum Wire {
    /// RFC 6455.
    WebSocket,
    /// RESP2, as Redis documents it for `SUBSCRIBE` and `PUBLISH`.
    Redis,
}

/// The content of some input.
#[derive(Default)]
pub struct Input {
    /// The number of messages of the room.
    pub messages: u64,
    /// The bytes of whole messages.
    pub used: usize,
    /// Answers to pings.
    pub output: Vec<u8>,
}

fn masked(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    // Payloads here are shorter than 126 bytes.
    out.extend_from_slice(&[0x80 | opcode, 0x80 | payload.len() as u8]);
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
}

impl Wire {
    /// The first bytes of a client, at a path of the server, and the end of the answer to them.
    pub fn opening(self, path: &str) -> (Vec<u8>, &'static [u8]) {
        let mut text = String::new();
        let end: &[u8] = match (self, path) {
            (Wire::WebSocket, path) => {
                let _ = write!(
                    text,
                    "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                );
                b"\r\n\r\n"
            }
            (Wire::Redis, "/publisher") => {
                text.push_str("PING\r\n");
                b"+PONG\r\n"
            }
            (Wire::Redis, _) => {
                let _ = write!(text, "SUBSCRIBE {ROOM}\r\n");
                b":1\r\n"
            }
        };
        (text.into_bytes(), end)
    }

    /// One message for the room.
    pub fn message(self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Wire::WebSocket => masked(1, &TEXT, &mut out),
            Wire::Redis => {
                let head = format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\n{ROOM}\r\n${}\r\n", TEXT.len());
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(&TEXT);
                out.extend_from_slice(b"\r\n");
            }
        }
        out
    }

    /// Reads the input of a member.
    pub fn read(self, bytes: &[u8]) -> Result<Input, String> {
        match self {
            Wire::WebSocket => read_frames(bytes),
            Wire::Redis => {
                let head = format!("*3\r\n$7\r\nmessage\r\n$4\r\n{ROOM}\r\n${}\r\n", TEXT.len());
                let len = head.len() + TEXT.len() + 2;
                if !bytes.chunks_exact(len).all(|one| one.starts_with(head.as_bytes())) {
                    return Err("not a message of the room".into());
                }
                let messages = bytes.len() / len;
                Ok(Input { messages: messages as u64, used: messages * len, output: Vec::new() })
            }
        }
    }
}

/// Reads the frames of a server. They are short.
fn read_frames(bytes: &[u8]) -> Result<Input, String> {
    let mut input = Input::default();
    while let [first, len, rest @ ..] = &bytes[input.used..] {
        if *len > 125 {
            return Err(format!("a frame of the server begins with {first:02x} {len:02x}"));
        }
        let Some(payload) = rest.get(..usize::from(*len)) else { break };
        match first & 0xf {
            1 if payload == TEXT => input.messages += 1,
            9 => masked(10, payload, &mut input.output),
            opcode => return Err(format!("a frame of the server with opcode {opcode}")),
        }
        input.used += 2 + payload.len();
    }
    Ok(input)
}
