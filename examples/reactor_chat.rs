//! A chat for browsers and for any client that sends lines, and the simple chat tool of the
//! tutorial.
//!
//! ```text
//! cargo run --release --example reactor_chat
//! nc 127.0.0.1 9999
//! xdg-open http://127.0.0.1:9999
//! ```

mod common;

use std::process::ExitCode;
use std::time::Duration;

use lexopt::Parser;
use socketserver::services::chat::{AutoReply, Chat};
use socketserver::services::detect::{self, Detect};
use socketserver::{Backplane, BackplaneError, Limits, Mode, Server, SlowConsumer};

use common::exit::usage;
use common::seconds::value;
use common::{Exit, Options};

const HELP: &str = "\
reactor_chat: a chat with rooms, for browsers and for clients of lines, in one loop

A browser gets a page, with a tab for each of up to eight rooms. A client of lines is in one room:

  /nick NAME   change your name
  /join ROOM   go to another room
  /who         list the members of this room
  /quit        leave
  /help        list the commands

A new client is guest-N in the room lobby. Any other line is sent to all other members of the
room as 'NICK: text'; lines from the server begin with '* '. A WebSocket at /ws carries the same
lines, or JSON with the subprotocol chat.v1.json: see docs/chat.md.

options
  --bind ADDR             listen address, repeatable: 127.0.0.1:9999, [::1]:9999, unix:/path
                          (default 127.0.0.1:9999; port 0 chooses a free port)
  --reuse-port            share the ports with other processes that have this option
  --auto-reply TEXT       no chat: answer the first bytes of each connection with TEXT,
                          and close it
  --silence MS            time after which a client that has sent nothing is greeted with
                          lines: browsers speak first (default 300; 0: at once, and there
                          is no page)
  --origin ORIGIN         origin whose pages may connect to /ws, as https://example.com,
                          repeatable (default: that of the request)
  --slow-consumer POLICY  policy for members with lines that read too slowly: close
                          (default), or drop-newest, drop-oldest: they miss lines, without
                          a mark
  --line-interval MS      time of each line of a member beyond a burst of ten
                          (default 100, 0: no limit)
  --backplane URL         share rooms and names with other nodes through an engine:
                          redis://HOST:PORT[/DB], nats://HOST:PORT (default: the variable
                          SOCKETSERVER_BACKPLANE; without it there are no other nodes)
  --node NAME             name of this node in the log (default: a random one)
  --mode MODE             multiplex (default), threads, reactors; processes with
                          --auto-reply or --backplane: each process is a node
  --workers N             number of threads, processes or reactors (default: the
                          number of cores)
  --max-connections N     connections open at once, in each worker process (default 65536)
  --max-connections-per-peer N
                          the same for one IPv4 address, or one IPv6 network of 64 bits
                          (default: no limit)
  --idle-timeout SECS     timeout of an inactive or new silent connection (default 0:
                          none)
  --drain-timeout SECS    time that open connections get when stopping (default 30, 0: none)
  --health ADDR           also serve /livez, /readyz and /metrics, at this address
  --log LEVEL             off, error, warn, info (default), debug, trace
  --version               print the version
  --help                  print this text

SIGTERM or SIGINT (Ctrl-C) notifies all members and exits; a second one exits at once.

try it, in a terminal and in a browser
  nc 127.0.0.1 9999
  xdg-open http://127.0.0.1:9999
";

/// A member that only reads is silent for hours. One that has vanished is noticed by the probes of
/// the system.
const IDLE: Option<Duration> = None;
/// Some terminals send each character by itself, and users type slowly.
const MESSAGE: Option<Duration> = Some(Duration::from_secs(300));
/// The time in which a client of HTTP speaks.
const SILENCE: Duration = Duration::from_millis(300);
/// The pace of a member.
const BURST: u32 = 10;
const LINE_INTERVAL: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> Result<(), Exit> {
    let limits = Limits::default().first_byte(IDLE).idle(IDLE).message(MESSAGE);
    let mut auto_reply = None;
    let mut slow_consumer = limits.slow_consumer;
    let mut line_interval = LINE_INTERVAL;
    let mut silence = SILENCE;
    let mut origins = Vec::new();
    let (mut url, mut node, mut health) = (None, None, None);
    let options = Options::new("127.0.0.1:9999", limits).parse(HELP, |name, parser| {
        match name.0.as_str() {
            "auto-reply" => auto_reply = Some(value("auto-reply", "a text", parser, text)?),
            "backplane" => url = Some(value("backplane", "a URL", parser, text)?),
            "health" => health = Some(common::health::address(parser)?),
            "line-interval" => line_interval = millis("line-interval", parser)?,
            "node" => node = Some(value("node", "a name", parser, text)?),
            "origin" => origins.push(value("origin", "an origin", parser, text)?),
            "silence" => silence = millis("silence", parser)?,
            "slow-consumer" => slow_consumer = policy(parser)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(mut options) = options else {
        return Ok(());
    };
    options.limits.slow_consumer = slow_consumer;
    options.notice_vanished_peers();
    let health = common::health::shared(health, &options);
    let backplane = || backplane(url.as_deref(), node.as_deref());
    let is_one_of_several = backplane().map_err(|error| usage(error.to_string()))?.is_some();
    match auto_reply {
        Some(text) => common::serve(options, |server, addresses| {
            let server = server.listen(addresses, AutoReply::new(&text))?;
            common::health::add_to(server, health.as_ref())
        }),
        None if matches!(options.mode, Some(Mode::Processes(1..))) && !is_one_of_several => {
            Err(usage(
                "--mode processes: members in different processes would not hear each other; use \
                 multiplex, threads or reactors, or --backplane",
            ))
        }
        None => common::serve(options, |server, addresses| {
            let mut chat = Chat::new().line_rate(BURST, line_interval);
            let server = share(server, &chat, backplane()?);
            if !origins.is_empty() {
                chat = chat.origins(origins.clone());
            }
            let server = if silence.is_zero() {
                server.listen(addresses, chat)
            } else {
                let web = chat.web();
                server.listen(addresses, Detect::new(chat).when(detect::http, web).silence(silence))
            };
            common::health::add_to(server?, health.as_ref())
        }),
    }
}

/// Returns the engine between this node and the others, if there is one.
fn backplane(url: Option<&str>, node: Option<&str>) -> Result<Option<Backplane>, BackplaneError> {
    let backplane = match url {
        Some(url) => Some(Backplane::at(url)?),
        None => Backplane::from_env()?,
    };
    Ok(match (backplane, node) {
        (Some(backplane), Some(node)) => Some(backplane.node(node)),
        (backplane, _) => backplane,
    })
}

fn share(server: Server, chat: &Chat, backplane: Option<Backplane>) -> Server {
    match backplane {
        Some(backplane) => server.backplane(chat.share(backplane)),
        None => server,
    }
}

fn millis(name: &str, parser: &mut Parser) -> Result<Duration, Exit> {
    let takes = "a number of milliseconds";
    value(name, takes, parser, |text| text.parse().ok().map(Duration::from_millis))
}

fn policy(parser: &mut Parser) -> Result<SlowConsumer, Exit> {
    let takes = "one of close, drop-newest, drop-oldest";
    value("slow-consumer", takes, parser, |text| text.parse().ok())
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}
