//! A web server: the tutorial's welcome page, and more.
//!
//! ```text
//! cargo run --release --example reactor_web
//! curl http://127.0.0.1:8080/plaintext
//! wrk -t1 -c64 -d5s http://127.0.0.1:8080/plaintext
//! ```

mod common;
#[path = "common/request_log.rs"]
mod request_log;
#[path = "common/welcome/mod.rs"]
mod welcome;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use socketserver::services::files::Files;
use socketserver::services::web::{Answered, Failure, Reply, Request, Web};
use socketserver::{Limits, ServerHandle, Subnet};

use common::exit::usage;
use common::seconds::{seconds, value};
use common::{Exit, Options};
use request_log::Form;

const HELP: &str = "\
reactor_web: a web server in one loop

  /             the welcome page, for any method: live counters, routes to try
  /plaintext    Hello, World!
  /json         the same as a JSON object
  /echo         the request's body, for any method
  /slow?ms=N    answers after N milliseconds (at most 60000) without blocking
  /peer         the address of the client
  /files/       the files of --root, if it is given
  /metrics      the server's counters and its memory, for Prometheus
  /events/counters
                some of them each second, as server-sent events, for the page
  /livez        200 while the server runs
  /readyz       200 until a signal, 503 from then on

options
  --bind ADDR             listen address, repeatable: 127.0.0.1:8080, [::1]:8080, unix:/path
                          (default 127.0.0.1:8080; port 0 chooses a free port)
  --reuse-port            share the ports with other processes that have this option
  --mode MODE             multiplex (default), threads, processes, reactors
  --workers N             number of threads, processes or reactors (default: the
                          number of cores)
  --max-connections N     connections open at once, in each worker process (default 65536)
  --max-connections-per-peer N
                          the same for one IPv4 address, or one IPv6 network of 64 bits
                          (default: no limit)
  --head-timeout SECS     timeout of an incomplete request head (default 10, 0: none)
  --idle-timeout SECS     timeout of an inactive connection, and of a new silent one
                          (default: 75 and 60, 0: none)
  --drain-timeout SECS    time that open connections get when stopping (default 30, 0: none)
  --health ADDR           also serve /livez, /readyz and /metrics, at this address
  --drain-delay SECS      time to serve on after the signal (default 0)
  --trust-proxy NET       a proxy whose Forwarded and X-Forwarded-For name the client,
                          repeatable: 10.0.0.0/8, ::1, unix (default: none)
  --root DIR              serve the files of a directory under /files/
  --listing               list its directories that have no index.html
  --request-log FORM      off (default), common, json: a line for each request on
                          standard output
  --faults                also serve /work?ms=N (blocks the loop for N ms) and /panic
  --log LEVEL             off, error, warn, info (default), debug, trace
  --version               print the version
  --help                  print this text

SIGTERM or SIGINT (Ctrl-C) answers pending requests and exits; a second one exits at once.

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
    let (mut drain_delay, mut form, mut proxies) = (None, None, Vec::new());
    let (mut root, mut directories) = (None, Directories::Refused);
    let mut health = None;
    let options = Options::new("127.0.0.1:8080", limits).parse(HELP, |name, parser| {
        match name.0.as_str() {
            "faults" => faults = true,
            "head-timeout" => head_timeout = seconds(&name.0, parser)?,
            "drain-delay" => drain_delay = seconds(&name.0, parser)?,
            "trust-proxy" => {
                let text = value(&name.0, NETS, parser, |text| Some(text.to_owned()))?;
                let net = text.parse::<Subnet>();
                proxies.push(net.map_err(|error| usage(format!("--trust-proxy {error}")))?);
            }
            "root" => root = Some(PathBuf::from(parser.value()?)),
            "health" => health = Some(common::health::address(parser)?),
            "listing" => directories = Directories::Listed,
            "request-log" => form = value(&name.0, FORMS, parser, form_of)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(mut options) = options else {
        return Ok(());
    };
    options.limits.message = head_timeout;
    options.limits.drain_delay = drain_delay.unwrap_or_default();
    let health = common::health::shared(health, &options);
    let requests = form.map(request_log::start);
    let served = common::serve(options, |server, addresses| {
        let mut site = site(faults, server.handle()).trust_proxies(proxies.clone());
        if let Some(root) = &root {
            site = site.files("/files", files(root, directories)?);
        }
        if let Some(requests) = requests.clone() {
            site = site.on_answer(move |record| request_log::push(&requests, record));
        }
        common::health::add_to(server.listen(addresses, site)?, health.as_ref())
    });
    if let Some(requests) = requests {
        requests.finish();
    }
    served
}

const NETS: &str = "a network such as 10.0.0.0/8, an address, or unix";
const FORMS: &str = "one of off, common, json";

/// Returns the form of the request log with this name, or `Some(None)` for none.
fn form_of(name: &str) -> Option<Option<Form>> {
    match name {
        "off" => Some(None),
        "common" => Some(Some(Form::Common)),
        "json" => Some(Some(Form::Json)),
        _ => None,
    }
}

/// The answer for a directory without a page of its own.
#[derive(Clone, Copy)]
enum Directories {
    Refused,
    Listed,
}

fn files(root: &Path, directories: Directories) -> io::Result<Files> {
    let files = Files::new(root)?;
    Ok(match directories {
        Directories::Refused => files,
        Directories::Listed => files.list_directories(),
    })
}

fn site(faults: bool, handle: ServerHandle) -> Web {
    let web = welcome::add_to(Web::new(), &handle)
        .get("/plaintext", |_, reply| reply.bytes("text/plain", b"Hello, World!"))
        .get("/json", |_, reply| reply.bytes("application/json", JSON))
        .any("/echo", echo)
        .get("/slow", slow)
        .get("/peer", |request, reply| reply.text(format!("{}\n", request.peer())))
        .get("/livez", |_, reply| reply.text("ok\n"))
        .get("/readyz", readyz(handle.clone()))
        .get("/metrics", move |_, reply| welcome::show_metrics(&handle, reply));
    if !faults {
        return web;
    }
    web.get("/work", work).get("/panic", panic_on_purpose)
}

fn echo(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    let content_type = request.header("content-type").unwrap_or("application/octet-stream");
    reply.bytes(content_type, request.body())
}

/// A load balancer that sees 503 sends no more connections.
fn readyz(handle: ServerHandle) -> impl Fn(&Request<'_>, Reply<'_>) -> Answered {
    move |_, reply| match handle.is_stopping() {
        false => reply.text("ok\n"),
        true => reply.status(503).text("stopping\n"),
    }
}

fn slow(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    reply.after(delay(request)?).text("slow, but without blocking other clients\n")
}

/// Blocks the loop, as a handler must not do.
#[allow(clippy::disallowed_methods, reason = "the route exists to block")]
fn work(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    std::thread::sleep(delay(request)?);
    reply.text("worked\n")
}

#[allow(clippy::panic, reason = "the route exists to panic")]
fn panic_on_purpose(request: &Request<'_>, _: Reply<'_>) -> Answered {
    panic!("requested by /panic {}", request.query_param("say").unwrap_or(""))
}

fn delay(request: &Request<'_>) -> Result<Duration, Failure> {
    match request.query_param("ms").parse()? {
        ms @ ..=60_000 => Ok(Duration::from_millis(ms)),
        _ => Err(Failure::bad_request("ask for ms=N, N to 60000")),
    }
}
