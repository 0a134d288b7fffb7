//! What every server example shares: its options, its log, its signals.
//!
//! None of it belongs to the library, which neither parses arguments nor installs a logger, nor
//! a signal handler unasked. Copy this into your own server and change what you like.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use simplelog::{ConfigBuilder, LevelFilter, WriteLogger};
use socketserver::{Address, Limits, Mode, Server};

/// Why an example ends with an error: what to print, and the code to exit with.
#[derive(Debug)]
pub(crate) struct Exit {
    code: u8,
    message: String,
}

/// The arguments make no sense.
pub(crate) fn usage(message: impl Display) -> Exit {
    Exit { code: 2, message: format!("{message} (--help tells more)") }
}

/// The system said no.
pub(crate) fn failure(error: io::Error) -> Exit {
    let code = if error.kind() == io::ErrorKind::InvalidInput { 2 } else { 1 };
    Exit { code, message: error.to_string() }
}

impl From<lexopt::Error> for Exit {
    fn from(error: lexopt::Error) -> Exit {
        usage(error)
    }
}

/// Ends the program: quietly with 0, or with one line on standard error.
pub(crate) fn exit(result: Result<(), Exit>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit { code, message }) => {
            eprintln!("{message}");
            ExitCode::from(code)
        }
    }
}

/// The options that all server examples take.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) bind: Vec<Address>,
    pub(crate) mode: Mode,
    pub(crate) limits: Limits,
    pub(crate) log: LevelFilter,
}

impl Options {
    /// What holds if nothing is said.
    pub(crate) fn new(bind: &str, limits: Limits) -> Options {
        let bind = bind.parse().into_iter().collect();
        Options { bind, mode: Mode::default(), limits, log: LevelFilter::Info }
    }

    /// Takes the arguments of the program. `own` is given those that are not common to all
    /// examples, and says whether it knows them; `help` is printed for `--help`, after which
    /// there is nothing more to do (`None`).
    pub(crate) fn parse(
        mut self,
        help: &str,
        mut own: impl FnMut(&Name, &mut Parser) -> Result<bool, Exit>,
    ) -> Result<Option<Options>, Exit> {
        let mut parser = Parser::from_env();
        let mut bind = Vec::new();
        let (mut mode_name, mut workers) = (String::from("multiplex"), None);
        while let Some(arg) = parser.next()? {
            let name = match arg {
                Arg::Long("help") | Arg::Short('h') => {
                    print!("{help}");
                    return Ok(None);
                }
                Arg::Long(name) => Name(name.to_owned()),
                arg => return Err(arg.unexpected().into()),
            };
            match name.0.as_str() {
                "bind" => bind.push(parser.value()?.parse_with(str::parse)?),
                "mode" => mode_name = parser.value()?.string()?,
                "workers" => workers = Some(parser.value()?.parse::<u16>()?.into()),
                "max-connections" => self.limits.connections = parser.value()?.parse()?,
                "idle-timeout" => {
                    self.limits.idle = seconds(&mut parser)?;
                    self.limits.first_byte = self.limits.idle;
                }
                "drain-timeout" => self.limits.drain = seconds(&mut parser)?.unwrap_or_default(),
                "log" => self.log = parser.value()?.parse_with(str::parse)?,
                _ if own(&name, &mut parser)? => {}
                unknown => return Err(usage(format!("invalid option '--{unknown}'"))),
            }
        }
        if !bind.is_empty() {
            self.bind = bind;
        }
        self.mode = mode(&mode_name, workers)?;
        self.limits.check().map_err(usage)?;
        Ok(Some(self))
    }
}

/// The name of a long option, without its dashes.
#[derive(Debug)]
pub(crate) struct Name(pub(crate) String);

/// A number of seconds; 0 switches a timeout off.
pub(crate) fn seconds(parser: &mut Parser) -> Result<Option<Duration>, Exit> {
    let seconds: f64 = parser.value()?.parse()?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Ok(None),
        Ok(time) => Ok(Some(time)),
        Err(_) => Err(usage(format!("'{seconds}' is no number of seconds"))),
    }
}

/// The mode of that name; by default with as many workers as there are cores.
fn mode(name: &str, workers: Option<usize>) -> Result<Mode, Exit> {
    let workers = workers.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    match name {
        "multiplex" => Ok(Mode::Multiplex),
        "threads" => Ok(Mode::Threads(workers)),
        "processes" | "reactors" => Err(usage(format!("--mode {name} is not there yet"))),
        _ => Err(usage(format!(
            "--mode '{}' is none of multiplex, threads, processes, reactors",
            name.escape_debug()
        ))),
    }
}

/// Serves until SIGTERM or SIGINT: the first drains, the second stops at once. `put` puts services
/// and handlers behind the addresses.
pub(crate) fn serve(options: Options, put: impl FnOnce(Server) -> Server) -> Result<(), Exit> {
    let config = ConfigBuilder::new().set_time_format_rfc3339().build();
    if WriteLogger::init(options.log, config, io::stderr()).is_err() {
        return Err(usage("a logger is installed already"));
    }
    let mut server = None;
    for address in options.bind {
        server = Some(
            match server {
                None => Server::bind(address),
                Some(server) => Server::and_bind(server, address),
            }
            .map_err(failure)?,
        );
    }
    let server = server.ok_or_else(|| usage("no address to listen on"))?;
    let server =
        put(server).mode(options.mode).limits(options.limits).stop_on_signals().map_err(failure)?;
    server.check().map_err(failure)?;
    let mut out = io::stdout();
    for address in server.addresses() {
        // Whoever started this waits for the line; that nobody reads it is no reason to stop.
        let _ = writeln!(out, "listening on {address}").and_then(|()| out.flush());
    }
    server.run().map_err(failure)
}
