//! A web server for tests/faults: pieces without end, and work of a given time. Takes the options
//! of the examples that the scripts use. Knows no fault.

use std::error::Error;
use std::io::{self, Write};
use std::iter::repeat_with;
use std::thread;
use std::time::Duration;

use socketserver::services::web::{Answered, Failure, Reply, Request, Response, Web};
use socketserver::{Limits, Server};

type Failed = Box<dyn Error + Send + Sync>;

struct Options {
    bind: String,
    mode: String,
    workers: usize,
    drain: u64,
}

fn options() -> Result<Options, Failed> {
    let mut options =
        Options { bind: "127.0.0.1:0".into(), mode: "multiplex".into(), workers: 2, drain: 30 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} takes a value"))?;
        match name.as_str() {
            "--bind" => options.bind = value,
            "--mode" => options.mode = value,
            "--workers" => options.workers = value.parse()?,
            "--drain-timeout" => options.drain = value.parse()?,
            _ => return Err(format!("no option {name}").into()),
        }
    }
    Ok(options)
}

/// Pieces without end: empty ones, or an empty one and a byte in turn.
fn pieces(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    let mut count = 0;
    let period = match request.param("kind").unwrap_or("") {
        "empty" => usize::MAX,
        "mixed" => 2,
        _ => return Err(Failure::bad_request("ask for empty or mixed")),
    };
    let next = move || {
        count += 1;
        if count % period == 0 { vec![b'x'] } else { Vec::new() }
    };
    reply.pieces("text/plain", repeat_with(next))
}

/// Work of N ms in another thread.
fn offload(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    let time = Duration::from_millis(request.query_param("ms").parse()?);
    reply.offload(move || {
        thread::sleep(time);
        Ok(Response::new(200).text("worked\n"))
    })
}

/// Work of N ms in the thread of the handler.
fn work(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    thread::sleep(Duration::from_millis(request.query_param("ms").parse()?));
    reply.text("worked\n")
}

fn main() -> Result<(), Failed> {
    let options = options()?;
    let mode = match options.mode.as_str() {
        "multiplex" => "multiplex".into(),
        other => format!("{other}:{}", options.workers),
    };
    let limits = Limits::default()
        .drain(Duration::from_secs(options.drain))
        .offload_workers(options.workers);
    let web = Web::new()
        .get("/plaintext", |_, reply| reply.text("Hello, World!"))
        .get("/pieces/{kind}", pieces)
        .get("/offload", offload)
        .get("/work", work);
    let server = Server::new().listen(options.bind.as_str(), web)?;
    let server = server.mode(mode.parse()?).limits(limits).stop_on_signals()?;
    if !Server::is_worker() {
        for address in server.addresses() {
            writeln!(io::stdout(), "listening on {address}")?;
        }
    }
    Ok(server.run()?)
}
