//! The common part of the clients: options, one connection on its own loop, and the result.

use std::fmt::Display;
use std::io;
use std::str::FromStr;
use std::sync::mpsc::{Sender, channel};

use lexopt::{Arg, Parser, ValueExt};
use socketserver::{Close, Destination, Handler, Limits, Server, ServerHandle};

use super::exit::{Exit, failure, usage};
use super::seconds::{seconds, too_many};
use super::version::{VERSION, print};

/// The common options of all clients. Their target is an address, or another form of one.
pub(crate) struct Options<T = Destination> {
    pub(crate) to: T,
    limits: Limits,
}

impl<T: FromStr<Err: Display> + Display> Options<T> {
    /// Parses the arguments of the program. `own` is called with options that are not common to
    /// all clients, and returns true for those it knows. Returns `None` after `--help`, for which
    /// `help` is printed, and after `--version`.
    pub(crate) fn parse(
        default_to: &str,
        help: &str,
        mut own: impl FnMut(&str, &mut Parser) -> Result<bool, Exit>,
    ) -> Result<Option<Options<T>>, Exit> {
        let mut parser = Parser::from_env();
        let mut to = None;
        // No timeouts: the user may pause before input, and the server before an answer.
        let (idle, first_byte, message, write_stall) = (None, None, None, None);
        let mut limits = Limits::default()
            .idle(idle)
            .first_byte(first_byte)
            .message(message)
            .write_stall(write_stall);
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Long("help") | Arg::Short('h') => return print(help).map(|()| None),
                Arg::Long("version") | Arg::Short('V') => return print(VERSION).map(|()| None),
                Arg::Long("connect-timeout") => {
                    limits.connect = seconds("connect-timeout", &mut parser)?
                }
                Arg::Long(name) => {
                    let name = name.to_owned();
                    if !own(&name, &mut parser)? {
                        return Err(usage(format!("invalid option '--{}'", name.escape_debug())));
                    }
                }
                Arg::Value(text) if to.is_none() => {
                    let text = text.string()?;
                    let target = text.parse::<T>();
                    to = Some(target.map_err(|error| usage(format!("ADDR {error}")))?);
                }
                Arg::Value(text) => return Err(too_many(&text, "one ADDR")),
                arg => return Err(arg.unexpected().into()),
            }
        }
        let to = to.map_or_else(|| default_to.parse().map_err(usage), Ok)?;
        Ok(Some(Options { to, limits }))
    }
}

/// Connects, and runs until the connection has ended. `adapt` may change the loop. The handler
/// reports through its `Report`.
pub(crate) fn run<T: Display, H: Handler + 'static>(
    options: Options<T>,
    adapt: impl FnOnce(Server) -> io::Result<Server>,
    handler: impl FnOnce(Report) -> H,
) -> Result<(), Exit>
where
    Destination: From<T>,
{
    let server = adapt(Server::new().limits(options.limits)).map_err(failure)?;
    let (sender, receiver) = channel();
    let report = Report { to: options.to.to_string(), handle: server.handle(), sender };
    server.connect(Destination::from(options.to), handler(report)).run().map_err(failure)?;
    // The first report is the cause of the end.
    receiver.try_recv().unwrap_or(Ok(())).map_err(failure)
}

/// Reports the result. The first report counts.
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

    /// Reports a failure of the server.
    pub(crate) fn failed(&self, what: impl Display) {
        self.say(Err(io::Error::other(format!("{}: {what}", self.to))));
    }

    /// Ends the program with `result`, without sending pending output.
    pub(crate) fn give_up(&self, result: io::Result<()>) {
        self.say(result);
        self.handle.abort();
    }

    /// Ends the program because standard output failed. A closed pipe, as with `| head -1`, is not
    /// a failure.
    pub(crate) fn output_failed(&self, error: &io::Error) {
        self.give_up(match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(io::Error::other(format!("cannot write to standard output: {error}"))),
        });
    }

    /// Ends the program because standard input failed.
    pub(crate) fn input_failed(&self, error: &io::Error) {
        let what = format!("cannot read standard input: {error}");
        self.give_up(Err(io::Error::other(what)));
    }

    fn say(&self, result: io::Result<()>) {
        // The receiver outlives the loop.
        let _ = self.sender.send(result);
    }
}
