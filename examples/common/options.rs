//! The options that all server examples take.

use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use lexopt::{Arg, Parser};
use simplelog::LevelFilter;
use socketserver::{Destination, Limits, Listen, Mode};

use super::exit::{Exit, usage};
use super::seconds::{seconds, too_many, value};
use super::version::{VERSION, print};

/// The common options of all server examples.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) bind: Vec<Listen>,
    binds: Binds,
    /// The mode, if one was given.
    pub(crate) mode: Option<Mode>,
    /// The number of workers for modes with workers.
    pub(crate) workers: usize,
    /// `--workers` was given.
    names_workers: bool,
    pub(crate) limits: Limits,
    /// Another process may take over: a signal means a restart.
    pub(crate) shares_port: bool,
    pub(crate) log: LevelFilter,
}

/// The addresses that a program listens on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Binds {
    Connections,
    All,
}

const LEVELS: &str = "one of off, error, warn, info, debug, trace";
const MODES: &str = "one of multiplex, threads, processes, reactors";

/// More threads or processes are of no use, and few systems have room for many more.
const WORKERS_MAX: usize = 1024;
/// The maximum of [`Limits::connections`].
const CONNECTIONS_MAX: usize = 1 << 24;

impl Options {
    /// Returns the defaults.
    pub(crate) fn new(bind: &str, limits: Limits) -> Options {
        let bind = bind.parse().into_iter().collect();
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let (mode, log) = (None, LevelFilter::Info);
        let binds = Binds::Connections;
        Options {
            bind,
            binds,
            mode,
            workers,
            names_workers: false,
            limits,
            shares_port: false,
            log,
        }
    }

    /// Takes the addresses of datagrams as well.
    #[allow(dead_code, reason = "most examples serve connections only")]
    pub(crate) fn with_datagrams(mut self) -> Options {
        self.binds = Binds::All;
        self
    }

    /// Parses the arguments of the program. `own` is called with options that are not common to
    /// all examples, and returns true for those it knows. Returns `None` after `--help`, for which
    /// `help` is printed, and after `--version`.
    pub(crate) fn parse(
        mut self,
        help: &str,
        mut own: impl FnMut(&Name, &mut Parser) -> Result<bool, Exit>,
    ) -> Result<Option<Options>, Exit> {
        let mut parser = Parser::from_env();
        let (mut bind, mut mode) = (Vec::new(), None);
        while let Some(arg) = parser.next()? {
            let name = match arg {
                Arg::Long("help") | Arg::Short('h') => return print(help).map(|()| None),
                Arg::Long("version") | Arg::Short('V') => return print(VERSION).map(|()| None),
                Arg::Long(name) => Name(name.to_owned()),
                Arg::Value(text) => return Err(too_many(&text, "only options")),
                arg => return Err(arg.unexpected().into()),
            };
            match name.0.as_str() {
                "bind" => bind.push(address(self.binds, &mut parser)?),
                "reuse-port" => self.shares_port = true,
                "mode" => mode = Some(value("mode", MODES, &mut parser, mode_of)?),
                known if self.parse_limit(known, &mut parser)? => {}
                "log" => self.log = value("log", LEVELS, &mut parser, |text| text.parse().ok())?,
                _ if own(&name, &mut parser)? => {}
                unknown => {
                    return Err(usage(format!("invalid option '--{}'", unknown.escape_debug())));
                }
            }
        }
        if !bind.is_empty() {
            self.bind = bind;
        }
        if self.shares_port {
            self.share_ports()?;
        }
        self.mode = mode.map(|mode| mode(self.workers));
        self.limits.check().map_err(usage)?;
        Ok(Some(self))
    }

    /// Parses an option with a number or a time. Returns false if it is another option.
    fn parse_limit(&mut self, name: &str, parser: &mut Parser) -> Result<bool, Exit> {
        let limits = &mut self.limits;
        match name {
            "workers" => {
                self.workers = number(name, 0..=WORKERS_MAX, parser)?;
                self.names_workers = true;
            }
            "max-connections" => limits.connections = number(name, 1..=CONNECTIONS_MAX, parser)?,
            "max-connections-per-peer" => {
                limits.connections_per_peer = Some(number(name, 1..=CONNECTIONS_MAX, parser)?);
            }
            "idle-timeout" => {
                limits.idle = seconds(name, parser)?;
                limits.first_byte = limits.idle;
            }
            "drain-timeout" => limits.drain = seconds(name, parser)?.unwrap_or_default(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn share_ports(&mut self) -> Result<(), Exit> {
        if !self.bind.iter().any(has_port) {
            return Err(usage("--reuse-port is for addresses with a port"));
        }
        self.set_options(has_port, Listen::reuse_port);
        Ok(())
    }

    /// Sets options of the addresses for which they are meant.
    fn set_options(&mut self, which: fn(&Listen) -> bool, set: fn(Listen) -> Listen) {
        let bind = std::mem::take(&mut self.bind);
        let set = |listen| if which(&listen) { set(listen) } else { listen };
        self.bind = bind.into_iter().map(set).collect();
    }

    /// Ends connections whose peer has vanished, within two minutes, for programs without a limit
    /// of the idle time.
    #[allow(dead_code, reason = "some examples limit the idle time")]
    pub(crate) fn notice_vanished_peers(&mut self) {
        self.set_options(
            |listen| has_port(listen) && !listen.is_datagram(),
            |listen| {
                let listen = listen
                    .keep_alive(Duration::from_secs(45))
                    .keep_alive_interval(Duration::from_secs(15))
                    .keep_alive_count(4);
                // A peer with unread output gets no probes.
                #[cfg(target_os = "linux")]
                let listen = listen.user_timeout(Duration::from_secs(105));
                listen
            },
        );
    }

    /// Returns the mode.
    pub(crate) fn mode(&self) -> Result<Mode, Exit> {
        match self.mode {
            None if self.names_workers => {
                Err(usage("--workers needs --mode threads, processes or reactors"))
            }
            mode => Ok(mode.unwrap_or_default()),
        }
    }

    /// Returns true if `--workers` has no effect in the given mode.
    pub(crate) fn has_idle_workers(&self) -> bool {
        self.names_workers && self.mode == Some(Mode::Multiplex)
    }
}

/// Returns true for IP addresses and names of hosts.
pub(crate) fn has_port(listen: &Listen) -> bool {
    let text = listen.to_string();
    !["unix:", "unixgram:", "seqpacket:"].iter().any(|form| text.starts_with(form))
}

/// The name of a long option, without its dashes.
#[derive(Debug)]
pub(crate) struct Name(pub(crate) String);

fn address(binds: Binds, parser: &mut Parser) -> Result<Listen, Exit> {
    let takes = "an address: 127.0.0.1:8080, [::1]:8080, unix:/path";
    let text = value("bind", takes, parser, |text| Some(text.to_owned()))?;
    let found = text.parse::<Listen>();
    if let (Binds::All, _) | (_, Ok(false)) = (binds, found.as_ref().map(Listen::is_datagram)) {
        return found.map_err(|error| usage(format!("--bind {error}")));
    }
    // The address of a connection has the same forms at both ends, and the hint lists only those.
    match text.parse::<Destination>() {
        Err(error) => Err(usage(format!("--bind {error}"))),
        Ok(_) => found.map_err(|error| usage(format!("--bind {error}"))),
    }
}

fn number(name: &str, range: RangeInclusive<usize>, parser: &mut Parser) -> Result<usize, Exit> {
    let takes = format!("a number from {} to {}", range.start(), range.end());
    value(name, &takes, parser, |text| text.parse().ok().filter(|n| range.contains(n)))
}

/// Returns the mode with this name, for a number of workers.
fn mode_of(name: &str) -> Option<fn(usize) -> Mode> {
    match name {
        "multiplex" => Some(|_| Mode::Multiplex),
        "threads" => Some(Mode::Threads),
        "processes" => Some(Mode::Processes),
        "reactors" => Some(Mode::Reactors),
        _ => None,
    }
}
