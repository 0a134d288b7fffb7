//! A client for the chat, and for any server of lines: standard input to the server, the server to
//! standard output.
//!
//! ```text
//! cargo run --release --example chat_client
//! cargo run --release --example chat_client -- --once hello
//! ```

mod common {
    pub(crate) mod client;
    pub(crate) mod exit;
    pub(crate) mod input;
    pub(crate) mod screen;
    pub(crate) mod seconds;
}

use std::io::{self, BufRead, StdinLock};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::ValueExt;
use socketserver::{Close, Context, Handler, Notification};

use common::client::{self, Options, Report};
use common::exit::{Exit, exit};
use common::input::{Input, Piece};
use common::screen::Screen;
use common::seconds::seconds;

const HELP: &str = "\
chat_client [ADDR]: standard input to the server, the server to standard output

  ADDR                    the server: 127.0.0.1:9999 (default), [::1]:9999, unix:/path or
                          HOST:PORT

The end of the input is passed on, and what the server still says is printed; the program ends
when the server does. Control characters are written out on a terminal, and left as they are in a
pipe.

options
  --once TEXT             send TEXT and a line end, print the answer, and end. The answer is all
                          that comes, a greeting too, until the server closes, says nothing for
                          a while (--wait), or has gone on for ten times as long
  --wait SECS             how long nothing must come until an answer is over (default 1, 0: only
                          the server's close ends it)
  --connect-timeout SECS  how long connecting may take (default 10, 0: for ever)
  --help                  this text

Exits with 0; with 1 and one line if the server cannot be reached, is lost, or gives no answer.

try it
  printf 'hello\\n' | chat_client 127.0.0.1:9999
";

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let mut once = None;
    let mut wait = Some(Duration::from_secs(1));
    let options = Options::parse("127.0.0.1:9999", HELP, |name, parser| {
        match name {
            "once" => once = Some(parser.value()?.string()?),
            "wait" => wait = seconds(parser)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(options) = options else {
        return Ok(());
    };
    match once {
        None => client::run(options, Talk::new),
        Some(text) => client::run(options, |report| Once::new(text, wait, report)),
    }
}

/// Prints what the server sent. Whether standard output took it.
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

/// Everything both ways, until the server ends.
struct Talk {
    input: Input,
    screen: Screen,
    report: Report,
}

impl Talk {
    fn new(report: Report) -> Talk {
        Talk { input: Input::new(report.handle.clone(), chunk), screen: Screen::new(), report }
    }

    /// Sends what was typed, as long as there is room: the rest stays where it comes from.
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

/// What one read gives: a line of a terminal, more of a pipe.
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

    /// There is only one: input has come.
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

/// One line there, one answer back.
struct Once {
    text: String,
    wait: Option<Duration>,
    /// When it is over, however much still comes.
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
        // A server that does not even take the text must not hold us.
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
