//! The client of the tutorial's session server: receives, prints, reads a command, sends it,
//! repeats.
//!
//! ```text
//! cargo run --release --example reactor_session
//! cargo run --release --example session_client     # in a second terminal
//! ```

mod common {
    pub(crate) mod client;
    pub(crate) mod exit;
    pub(crate) mod input;
    pub(crate) mod screen;
    pub(crate) mod seconds;
    pub(crate) mod version;
}

use std::io::{self, BufRead, Read, StdinLock};
use std::process::ExitCode;

use socketserver::{Close, Context, Destination, Handler, Notification};

use common::client::{self, Options, Report};
use common::exit::{Exit, exit};
use common::input::{Came, Input, Piece};
use common::screen::Screen;

const HELP: &str = "\
session_client [ADDR]: prints each answer, prompts for a command, and sends it

  ADDR                    the server: 127.0.0.1:8009 (default), [::1]:8009, unix:/path or
                          HOST:PORT

A command is a line of standard input, sent without its line end (in parts of 64 KiB, if it is
longer). Each answer is followed by one command; after an empty one the prompt is repeated. `exit`
is sent and ends the program, as does the end of the input.

options
  --connect-timeout SECS  timeout for connecting (default 10, 0: none)
  --version               print the version
  --help                  print this text

Exits with 0; with 1 and one line if the server cannot be reached or ends the session.

try it
  printf '0\\nhello\\nexit\\n' | session_client 127.0.0.1:8009
";

const PROMPT: &[u8] = b"please input: ";

/// The longest line that is sent in one piece, in bytes.
const LINE_MAX: u64 = 64 * 1024;

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    match Options::<Destination>::parse("127.0.0.1:8009", HELP, |_, _| Ok(false))? {
        Some(options) => client::run(options, Ok, Asking::new),
        None => Ok(()),
    }
}

/// The direction of the next message.
#[derive(Clone, Copy, PartialEq)]
enum Turn {
    /// The server's answer comes next.
    Receive,
    /// The next command comes next. Meanwhile output of the server waits, as it does before a call
    /// of `recv`.
    Send,
}

struct Asking {
    turn: Turn,
    input: Input,
    screen: Screen,
    report: Report,
}

impl Asking {
    fn new(report: Report) -> Asking {
        let input = Input::new(report.handle.clone(), line);
        Asking { turn: Turn::Receive, input, screen: Screen::new(), report }
    }

    /// Returns true if standard output accepted the bytes.
    fn print(&mut self, bytes: &[u8]) -> bool {
        let result = self.screen.print(bytes);
        result.inspect_err(|error| self.report.output_failed(error)).is_ok()
    }

    /// Sends the next command, if one has been typed.
    fn ask(&mut self, cx: &mut Context<'_>) {
        let line = match self.input.next() {
            Ok(Piece::Bytes(line)) => line,
            Ok(Piece::NotYet) => return,
            Ok(Piece::End) => {
                self.print(b"\n");
                return cx.close(Close::Done);
            }
            Err(error) => return self.report.input_failed(&error),
        };
        match without_line_end(&line) {
            // An empty command would get no answer. The next line is read in the next turn,
            // because there may be an endless number of empty lines.
            b"" => {
                if self.print(PROMPT) {
                    cx.notify(cx.id(), Came);
                }
            }
            command => {
                cx.write(command);
                self.turn = Turn::Receive;
                match command {
                    b"exit" => cx.close(Close::Done),
                    _ => cx.resume(),
                }
            }
        }
    }
}

fn line(stdin: &mut StdinLock<'static>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stdin.take(LINE_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl Handler for Asking {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.input.start(cx) {
            self.report.input_failed(&error);
        }
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        if self.turn == Turn::Send {
            // Only with pending input: a paused connection is not notified of its end.
            cx.pause();
            return Ok(0);
        }
        let answer = self.screen.whole(input);
        if !answer.is_empty() {
            let text = [b"receive: ", without_line_end(&answer), b"\n", PROMPT].concat();
            self.turn = Turn::Send;
            if self.print(&text) {
                self.ask(cx);
            }
        }
        Ok(input.len())
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        let rest = self.screen.rest();
        self.print(&rest);
        if self.turn == Turn::Send {
            self.print(b"\n");
        }
        self.report.failed("the server has ended the session");
        cx.close(Close::Eof);
    }

    /// The only notification is new input.
    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        if self.turn == Turn::Send {
            self.ask(cx);
        }
    }

    fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
        self.report.unreachable(error);
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.report.closed(why);
    }
}
