//! The common part of the server examples: options, log, signals.
//!
//! It is not part of the library, which parses no arguments, and installs neither a logger nor,
//! unless requested, a signal handler. Copy it into your own server and adapt it.

mod exit;
mod log;
mod seconds;
mod sink;

pub(crate) use exit::{Exit, failure, usage};
pub(crate) use seconds::seconds;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use simplelog::LevelFilter;
use socketserver::{Limits, Listen, Mode, Server};

/// The common options of all server examples.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) bind: Vec<Listen>,
    /// The mode, if one was given.
    pub(crate) mode: Option<Mode>,
    /// The number of workers for modes with workers.
    pub(crate) workers: usize,
    pub(crate) limits: Limits,
    pub(crate) log: LevelFilter,
}

impl Options {
    /// Returns the defaults.
    pub(crate) fn new(bind: &str, limits: Limits) -> Options {
        let bind = bind.parse().into_iter().collect();
        let workers = thread::available_parallelism().map_or(1, usize::from);
        Options { bind, mode: None, workers, limits, log: LevelFilter::Info }
    }

    /// Parses the arguments of the program. `own` is called with options that are not common to
    /// all examples, and returns true for those it knows. Returns `None` after `--help`, for which
    /// `help` is printed.
    pub(crate) fn parse(
        mut self,
        help: &str,
        mut own: impl FnMut(&Name, &mut Parser) -> Result<bool, Exit>,
    ) -> Result<Option<Options>, Exit> {
        let mut parser = Parser::from_env();
        let mut bind = Vec::new();
        let mut mode_name = None;
        while let Some(arg) = parser.next()? {
            let name = match arg {
                Arg::Long("help") | Arg::Short('h') => {
                    // A closed standard output must not cause a panic.
                    let _ = io::stdout().write_all(help.as_bytes());
                    return Ok(None);
                }
                Arg::Long(name) => Name(name.to_owned()),
                arg => return Err(arg.unexpected().into()),
            };
            match name.0.as_str() {
                "bind" => bind.push(parser.value()?.parse_with(str::parse)?),
                "mode" => mode_name = Some(parser.value()?.string()?),
                "workers" => self.workers = workers(&parser.value()?.string()?)?,
                "max-connections" => self.limits.connections = parser.value()?.parse()?,
                "max-connections-per-peer" => {
                    self.limits.connections_per_peer = Some(parser.value()?.parse()?);
                }
                "idle-timeout" => {
                    self.limits.idle = seconds(&mut parser)?;
                    self.limits.first_byte = self.limits.idle;
                }
                "drain-timeout" => self.limits.drain = seconds(&mut parser)?.unwrap_or_default(),
                "log" => self.log = parser.value()?.parse_with(str::parse)?,
                _ if own(&name, &mut parser)? => {}
                unknown => {
                    return Err(usage(format!("invalid option '--{}'", unknown.escape_debug())));
                }
            }
        }
        if !bind.is_empty() {
            self.bind = bind;
        }
        self.mode = mode_name.map(|name| mode(&name, self.workers)).transpose()?;
        self.limits.check().map_err(usage)?;
        Ok(Some(self))
    }
}

/// The name of a long option, without its dashes.
#[derive(Debug)]
pub(crate) struct Name(pub(crate) String);

/// More threads or processes are of no use, and few systems have room for many more.
const WORKERS_MAX: usize = 1024;

fn workers(count: &str) -> Result<usize, Exit> {
    match count.parse() {
        Ok(count @ 0..=WORKERS_MAX) => Ok(count),
        _ => Err(usage(format!(
            "--workers '{}' is not a number from 0 to {WORKERS_MAX}",
            count.escape_debug()
        ))),
    }
}

/// Returns the mode with this name.
fn mode(name: &str, workers: usize) -> Result<Mode, Exit> {
    match name {
        "multiplex" => Ok(Mode::Multiplex),
        "threads" => Ok(Mode::Threads(workers)),
        "processes" => Ok(Mode::Processes(workers)),
        "reactors" => Ok(Mode::Reactors(workers)),
        _ => Err(usage(format!(
            "--mode '{}' must be one of multiplex, threads, processes, reactors",
            name.escape_debug()
        ))),
    }
}

/// Listens on all addresses, by `listen`. Workers of a killed supervisor keep their addresses a
/// little longer, so the next supervisor tries again for a while.
#[allow(clippy::disallowed_methods, reason = "no event reports a free address")]
fn bind(
    addresses: &[Listen],
    mode: Mode,
    listen: impl Fn(Server, Vec<Listen>) -> io::Result<Server>,
) -> Result<Server, Exit> {
    let try_all = || listen(Server::new(), addresses.to_vec());
    let tries = if matches!(mode, Mode::Processes(_)) { BIND_TRIES } else { 1 };
    for _ in 1..tries {
        match try_all() {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                thread::sleep(Duration::from_millis(20));
            }
            result => return result.map_err(failure),
        }
    }
    try_all().map_err(failure)
}

/// Half a second, 20 ms apart.
const BIND_TRIES: usize = 25;

/// Ends the program: with 0 and no output, or with one line on standard error.
pub(crate) fn exit(result: Result<(), Exit>) -> ExitCode {
    let code = exit::exit_by(result, log::last_line);
    log::finish();
    code
}

/// Serves until SIGTERM or SIGINT: the first drains, the second aborts. `listen` adds the
/// addresses and their services.
pub(crate) fn serve(
    options: Options,
    listen: impl Fn(Server, Vec<Listen>) -> io::Result<Server>,
) -> Result<(), Exit> {
    log::install(options.log)?;
    let mode = options.mode.unwrap_or_default();
    let server = bind(&options.bind, mode, listen)?;
    let server = server.mode(mode).limits(options.limits).stop_on_signals().map_err(failure)?;
    server.check().map_err(failure)?;
    let mut out = io::stdout();
    // The supervisor has already printed the addresses of its workers.
    for address in server.addresses().iter().filter(|_| !Server::is_worker()) {
        // The parent process may wait for this line. A closed standard output is not an error.
        let _ = writeln!(out, "listening on {address}").and_then(|()| out.flush());
    }
    server.run().map_err(failure)
}
