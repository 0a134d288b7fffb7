//! A binary protocol whose frames begin with their length, and a server that streams its answers
//! no faster than each client reads.
//! `cargo run --example frames`, or with an address: `-- 127.0.0.1:0`.
//!
//! A frame is a length in four bytes, the highest first, and that many bytes. A request is a frame
//! of eight bytes: a number, the highest byte first. The answer is that many bytes in frames of any
//! length, and then an empty frame.

use std::io::{self, Write};
use std::ops::Range;
use std::{env, process};

use socketserver::{Close, Context, Framed, MessageHandler, Protocol, Server, Step};

/// The most bytes of a frame, without its length.
pub(crate) const FRAME_MAX: u32 = 16 * 1024;

/// The protocol. A message is the content of a frame.
pub(crate) struct Frames;

impl Protocol for Frames {
    type Message<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<&'a [u8]>, Close> {
        let Some((len, rest)) = input.split_first_chunk() else { return Ok(Step::NeedMore) };
        let len = u32::from_be_bytes(*len);
        if len > FRAME_MAX {
            return Err(Close::Malformed { code: 0, why: "the frame is too long" });
        }
        Ok(match rest.get(..len as usize) {
            Some(content) => Step::Message(content, 4 + content.len()),
            None => Step::NeedMore,
        })
    }
}

/// Returns the frame with this content, which must not be longer than [`FRAME_MAX`].
pub(crate) fn frame(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes(), content].concat()
}

/// A connection. It answers one request after the other.
#[derive(Default)]
pub(crate) struct Streamer {
    /// The bytes of the current answer that were not written yet.
    rest: Option<Range<u64>>,
}

impl Streamer {
    /// Writes frames until the answer is complete, or until the client has enough to read.
    fn stream(&mut self, cx: &mut Context<'_>) {
        let Some(rest) = &mut self.rest else { return };
        while !cx.is_done() {
            let end = rest.end.min(rest.start + u64::from(FRAME_MAX));
            // A real server reads these from a file.
            let content: Vec<u8> = (rest.start..end).map(|at| at as u8).collect();
            cx.write(&frame(&content));
            rest.start = end;
            // The empty frame was the last one.
            if content.is_empty() {
                self.rest = None;
                return if cx.is_stopping() { cx.close(Close::Stopping) } else { cx.resume() };
            }
        }
        // The next request waits in the socket; `on_drain` goes on with this one.
        cx.pause();
    }
}

impl MessageHandler<Frames> for Streamer {
    fn on_message(&mut self, message: &[u8], cx: &mut Context<'_>) -> Result<(), Close> {
        let why = "a request has eight bytes";
        let len = message.try_into().map_err(|_| Close::Malformed { code: 0, why })?;
        self.rest = Some(0..u64::from_be_bytes(len));
        self.stream(cx);
        Ok(())
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.stream(cx);
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        if self.rest.is_none() {
            cx.close(Close::Stopping);
        }
    }
}

fn serve(address: &str) -> io::Result<()> {
    if address == "--version" {
        return writeln!(io::stdout(), "frames {}", env!("CARGO_PKG_VERSION"));
    }
    let server = Server::bind(address)?.stop_on_signals()?;
    writeln!(io::stdout(), "listening on {}", server.addresses()[0])?;
    server.serve(|_| Framed::new(Frames, Streamer::default()))
}

fn main() {
    if let Err(error) = serve(&env::args().nth(1).unwrap_or("127.0.0.1:7010".into())) {
        eprintln!("frames: {error}");
        process::exit(1);
    }
}
