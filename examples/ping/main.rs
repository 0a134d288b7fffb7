//! ICMP echo over a raw or datagram socket: the reachability of a host, and the round-trip time.
//!
//! ```text
//! sudo target/release/examples/ping --count 3 ::1
//! ```
#![allow(clippy::disallowed_types, reason = "a program without a loop reads the clock itself")]

#[path = "../common"]
mod common {
    pub(crate) mod exit;
    pub(crate) mod seconds;
    pub(crate) mod version;
}
mod errors;
mod icmp;
mod round;
mod socket;

use std::io;
use std::net::ToSocketAddrs;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use common::exit::{Exit, exit_by, failure, usage};
use common::seconds::{seconds, too_many, value};
use common::version::{VERSION, print};
use icmp::DATA;
use round::{Pace, Round, say};
use socket::Ears;

const HELP: &str = "\
ping: sends ICMP echo requests

  ping HOST               a name, an IPv4 or an IPv6 address

options
  --count N               number of requests, 1 to 65535 (default 4)
  --interval SECS         time between two requests (default 1)
  --timeout SECS          timeout for a reply (default 1)
  --version               print the version
  --help                  print this text

Ctrl-C ends it with the summary. Exits with 0 after any reply, 1 without a reply or after a system
error, 2 on invalid arguments.

A raw socket requires root, or the capability CAP_NET_RAW:
  sudo setcap cap_net_raw+ep target/release/examples/ping
Without them, a datagram socket requires a group in net.ipv4.ping_group_range. It does not tell the
remaining hop count, and only some errors.

try it
  sudo target/release/examples/ping 127.0.0.1
";

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let result = run().map(|own| code = own);
    let failed = exit_by(result, |line| eprintln!("{line}"));
    if failed == ExitCode::SUCCESS { code } else { failed }
}

/// Returns the host and the times, or nothing if a text was printed instead.
fn parse() -> Result<Option<(String, Pace)>, Exit> {
    let second = Duration::from_secs(1);
    let mut pace = Pace { count: 4, interval: second, timeout: second };
    let mut host = None;
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return print(HELP).map(|()| None),
            Arg::Long("version") | Arg::Short('V') => return print(VERSION).map(|()| None),
            Arg::Long("count") => {
                let count = |text: &str| text.parse().ok().filter(|count| *count > 0);
                pace.count = value("count", "a number from 1 to 65535", &mut parser, count)?;
            }
            Arg::Long("interval") => {
                pace.interval = seconds("interval", &mut parser)?.unwrap_or_default();
            }
            Arg::Long("timeout") => {
                pace.timeout = seconds("timeout", &mut parser)?.unwrap_or_default();
            }
            Arg::Value(text) if host.is_none() => host = Some(text.string()?),
            Arg::Value(text) => return Err(too_many(&text, "one HOST")),
            arg => return Err(arg.unexpected().into()),
        }
    }
    match host.filter(|host| !host.is_empty()) {
        None => Err(usage("HOST is missing: ping 127.0.0.1")),
        Some(host) => Ok(Some((host, pace))),
    }
}

fn run() -> Result<ExitCode, Exit> {
    let Some((host, pace)) = parse()? else {
        return Ok(ExitCode::SUCCESS);
    };
    let shown = host.escape_debug().to_string();
    let cannot_find =
        |why: String| failure(io::Error::other(format!("cannot find '{shown}': {why}")));
    let found = (host.as_str(), 0).to_socket_addrs();
    let mut found = found.map_err(|error| cannot_find(error.to_string()))?;
    let target = found.next().ok_or_else(|| cannot_find("no address".to_owned()))?;
    let ears = Ears::open(target)?;
    say(format!("ping {shown} ({}): {DATA} bytes of data", target.ip()));
    let mut round = Round::new(ears, target, pace);
    round.run()?;
    Ok(round.sum_up(&shown))
}
