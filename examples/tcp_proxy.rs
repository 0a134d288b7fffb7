//! A proxy: one loop carries every connection to another address, at the pace of the slower side.
//! Each direction ends by itself, and a side that was cut cuts the other: a reset stays a reset.
//!
//! ```text
//! cargo run --release --example tcp_proxy -- --to 127.0.0.1:8080
//! curl http://127.0.0.1:8081/
//! ```

mod common;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use socketserver::{
    Close, Context, Destination, Handler, Id, Incoming, Limits, Notification, Service,
};

use common::exit::usage;
use common::seconds::{seconds, value};
use common::{Exit, Options};

const HELP: &str = "\
tcp_proxy: carries every connection to another address

  --to ADDR               target: 127.0.0.1:8080, [::1]:8080, unix:/path or HOST:PORT,
                          which is looked up for every connection

options
  --bind ADDR             listen address, repeatable: 127.0.0.1:8081, [::1]:8081, unix:/path
                          (default 127.0.0.1:8081; port 0 chooses a free port)
  --reuse-port            share the ports with other processes that have this option
  --connect-timeout SECS  timeout for connecting to ADDR (default 10, 0: none)
  --mode MODE             multiplex (default), threads, processes, reactors
  --workers N             number of threads, processes or reactors (default: the
                          number of cores)
  --max-connections N     connections open at once, counting both sides, in each worker
                          process (default 65536, at least 2)
  --max-connections-per-peer N
                          the same for one IPv4 address, or one IPv6 network of 64 bits
                          (default: no limit)
  --idle-timeout SECS     timeout of an inactive connection (default 600, 0: none)
  --drain-timeout SECS    time that open connections get when stopping (default 30, 0: none)
  --log LEVEL             off, error, warn, info (default), debug, trace
  --version               print the version
  --help                  print this text

SIGTERM or SIGINT (Ctrl-C) waits for connections to end and exits; a second one exits at once.

try it
  curl http://127.0.0.1:8081/
";

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> Result<(), Exit> {
    // Proxied connections may be silent for long, and a side that is paused must not time out.
    let idle = Some(Duration::from_secs(600));
    let limits = Limits::default().idle(idle).first_byte(idle).message(None);
    let mut to = None;
    let mut connect = limits.connect;
    let options = Options::new("127.0.0.1:8081", limits).parse(HELP, |name, parser| {
        match name.0.as_str() {
            "to" => {
                let takes = "an address such as 127.0.0.1:8080, HOST:PORT or unix:/path";
                let parse = |text: &str| text.parse::<Destination>().ok();
                to = Some(value(&name.0, takes, parser, parse)?);
            }
            "connect-timeout" => connect = seconds(&name.0, parser)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(mut options) = options else {
        return Ok(());
    };
    options.limits.connect = connect;
    if options.limits.connections < 2 {
        return Err(usage("--max-connections must be at least 2, one for each side"));
    }
    let to = to.ok_or_else(|| usage("--to is missing: --to 127.0.0.1:8080"))?;
    common::serve(options, |server, addresses| {
        let to = to.clone();
        server.listen(addresses, Proxy { to })
    })
}

struct Proxy {
    to: Destination,
}

impl Service for Proxy {
    fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
        Some(Box::new(Front { to: self.to.clone(), back: Upstream::Awaited { has_ended: false } }))
    }

    /// One for each side: a client is accepted when there is room for both.
    fn places(&self) -> usize {
        2
    }
}

/// A notification between the two sides.
enum Word {
    /// The other side is connected.
    Made(Id),
    /// It sends no more.
    Ended,
    /// It has closed in good order, or was not reachable.
    Gone,
    /// It was cut: bytes are missing.
    Cut,
}

/// The timer that ends a client without an upstream connection, if it has sent nothing.
const NOTHING_SENT: u64 = 0;

/// The time to connect for a client that has sent nothing and will send nothing: it may have
/// closed, or wait for the greeting of the other side.
const LISTENER_TIME: Duration = Duration::from_millis(250);

/// The accepted side. Its input waits until the other side is connected.
struct Front {
    to: Destination,
    back: Upstream,
}

/// The connection to the other side.
enum Upstream {
    /// It is being made. The client may have ended without a byte.
    Awaited {
        has_ended: bool,
    },
    Made(Id),
    Missing,
}

/// The connecting side.
struct Back {
    front: Id,
    to: Destination,
    /// It has sent all of its bytes.
    has_ended: bool,
}

impl Handler for Front {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.connect(&self.to, Back { front: cx.id(), to: self.to.clone(), has_ended: false });
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        match self.back {
            Upstream::Made(back) => cx.forward(back, &*input),
            Upstream::Awaited { .. } => {
                cx.pause();
                return Ok(0);
            }
            // These bytes are lost.
            Upstream::Missing => cx.reset(cut()),
        }
        Ok(input.len())
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        match &mut self.back {
            Upstream::Made(back) => cx.notify(*back, Word::Ended),
            Upstream::Awaited { has_ended } => {
                *has_ended = true;
                cx.set_timer(NOTHING_SENT, LISTENER_TIME);
            }
            Upstream::Missing => cx.close(Close::Eof),
        }
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        match notification.downcast() {
            Ok(Word::Made(back)) => {
                let before = std::mem::replace(&mut self.back, Upstream::Made(back));
                if matches!(before, Upstream::Awaited { has_ended: true }) {
                    cx.cancel_timer(NOTHING_SENT);
                    cx.notify(back, Word::Ended);
                }
                cx.resume();
            }
            Ok(Word::Gone) if !matches!(self.back, Upstream::Made(_)) => {
                self.back = Upstream::Missing;
                // The input of the client is looked at first: a timer comes after it.
                cx.resume();
                cx.set_timer(NOTHING_SENT, Duration::ZERO);
            }
            other => heed(other, cx),
        }
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        cx.close(Close::Done);
    }

    /// Data in flight is still delivered.
    fn on_stop(&mut self, _: &mut Context<'_>) {}

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        let word = last_word(why, cx);
        if let Upstream::Made(back) = self.back {
            cx.notify(back, word);
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
        self.has_ended = true;
        cx.notify(self.front, Word::Ended);
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        if let Notification::Undelivered { .. } = notification {
            // The front was cut before it was notified of this side.
            cx.reset(cut());
        }
        heed(notification.downcast(), cx);
    }

    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        if error.kind() == io::ErrorKind::ConnectionAborted {
            log::debug!("the client has gone before {} was reached", self.to);
            return;
        }
        log::warn!("cannot connect to {}: {error}", self.to);
        // A reset stays a reset, even before the first byte.
        let was_reset = error.kind() == io::ErrorKind::ConnectionReset;
        cx.notify(self.front, if was_reset { Word::Cut } else { Word::Gone });
    }

    fn on_stop(&mut self, _: &mut Context<'_>) {}

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        let word = match last_word(why, cx) {
            // The rest of an upload was not wanted, but the answer is complete.
            Word::Cut if self.has_ended => Word::Gone,
            word => word,
        };
        cx.notify(self.front, word);
    }
}

/// The last word to the other side. Whatever did not end in good order is cut, here as well: a
/// peer must not take the half of an answer for the whole.
fn last_word(why: &Close, cx: &mut Context<'_>) -> Word {
    match why {
        Close::Done | Close::Eof => Word::Gone,
        _ => {
            cx.reset(why.clone());
            Word::Cut
        }
    }
}

fn cut() -> Close {
    Close::Io(io::ErrorKind::ConnectionReset)
}

/// The other side has ended, in one or both directions: this one ends, too, after the data in
/// flight; or at once, if the other was cut.
fn heed(word: Result<Word, Notification>, cx: &mut Context<'_>) {
    match word {
        Ok(Word::Ended) => cx.finish(),
        Ok(Word::Gone) => cx.close(Close::Done),
        Ok(Word::Cut) => cx.reset(cut()),
        Ok(Word::Made(_)) | Err(_) => {}
    }
}
