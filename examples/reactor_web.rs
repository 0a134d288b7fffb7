//! A web server: the tutorial's welcome page, grown up.
//!
//! ```text
//! cargo run --release --example reactor_web
//! curl http://127.0.0.1:8080/plaintext
//! wrk -t1 -c64 -d5s http://127.0.0.1:8080/plaintext
//! ```

mod common;

use std::process::ExitCode;
use std::time::Duration;

use socketserver::services::web::{Answered, Failure, Reply, Request, Web};
use socketserver::{Limits, Metrics, ServerHandle};

use common::{Exit, Options};

const HELP: &str = "\
reactor_web: a web server in one loop

  /             the welcome page, whatever the method
  /plaintext    Hello, World!
  /json         the same as an object
  /echo         the request's body back, whatever the method
  /slow?ms=N    answers after N milliseconds (60000 at most) without holding up anybody
  /metrics      what the server has done so far, for Prometheus

options
  --bind ADDR             where to listen, repeatable: 127.0.0.1:8080, [::1]:8080, unix:/path
                          (default 127.0.0.1:8080; port 0 takes a free one)
  --mode MODE             multiplex (default), threads, processes, reactors
  --workers N             how many threads, processes or reactors (default: the number of
                          cores)
  --max-connections N     connections open at once (default 65536)
  --max-connections-per-peer N
                          of them from one address (default: no limit of its own)
  --head-timeout SECS     how long the head of a request may stay incomplete (default 10,
                          0: for ever)
  --idle-timeout SECS     how long nothing may happen on a connection, or a new one may
                          stay silent (default: 75 and 60, 0: for ever)
  --drain-timeout SECS    how long to wait for connections when stopping (default 30, 0: not
                          at all)
  --faults                also serve /work?ms=N (the handler blocks for N ms) and /panic
  --log LEVEL             off, error, warn, info (default), debug, trace
  --help                  this text

SIGTERM or SIGINT (Ctrl-C) finishes what was asked and exits; a second one exits at once.

try it
  curl http://127.0.0.1:8080/plaintext
";

const JSON: &str = r#"{"message":"Hello, World!"}"#;

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> Result<(), Exit> {
    let limits = Limits::default().message(Some(Duration::from_secs(10)));
    let mut faults = false;
    let mut head_timeout = limits.message;
    let options = Options::new("127.0.0.1:8080", limits).parse(HELP, |name, parser| {
        match name.0.as_str() {
            "faults" => faults = true,
            "head-timeout" => head_timeout = common::seconds(parser)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(mut options) = options else {
        return Ok(());
    };
    options.limits.message = head_timeout;
    common::serve(options, |server, addresses| {
        let site = site(faults, server.handle());
        server.listen(addresses, site)
    })
}

fn site(faults: bool, handle: ServerHandle) -> Web {
    let web = Web::new()
        .any("/", |_, reply| reply.html(include_str!("common/welcome.html")))
        .get("/plaintext", |_, reply| reply.bytes("text/plain", b"Hello, World!"))
        .get("/json", |_, reply| reply.bytes("application/json", JSON))
        .any("/echo", echo)
        .get("/slow", slow)
        .get("/metrics", move |_, reply| {
            reply.bytes(Metrics::PROMETHEUS, handle.metrics().prometheus().as_bytes())
        });
    if !faults {
        return web;
    }
    web.get("/work", work).get("/panic", |_, _| panic_on_purpose())
}

fn echo(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    let content_type = request.header("content-type").unwrap_or("application/octet-stream");
    reply.bytes(content_type, request.body())
}

fn slow(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    reply.after(delay(request)?).text("slow, but nobody waited for you\n")
}

/// Stands for a handler that does what it should not: block the loop.
#[allow(clippy::disallowed_methods, reason = "blocking is the purpose")]
fn work(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    std::thread::sleep(delay(request)?);
    reply.text("worked\n")
}

#[allow(clippy::panic, reason = "panicking is the purpose")]
fn panic_on_purpose() -> Answered {
    panic!("asked to, at /panic")
}

fn delay(request: &Request<'_>) -> Result<Duration, Failure> {
    match request.query_param("ms").parse()? {
        ms @ ..=60_000 => Ok(Duration::from_millis(ms)),
        _ => Err(Failure::bad_request("ask for ms=N, N to 60000")),
    }
}
