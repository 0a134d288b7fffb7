//! A board of messages: a browser shows those that others publish, and misses none.
//!
//! ```text
//! cargo run --release --example sse
//! curl -N http://127.0.0.1:8082/events
//! curl -d hello http://127.0.0.1:8082/publish
//! ```

mod common;

use std::process::ExitCode;

use socketserver::services::web::{Answered, Failure, Reply, Request, Web};
use socketserver::{History, Limits, Mode};

use common::exit::usage;
use common::{Exit, Options};

const HELP: &str = "\
sse: server-sent events from a history

  /             a page that shows the events, and publishes
  /events       the events from now on, or after the id in the field Last-Event-ID
  /all          the same, after those of the history
  /publish      POST: the body becomes an event; the answer is its id

options
  --bind ADDR             listen address, repeatable: 127.0.0.1:8082, [::1]:8082, unix:/path
                          (default 127.0.0.1:8082; port 0 chooses a free port)
  --reuse-port            share the ports with other processes that have this option
  --mode MODE             multiplex (default), threads, reactors
  --workers N             number of threads or reactors (default: the number of cores)
  --max-connections N     connections open at once (default 65536)
  --max-connections-per-peer N
                          the same for one IPv4 address, or one IPv6 network of 64 bits
                          (default: no limit)
  --idle-timeout SECS     timeout of an inactive connection, and of a new silent one
                          (default: 75 and 60, 0: none)
  --drain-timeout SECS    time that open connections get when stopping (default 30, 0: none)
  --log LEVEL             off, error, warn, info (default), debug, trace
  --version               print the version
  --help                  print this text

The history has the last 1000 events, of at most 4096 bytes each.

SIGTERM or SIGINT (Ctrl-C) sends the last events and exits; a second one exits at once.

try it
  curl -N http://127.0.0.1:8082/events
";

/// The most events in the history, and the most bytes of one.
const EVENTS: usize = 1000;
const EVENT: usize = 4096;

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> Result<(), Exit> {
    let options =
        Options::new("127.0.0.1:8082", Limits::default()).parse(HELP, |_, _| Ok(false))?;
    let Some(options) = options else {
        return Ok(());
    };
    if matches!(options.mode, Some(Mode::Processes(1..))) {
        return Err(usage(
            "--mode processes: each process would have its own history; use multiplex, threads \
             or reactors",
        ));
    }
    let history = History::new(EVENTS, EVENTS * EVENT);
    common::serve(options, |server, addresses| server.listen(addresses, site(&history)))
}

fn site(history: &History) -> Web<History> {
    Web::with_state(history.clone())
        .get("/", |_, reply| {
            let reply = reply.header("content-security-policy", POLICY);
            reply.html(include_str!("common/board.html"))
        })
        .get("/events", |request, reply| reply.events(request.state(), request.last_event_id()))
        .get("/all", all)
        .post("/publish", publish)
        .body_limit("/publish", EVENT as u64)
}

const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'";

fn all(request: &Request<'_, History>, reply: Reply<'_>) -> Answered {
    let history = request.state();
    // A browser that continues names its position; a new one begins with the oldest event.
    reply.events(history, request.last_event_id().or(Some(history.start())))
}

fn publish(request: &Request<'_, History>, reply: Reply<'_>) -> Answered {
    if request.body().is_empty() {
        return Err(Failure::bad_request("the body is the text of the event"));
    }
    let position = request.state().append(request.body());
    reply.text(format!("{position}\n"))
}
