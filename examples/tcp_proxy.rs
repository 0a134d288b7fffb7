//! A proxy: every connection is carried to another address by the same loop, at the pace of the
//! slower side, each direction with an end of its own.
//!
//! ```text
//! cargo run --release --example tcp_proxy -- --to 127.0.0.1:8080
//! curl http://127.0.0.1:8081/
//! ```

mod common;

use std::io;
use std::process::ExitCode;

use lexopt::ValueExt;
use socketserver::{Close, Context, Destination, Handler, Id, Limits, Notification, Undelivered};

use common::{Exit, Options};

const HELP: &str = "\
tcp_proxy: carries every connection to another address

  --to ADDR               where to: 127.0.0.1:8080, [::1]:8080, unix:/path or HOST:PORT,
                          which is looked up for every connection

options
  --bind ADDR             where to listen, repeatable: 127.0.0.1:8081, [::1]:8081, unix:/path
                          (default 127.0.0.1:8081; port 0 takes a free one)
  --connect-timeout SECS  how long connecting to ADDR may take (default 10, 0: for ever)
  --mode MODE             multiplex (default), threads, processes, reactors
  --workers N             how many threads, processes or reactors (default: the number of
                          cores)
  --max-connections N     connections open at once, both sides counted (default 65536)
  --max-connections-per-peer N
                          of them from one address (default: no limit of its own)
  --idle-timeout SECS     how long nothing may happen on a connection (default 600, 0: for ever)
  --drain-timeout SECS    how long to wait for connections when stopping (default 30, 0: not
                          at all)
  --log LEVEL             off, error, warn, info (default), debug, trace
  --help                  this text

SIGTERM or SIGINT (Ctrl-C) lets connections end and exits; a second one exits at once.

try it
  curl http://127.0.0.1:8081/
";

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> Result<(), Exit> {
    // Whoever is carried may be silent for long; who is not read for it must not be cut.
    let idle = Some(std::time::Duration::from_secs(600));
    let limits = Limits::default().idle(idle).first_byte(idle).message(None);
    let mut to = None;
    let mut connect = limits.connect;
    let options = Options::new("127.0.0.1:8081", limits).parse(HELP, |name, parser| {
        match name.0.as_str() {
            "to" => to = Some(parser.value()?.parse_with(str::parse::<Destination>)?),
            "connect-timeout" => connect = common::seconds(parser)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(mut options) = options else {
        return Ok(());
    };
    options.limits.connect = connect;
    let to = to.ok_or_else(|| common::usage("say where to: --to 127.0.0.1:8080"))?;
    common::serve(options, |server, addresses| {
        let to = to.clone();
        server.listen(addresses, move |_| Front { to: to.clone(), back: None })
    })
}

/// What the two sides tell each other.
enum Word {
    /// The other side is there.
    Made(Id),
    /// It sends no more.
    Ended,
    /// It has gone, or was never reached.
    Gone,
}

/// The side that was accepted. It is not read until there is another one.
struct Front {
    to: Destination,
    back: Option<Id>,
}

/// The side that was connected to.
struct Back {
    front: Id,
    to: Destination,
}

impl Handler for Front {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.pause();
        cx.connect(&self.to, Back { front: cx.id(), to: self.to.clone() });
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        match self.back {
            Some(back) => cx.forward(back, &*input),
            None => return Ok(0),
        }
        Ok(input.len())
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        match self.back {
            Some(back) => cx.notify(back, Word::Ended),
            None => cx.close(Close::Eof),
        }
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        match note.downcast().map(|word| *word) {
            Ok(Word::Made(back)) => {
                self.back = Some(back);
                cx.resume();
            }
            other => heed(other, cx),
        }
    }

    /// What is being carried is carried to its end.
    fn on_stop(&mut self, _: &mut Context<'_>) {}

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        if let Some(back) = self.back {
            cx.notify(back, Word::Gone);
        }
    }
}

impl Handler for Back {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.notify(self.front, Word::Made(cx.id()));
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.forward(self.front, &*input);
        Ok(input.len())
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        cx.notify(self.front, Word::Ended);
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        if note.is::<Undelivered>() {
            // The front had gone before it knew of this side.
            cx.close(Close::Done);
        }
        heed(note.downcast().map(|word| *word), cx);
    }

    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        log::warn!("cannot connect to {}: {error}", self.to);
        cx.notify(self.front, Word::Gone);
    }

    fn on_stop(&mut self, _: &mut Context<'_>) {}

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        cx.notify(self.front, Word::Gone);
    }
}

/// The other side has ended, in one direction or altogether: so does this one, behind what was
/// carried.
fn heed(word: Result<Word, Notification>, cx: &mut Context<'_>) {
    match word {
        Ok(Word::Ended) => cx.finish(),
        Ok(Word::Gone) => cx.close(Close::Done),
        Ok(Word::Made(_)) | Err(_) => {}
    }
}
