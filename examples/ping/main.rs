//! ICMP echo over a raw socket: the reachability of a host, and the round-trip time.
//!
//! ```text
//! sudo target/release/examples/ping --count 3 ::1
//! ```
#![allow(clippy::disallowed_types, reason = "a program without a loop reads the clock itself")]

mod icmp;

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lexopt::{Arg, Parser, ValueExt};
use socket2::{Domain, Protocol, Socket, Type};

use icmp::{DATA, Echo, Version};

const HELP: &str = "\
ping: sends ICMP echo requests over a raw socket

  ping HOST               a name, an IPv4 or an IPv6 address

options
  --count N               number of requests, 1 to 65535 (default 4)
  --interval SECS         time between two requests (default 1)
  --timeout SECS          timeout for a reply (default 1)
  --help                  print this text

Exits with 0 after any reply, 1 without a reply or after a system error, 2 on invalid arguments. Raw
sockets require root, or the capability CAP_NET_RAW:
  sudo setcap cap_net_raw+ep target/release/examples/ping

try it
  sudo target/release/examples/ping 127.0.0.1
";

/// A failure: the exit code, and one line.
struct Failure(u8, String);

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Failure {
        usage(error)
    }
}

fn usage(what: impl Display) -> Failure {
    Failure(2, format!("{what} (see --help)"))
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(Failure(code, line)) => {
            eprintln!("{line}");
            ExitCode::from(code)
        }
    }
}

struct Options {
    host: String,
    count: u16,
    interval: Duration,
    timeout: Duration,
}

fn parse() -> Result<Option<Options>, Failure> {
    let second = Duration::from_secs(1);
    let mut options = Options { host: String::new(), count: 4, interval: second, timeout: second };
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Long("count") => options.count = parser.value()?.parse()?,
            Arg::Long("interval") => options.interval = seconds(&mut parser)?,
            Arg::Long("timeout") => options.timeout = seconds(&mut parser)?,
            Arg::Value(host) if options.host.is_empty() => options.host = host.string()?,
            arg => return Err(arg.unexpected().into()),
        }
    }
    match (options.host.as_str(), options.count) {
        ("", _) => Err(usage("HOST is missing")),
        (_, 0) => Err(usage("--count must be at least 1")),
        _ => Ok(Some(options)),
    }
}

fn seconds(parser: &mut Parser) -> Result<Duration, Failure> {
    let seconds: f64 = parser.value()?.parse()?;
    // A day at most, so that adding it to a time cannot overflow.
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time <= Duration::from_secs(86_400) => Ok(time),
        _ => Err(usage(format!("'{seconds}' is not a number of seconds from 0 to 86400"))),
    }
}

fn run() -> Result<ExitCode, Failure> {
    let Some(options) = parse()? else {
        say(HELP.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    let host = options.host.escape_debug().to_string();
    let cannot_find = |why: String| Failure(1, format!("cannot find '{host}': {why}"));
    let found = (options.host.as_str(), 0).to_socket_addrs();
    let mut found = found.map_err(|error| cannot_find(error.to_string()))?;
    let target = found.next().ok_or_else(|| cannot_find("no address".to_owned()))?;
    let socket = open(target.ip())?;
    say(format!("ping {host} ({}): {DATA} bytes of data", target.ip()));
    let mut round = Round::new(socket, target, &options);
    for sequence in 1..=options.count {
        round.ask(sequence)?;
    }
    Ok(round.sum_up(&host))
}

/// Opens a raw socket. `UdpSocket` is only the type of datagram sockets in `std`: its `send_to` and
/// `recv_from` need no `unsafe`.
fn open(ip: IpAddr) -> Result<UdpSocket, Failure> {
    let (domain, protocol) = match ip {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    Socket::new(domain, Type::RAW, Some(protocol)).map(UdpSocket::from).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => ": run it as root or give it CAP_NET_RAW",
            _ => "",
        };
        Failure(1, format!("cannot open a raw socket{hint}: {error}"))
    })
}

/// Requests in flight, and their results.
struct Round {
    socket: UdpSocket,
    target: SocketAddr,
    echo: Echo,
    interval: Duration,
    timeout: Duration,
    count: u16,
    /// The time at which each was sent, in order; `None` after its reply.
    sent: Vec<Option<Instant>>,
    times: Vec<Duration>,
}

impl Round {
    fn new(socket: UdpSocket, target: SocketAddr, options: &Options) -> Round {
        let version = match target {
            SocketAddr::V4(_) => Version::V4,
            SocketAddr::V6(_) => Version::V6,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The lower halves differ between two runs.
        let (id, token) = (std::process::id() as u16, now.as_nanos() as u64);
        Round {
            socket,
            target,
            echo: Echo { version, id, token },
            interval: options.interval,
            timeout: options.timeout,
            count: options.count,
            sent: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Sends one request and waits for its reply; then, except after the last one, until the next
    /// is due.
    fn ask(&mut self, sequence: u16) -> Result<(), Failure> {
        let start = Instant::now();
        self.sent.push(Some(start));
        if let Err(error) = self.socket.send_to(&self.echo.request(sequence), self.target) {
            say(format!("not sent: seq={sequence}: {error}"));
            self.sent.last_mut().map(Option::take);
        }
        while self.sent.last().is_some_and(Option::is_some) {
            if !self.listen(start + self.timeout)? {
                say(format!("no answer: seq={sequence}"));
                break;
            }
        }
        if sequence < self.count {
            while self.listen(start + self.interval)? {}
        }
        Ok(())
    }

    /// Waits for one packet of any kind. Returns false if none arrived in time.
    fn listen(&mut self, until: Instant) -> Result<bool, Failure> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        // The system counts microseconds, and zero would mean no timeout.
        let failed = |error: io::Error| Failure(1, format!("cannot receive: {error}"));
        let wait = left.max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(wait)).map_err(failed)?;
        let mut packet = [0; 2048];
        match self.socket.recv_from(&mut packet) {
            Ok((len, from)) => self.take(&packet[..len], from.ip()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(true)
    }

    /// Counts a reply to an open request, the latest or an earlier one.
    fn take(&mut self, packet: &[u8], from: IpAddr) {
        let Some(answer) = self.echo.answer(packet) else { return };
        let index = usize::from(answer.sequence).checked_sub(1);
        let sent = index.and_then(|index| self.sent.get_mut(index)).and_then(Option::take);
        let Some(sent) = sent else { return };
        let time = sent.elapsed();
        self.times.push(time);
        let ttl = answer.ttl.map(|ttl| format!(" ttl={ttl}")).unwrap_or_default();
        let (len, sequence, ms) = (answer.len, answer.sequence, millis(time));
        say(format!("{len} bytes from {from}: seq={sequence}{ttl} time={ms:.3} ms"));
    }

    fn sum_up(&self, host: &str) -> ExitCode {
        let (sent, received) = (self.sent.len(), self.times.len());
        let lost = 100 * (sent - received) / sent;
        let summary = format!("--- {host}: {sent} sent, {received} received, {lost}% lost");
        let (Some(min), Some(max)) = (self.times.iter().min(), self.times.iter().max()) else {
            say(summary);
            return ExitCode::FAILURE;
        };
        let average = self.times.iter().sum::<Duration>() / received as u32;
        let [min, average, max] = [*min, average, *max].map(millis);
        say(format!("{summary}; min/avg/max = {min:.3}/{average:.3}/{max:.3} ms"));
        ExitCode::SUCCESS
    }
}

/// Prints a line. A closed standard output is not an error.
fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
