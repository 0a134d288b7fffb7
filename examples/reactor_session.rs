//! The session server of the tutorial: it greets, answers each command, and ends on `exit`.
//!
//! ```text
//! cargo run --release --example reactor_session
//! nc 127.0.0.1 8009
//! ```

mod common;

use std::process::ExitCode;
use std::time::Duration;

use socketserver::services::session::Session;
use socketserver::{Limits, Mode};

use common::exit::usage;
use common::{Exit, Options};

const HELP: &str = "\
reactor_session: a session per connection, in one loop or on workers

  (on connecting)  我是多线程
  0                您输入的是0
  exit             ends the session
  anything else    请重新输入.

The line end of a command is optional.

options
  --bind ADDR             listen address, repeatable: 127.0.0.1:8009, [::1]:8009, unix:/path
                          (default 127.0.0.1:8009; port 0 chooses a free port)
  --reuse-port            share the ports with other processes that have this option
  --mode MODE             multiplex (default), threads, processes, reactors
  --workers N             number of threads, processes or reactors (default: the
                          number of cores)
  --blocking              each session occupies a worker until its end; further sessions
                          wait for one; implies --mode threads
  --max-connections N     connections open at once, in each worker process (default 65536)
  --max-connections-per-peer N
                          the same for one IPv4 address, or one IPv6 network of 64 bits
                          (default: no limit)
  --idle-timeout SECS     timeout of an inactive connection (default 600, 0: none)
  --drain-timeout SECS    time that open connections get when stopping (default 30, 0: none)
  --log LEVEL             off, error, warn, info (default), debug, trace
  --version               print the version
  --help                  print this text

SIGTERM or SIGINT (Ctrl-C) answers pending requests and exits; a second one exits at once.

try it
  printf '0\\nhello\\nexit\\n' | nc 127.0.0.1 8009
";

/// Users may pause before they type.
const IDLE: Option<Duration> = Some(Duration::from_secs(600));

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> Result<(), Exit> {
    let limits = Limits::default().first_byte(IDLE).idle(IDLE);
    let mut is_blocking = false;
    let options = Options::new("127.0.0.1:8009", limits).parse(HELP, |name, _| {
        is_blocking |= name.0 == "blocking";
        Ok(name.0 == "blocking")
    })?;
    let Some(mut options) = options else { return Ok(()) };
    if !is_blocking {
        return common::serve(options, |server, addresses| {
            server.listen(addresses, |_| Session::new())
        });
    }
    if !matches!(options.mode.get_or_insert(Mode::Threads(options.workers)), Mode::Threads(_)) {
        return Err(usage("--blocking requires --mode threads"));
    }
    if options.workers == 0 {
        return Err(usage("--blocking requires --workers of at least 1"));
    }
    common::serve(options, |server, addresses| {
        server.listen_blocking(addresses, |_| Session::new())
    })
}
