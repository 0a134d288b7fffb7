//! What the clients share: their options, one connection on a loop of its own, and how it went.

use std::io::{self, Write};
use std::sync::mpsc::{Sender, channel};

use lexopt::{Arg, Parser, ValueExt};
use socketserver::{Close, Destination, Handler, Limits, Server, ServerHandle};

use super::exit::{Exit, failure, usage};
use super::seconds::seconds;

/// The options that all clients take.
pub(crate) struct Options {
    to: Destination,
    limits: Limits,
}

impl Options {
    /// Takes the arguments of the program. `own` is given the names of options that are not common
    /// to all clients, and says whether it knows them; `help` is printed for `--help`, after which
    /// there is nothing more to do (`None`).
    pub(crate) fn parse(
        default_to: &str,
        help: &str,
        mut own: impl FnMut(&str, &mut Parser) -> Result<bool, Exit>,
    ) -> Result<Option<Options>, Exit> {
        let mut parser = Parser::from_env();
        let mut to = None;
        // People think before they type, and servers before they answer.
        let (idle, first_byte, message, write_stall) = (None, None, None, None);
        let mut limits = Limits::default()
            .idle(idle)
            .first_byte(first_byte)
            .message(message)
            .write_stall(write_stall);
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Long("help") | Arg::Short('h') => {
                    // That nobody reads it is no reason to panic.
                    let _ = io::stdout().write_all(help.as_bytes());
                    return Ok(None);
                }
                Arg::Long("connect-timeout") => limits.connect = seconds(&mut parser)?,
                Arg::Long(name) => {
                    let name = name.to_owned();
                    if !own(&name, &mut parser)? {
                        return Err(usage(format!("invalid option '--{}'", name.escape_debug())));
                    }
                }
                Arg::Value(value) if to.is_none() => {
                    to = Some(value.parse_with(str::parse::<Destination>)?);
                }
                arg => return Err(arg.unexpected().into()),
            }
        }
        let to = to.map_or_else(|| default_to.parse().map_err(usage), Ok)?;
        Ok(Some(Options { to, limits }))
    }
}

/// Connects, and runs until the connection has ended. The handler is given what it reports with.
pub(crate) fn run<H: Handler + 'static>(
    options: Options,
    handler: impl FnOnce(Report) -> H,
) -> Result<(), Exit> {
    let server = Server::new().limits(options.limits);
    let (sender, receiver) = channel();
    let report = Report { to: options.to.to_string(), handle: server.handle(), sender };
    server.connect(options.to, handler(report)).run().map_err(failure)?;
    // Whatever was reported first is what ended it.
    receiver.try_recv().unwrap_or(Ok(())).map_err(failure)
}

/// Says how it went. The first word counts.
pub(crate) struct Report {
    to: String,
    pub(crate) handle: ServerHandle,
    sender: Sender<io::Result<()>>,
}

impl Report {
    /// For [`Handler::on_unreachable`].
    pub(crate) fn unreachable(&self, error: &io::Error) {
        self.say(Err(io::Error::other(format!("cannot connect to {}: {error}", self.to))));
    }

    /// For [`Handler::on_close`].
    pub(crate) fn closed(&self, why: &Close) {
        match why {
            Close::Done | Close::Eof => self.say(Ok(())),
            why => self.failed(why),
        }
    }

    /// What went wrong with the server.
    pub(crate) fn failed(&self, what: impl std::fmt::Display) {
        self.say(Err(io::Error::other(format!("{}: {what}", self.to))));
    }

    /// Ends the program, with `result`, whatever is still to be sent.
    pub(crate) fn give_up(&self, result: io::Result<()>) {
        self.say(result);
        self.handle.abort();
    }

    /// Ends the program because standard output has. That nobody reads it any more, as behind
    /// `| head -1`, is no failure.
    pub(crate) fn output_failed(&self, error: &io::Error) {
        self.give_up(match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(io::Error::other(format!("cannot write to standard output: {error}"))),
        });
    }

    /// Ends the program because standard input cannot be read.
    pub(crate) fn input_failed(&self, error: &io::Error) {
        let what = format!("cannot read standard input: {error}");
        self.give_up(Err(io::Error::other(what)));
    }

    fn say(&self, result: io::Result<()>) {
        // The receiver lives as long as the loop.
        let _ = self.sender.send(result);
    }
}
