//! The common part of the server examples: options, log, signals.
//!
//! It is not part of the library, which parses no arguments, and installs neither a logger nor,
//! unless requested, a signal handler. Copy it into your own server and adapt it.

pub(crate) mod exit;
#[allow(dead_code, reason = "some examples have no such option")]
pub(crate) mod health;
mod log;
mod options;
pub(crate) mod seconds;
pub(crate) mod sink;
mod version;

pub(crate) use exit::{Exit, failure};
pub(crate) use options::Options;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use socketserver::{Listen, Mode, Server};

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
    let (mode, has_idle_workers) = (options.mode()?, options.has_idle_workers());
    log::install(options.log, mode)?;
    let server = bind(&options.bind, mode, listen)?;
    let server = server.mode(mode).limits(options.limits);
    let server = match options.shares_port {
        true => server.restart_on_signals(),
        false => server.stop_on_signals(),
    };
    let server = server.map_err(failure)?;
    server.check().map_err(failure)?;
    log::tell_level();
    if has_idle_workers {
        ::log::warn!("--workers has no effect with --mode multiplex");
    }
    let mut out = io::stdout();
    // The supervisor has already printed the addresses of its workers.
    for address in server.addresses().iter().filter(|_| !Server::is_worker()) {
        // The parent process may wait for this line. A closed standard output is not an error.
        let _ = writeln!(out, "listening on {address}").and_then(|()| out.flush());
    }
    server.run().map_err(failure)
}
