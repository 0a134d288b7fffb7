//! A WebSocket client: sends each line of standard input as a text message, and prints the messages
//! of the server.
//!
//! ```text
//! cargo run --release --example ws_echo
//! cargo run --release --example ws_client      # in a second terminal
//! ```

mod common {
    pub(crate) mod client;
    pub(crate) mod exit;
    pub(crate) mod input;
    #[allow(dead_code, reason = "a message has whole characters")]
    pub(crate) mod screen;
    pub(crate) mod seconds;
    pub(crate) mod version;
}

use std::fmt;
use std::io::{self, BufRead, Read, StdinLock};
use std::process::ExitCode;
use std::str::FromStr;

use socketserver::protocol::ws::{CloseCode, Handshake, HandshakeError, WsLimits};
use socketserver::services::ws::{self, WsContext, WsHandler};
use socketserver::{AddressError, Close, Context, Destination, Notification, Server};

use common::client::{self, Options, Report};
use common::exit::{Exit, exit};
use common::input::{Came, Input, Piece};
use common::screen::Screen;

const HELP: &str = "\
ws_client [URL]: sends lines as text messages, and prints the messages of the server

  URL                     ws://HOST[:PORT][/PATH] (default ws://127.0.0.1:9001/); for wss:
                          let a proxy speak TLS

A line of standard input is sent without its line end (in parts of 64 KiB, if it is longer). Each
message is printed with one. At the end of the input the connection is closed, after the answers of
a server that answers in order. Messages of up to 16 MiB are taken, compressed if the server does.

options
  --connect-timeout SECS  timeout for connecting (default 10, 0: none)
  --version               print the version
  --help                  print this text

Exits with 0 after a close frame with code 1000 or 1001, or without a code; otherwise with 1 and one
line. SIGTERM or SIGINT (Ctrl-C) closes the connection with 1001.

try it
  printf 'hello\\n' | ws_client ws://127.0.0.1:9001/
";

/// The longest line that is sent as one message, and the longest message that is taken, in bytes.
const LINE_MAX: u64 = 64 * 1024;
const MESSAGE_MAX: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let options = Options::<Url>::parse("ws://127.0.0.1:9001/", HELP, |_, _| Ok(false))?;
    let Some(options) = options else { return Ok(()) };
    let handshake = options.to.handshake.clone().deflate();
    let limits = WsLimits::default().message(MESSAGE_MAX).frame(MESSAGE_MAX);
    client::run(options, Server::stop_on_signals, |report| {
        let input = Input::new(report.handle.clone(), line);
        ws::client(&handshake, limits, Talk { input, screen: Screen::new(), report })
    })
}

/// A URL, and the address to connect to.
struct Url {
    handshake: Handshake,
    to: Destination,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let handshake = Handshake::new(text).map_err(|error: HandshakeError| error.to_string())?;
        let to = handshake.authority().parse().map_err(|error: AddressError| error.to_string())?;
        Ok(Url { handshake, to })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to.fmt(f)
    }
}

impl From<Url> for Destination {
    fn from(url: Url) -> Destination {
        url.to
    }
}

struct Talk {
    input: Input,
    screen: Screen,
    report: Report,
}

/// The payload of the ping after the last line. Its pong comes after the answers to all lines.
const END: &[u8] = b"end";

impl Talk {
    /// Sends the lines that have been read, as far as the server takes them.
    fn send(&mut self, ws: &mut WsContext<'_, '_>) {
        while !ws.cx().is_done() && !ws.is_closing() {
            match self.input.next() {
                Ok(Piece::Bytes(line)) => {
                    let line = String::from_utf8_lossy(&line);
                    ws.send_text(line.trim_end_matches(['\r', '\n']));
                }
                Ok(Piece::NotYet) => return,
                Ok(Piece::End) => return ws.ping(END),
                Err(error) => return self.report.input_failed(&error),
            }
        }
    }

    fn print(&mut self, message: &[u8]) {
        if let Err(error) = self.screen.print(&[message, b"\n"].concat()) {
            self.report.output_failed(&error);
        }
    }
}

fn line(stdin: &mut StdinLock<'static>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stdin.take(LINE_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}

impl WsHandler for Talk {
    fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
        if let Err(error) = self.input.start(ws.cx()) {
            self.report.input_failed(&error);
        }
    }

    fn on_text(&mut self, text: &str, _: &mut WsContext<'_, '_>) -> Result<(), Close> {
        self.print(text.as_bytes());
        Ok(())
    }

    fn on_binary(&mut self, bytes: &[u8], _: &mut WsContext<'_, '_>) -> Result<(), Close> {
        self.print(bytes);
        Ok(())
    }

    fn on_pong(&mut self, payload: &[u8], ws: &mut WsContext<'_, '_>) {
        if payload == END {
            ws.close(CloseCode::NORMAL, "");
        }
    }

    /// There is new input.
    fn on_notify(&mut self, notification: Notification, ws: &mut WsContext<'_, '_>) {
        if notification.downcast::<Came>().is_ok() {
            self.send(ws);
        }
    }

    fn on_drain(&mut self, ws: &mut WsContext<'_, '_>) {
        self.send(ws);
    }

    fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
        self.report.unreachable(error);
    }

    fn on_close(&mut self, code: CloseCode, reason: &str, _: &mut WsContext<'_, '_>) {
        match code {
            CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS => {
                self.report.closed(&Close::Done);
            }
            CloseCode::ABNORMAL => self.report.failed("the connection ended without a close frame"),
            code => self.report.failed(format!("closed with code {code} {reason}").trim_end()),
        }
    }
}
