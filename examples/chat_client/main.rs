//! A client for the chat, and for any line-based server: copies standard input to the server and
//! the server's output to standard output. At a terminal it has a line editor.
//!
//! ```text
//! cargo run --release --example chat_client
//! cargo run --release --example chat_client -- --once hello
//! ```

#[path = "../common"]
mod common {
    pub(crate) mod client;
    pub(crate) mod exit;
    pub(crate) mod input;
    pub(crate) mod screen;
    pub(crate) mod seconds;
    pub(crate) mod version;
}
mod editor;
mod keys;
mod shown;
mod talk;
mod terminal;

use std::io::{self, BufRead, StdinLock};
use std::process::ExitCode;
use std::time::Duration;

use socketserver::{Close, Context, Destination, Handler, Notification, Server};
use time::UtcOffset;

use common::client::{self, Options, Report};
use common::exit::{Exit, exit};
use common::input::{Input, Piece};
use common::screen::Screen;
use common::seconds::{seconds, value};
use talk::TerminalTalk;

const HELP: &str = "\
chat_client [ADDR]: sends standard input to a server, and prints its output

  ADDR                    the server: 127.0.0.1:9999 (default), [::1]:9999, unix:/path or
                          HOST:PORT

The end of the input is passed on. The program prints further output, and ends when the server
closes. Control characters are escaped on a terminal, and unchanged in a pipe.

If input and output are a terminal, incoming lines appear above the line that is being typed. Arrows,
Home, End and the keys of Emacs edit it, Up and Down show earlier lines, Ctrl-D and Ctrl-C end the
program. Colours are not used if NO_COLOR is set.

options
  --once TEXT             send TEXT and a line end, print the answer, and exit. The answer,
                          including a greeting, ends when the server closes, after a pause
                          of --wait seconds, or after ten times --wait
  --wait SECS             the pause that ends an answer (default 1, 0: only the server's
                          close ends it)
  --connect-timeout SECS  timeout for connecting (default 10, 0: none)
  --version               print the version
  --help                  print this text

Exits with 0; with 1 and one line if the connection cannot be established, is lost, or there is no
answer.

try it
  printf 'hello\\n' | chat_client 127.0.0.1:9999
";

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let mut once = None;
    let mut wait = Some(Duration::from_secs(1));
    let options = Options::<Destination>::parse("127.0.0.1:9999", HELP, |name, parser| {
        match name {
            "once" => once = Some(value("once", "a text", parser, |text| Some(text.to_owned()))?),
            "wait" => wait = seconds("wait", parser)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(options) = options else {
        return Ok(());
    };
    match once {
        Some(text) => client::run(options, Ok, |report| Once::new(text, wait, report)),
        None if terminal::is_there() => {
            // The system tells it only to a program with one thread.
            let offset = UtcOffset::current_local_offset().map(UtcOffset::whole_seconds).ok();
            let talk = |report| TerminalTalk::new(report, offset);
            client::run(options, Server::stop_on_signals, talk)
        }
        None => client::run(options, Ok, Talk::new),
    }
}

/// Prints output of the server. Returns true if standard output accepted it.
fn show(bytes: &[u8], screen: &mut Screen, report: &Report) -> bool {
    let result = match screen.is_terminal {
        true => {
            let whole = screen.whole(bytes);
            screen.print(&whole)
        }
        false => screen.print(bytes),
    };
    result.inspect_err(|error| report.output_failed(error)).is_ok()
}

/// Copies in both directions until the server ends.
struct Talk {
    input: Input,
    screen: Screen,
    report: Report,
}

impl Talk {
    fn new(report: Report) -> Talk {
        Talk { input: Input::new(report.handle.clone(), chunk), screen: Screen::new(), report }
    }

    /// Sends input while there is room. The rest stays at its source.
    fn pull(&mut self, cx: &mut Context<'_>) {
        while !cx.is_done() {
            match self.input.next() {
                Ok(Piece::Bytes(bytes)) => cx.write(&bytes),
                Ok(Piece::NotYet) => return,
                Ok(Piece::End) => return cx.finish(),
                Err(error) => return self.report.input_failed(&error),
            }
        }
    }
}

/// Reads once: a line from a terminal, more from a pipe.
fn chunk(stdin: &mut StdinLock<'static>) -> io::Result<Vec<u8>> {
    let bytes = stdin.fill_buf()?.to_vec();
    stdin.consume(bytes.len());
    Ok(bytes)
}

impl Handler for Talk {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.input.start(cx) {
            self.report.input_failed(&error);
        }
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        match show(input, &mut self.screen, &self.report) {
            true => Ok(input.len()),
            false => Err(Close::Done),
        }
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        let rest = self.screen.rest();
        show(&rest, &mut self.screen, &self.report);
        cx.close(Close::Eof);
    }

    /// The only notification is new input.
    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        self.pull(cx);
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.pull(cx);
    }

    fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
        self.report.unreachable(error);
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.report.closed(why);
    }
}

/// Sends one line and prints the answer.
struct Once {
    text: String,
    wait: Option<Duration>,
    /// When the answer ends at the latest.
    until: Option<Duration>,
    has_answer: bool,
    screen: Screen,
    report: Report,
}

impl Once {
    fn new(mut text: String, wait: Option<Duration>, report: Report) -> Once {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Once { text, wait, until: None, has_answer: false, screen: Screen::new(), report }
    }

    fn wait_for_more(&self, cx: &mut Context<'_>) {
        if let (Some(wait), Some(until)) = (self.wait, self.until) {
            cx.set_timer(0, wait.min(until.saturating_sub(cx.now().elapsed())));
        }
    }

    fn no_answer(&self) -> io::Error {
        io::Error::other("the server gave no answer")
    }
}

impl Handler for Once {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(self.text.as_bytes());
        self.until =
            self.wait.map(|wait| cx.now().elapsed().saturating_add(wait.saturating_mul(10)));
        self.wait_for_more(cx);
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.has_answer = true;
        self.wait_for_more(cx);
        match show(input, &mut self.screen, &self.report) {
            true => Ok(input.len()),
            false => Err(Close::Done),
        }
    }

    fn on_timer(&mut self, _: u64, _: &mut Context<'_>) {
        let rest = self.screen.rest();
        show(&rest, &mut self.screen, &self.report);
        // A server that does not read the text must not keep the client running.
        self.report.give_up(match self.has_answer {
            true => Ok(()),
            false => Err(self.no_answer()),
        });
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        let rest = self.screen.rest();
        show(&rest, &mut self.screen, &self.report);
        if !self.has_answer {
            self.report.give_up(Err(self.no_answer()));
        }
        cx.close(Close::Eof);
    }

    fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
        self.report.unreachable(error);
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.report.closed(why);
    }
}
