//! The bytes of the protocols that members of a room speak: WebSocket, that of Redis, Socket.IO.
//! Knows no socket.

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
    /// Version 5 over Engine.IO 4 over a WebSocket.
    SocketIo,
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

fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

impl Wire {
    /// The first requests of a client, at a path of the server, each with the end of its answer.
    pub fn opening(self, path: &str) -> Vec<(Vec<u8>, &'static [u8])> {
        let step = |text: String, end: &'static [u8]| (text.into_bytes(), end);
        match (self, path) {
            (Wire::WebSocket, path) => vec![step(upgrade(path), b"\r\n\r\n")],
            (Wire::SocketIo, path) => {
                let path = format!("/socket.io/?EIO=4&transport=websocket&role={path}");
                let mut connect = Vec::new();
                masked(1, b"40", &mut connect);
                // Engine.IO ends its settings with a number, Socket.IO its answer with an id.
                vec![step(upgrade(&path), b"}"), (connect, b"\"}")]
            }
            (Wire::Redis, "/publisher") => vec![step("PING\r\n".into(), b"+PONG\r\n")],
            (Wire::Redis, _) => vec![step(format!("SUBSCRIBE {ROOM}\r\n"), b":1\r\n")],
        }
    }

    /// One message for the room.
    pub fn message(self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Wire::WebSocket => masked(1, &TEXT, &mut out),
            Wire::SocketIo => {
                masked(1, &[b"42[\"line\",\"", &TEXT[..], b"\"]"].concat(), &mut out);
            }
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
            Wire::WebSocket | Wire::SocketIo => read_frames(self, bytes),
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
fn read_frames(wire: Wire, bytes: &[u8]) -> Result<Input, String> {
    let mut input = Input::default();
    while let [first, len, rest @ ..] = &bytes[input.used..] {
        if *len > 125 {
            return Err(format!("a frame of the server begins with {first:02x} {len:02x}"));
        }
        let Some(payload) = rest.get(..usize::from(*len)) else { break };
        match first & 0xf {
            1 if wire == Wire::SocketIo => match payload {
                b"2" => masked(1, b"3", &mut input.output),
                _ => input.messages += u64::from(payload.starts_with(b"42[")),
            },
            1 if payload == TEXT => input.messages += 1,
            9 => masked(10, payload, &mut input.output),
            opcode => return Err(format!("a frame of the server with opcode {opcode}")),
        }
        input.used += 2 + payload.len();
    }
    Ok(input)
}
