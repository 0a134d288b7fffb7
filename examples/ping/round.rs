//! Requests in flight, and their results.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::common::exit::{Exit, failure};
use super::errors::Version;
use super::icmp::{Answer, Echo, Message};
use super::socket::{Ears, Heard};

/// Messages about a request are shorter.
const PACKET_MAX: usize = 2048;

/// The times of a round.
pub(crate) struct Pace {
    pub(crate) count: u16,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Answered,
    Failed,
}

struct Request {
    sent: Instant,
    state: State,
}

/// The next step after a wait.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Wait,
    /// The time is over.
    Due,
    Stop,
}

pub(crate) struct Round {
    ears: Ears,
    target: SocketAddr,
    echo: Echo,
    pace: Pace,
    /// In order, beginning with the number 1.
    requests: Vec<Request>,
    times: Vec<Duration>,
    duplicates: u64,
    errors: u64,
}

impl Round {
    pub(crate) fn new(ears: Ears, target: SocketAddr, pace: Pace) -> Round {
        let version = match target {
            SocketAddr::V4(_) => Version::V4,
            SocketAddr::V6(_) => Version::V6,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The lower halves differ between two runs.
        let (id, token) = (std::process::id() as u16, now.as_nanos() as u64);
        Round {
            echo: Echo { version, kind: ears.kind, id, token },
            ears,
            target,
            pace,
            requests: Vec::new(),
            times: Vec::new(),
            duplicates: 0,
            errors: 0,
        }
    }

    /// Sends the requests, until the user stops it.
    pub(crate) fn run(&mut self) -> Result<(), Exit> {
        for sequence in 1..=self.pace.count {
            if self.ask(sequence)? == Next::Stop {
                // The terminal has shown `^C` in this row.
                if io::stdout().is_terminal() {
                    say("");
                }
                break;
            }
        }
        Ok(())
    }

    /// Sends one request and waits for its reply; then, except after the last one, until the next
    /// is due.
    fn ask(&mut self, sequence: u16) -> Result<Next, Exit> {
        let sent = Instant::now();
        self.requests.push(Request { sent, state: State::Open });
        if let Err(error) = self.ears.send(&self.echo.request(sequence), self.target) {
            say(format!("not sent: seq={sequence}: {error}"));
            self.fail(sequence);
        }
        let is_open = |round: &Round| {
            round.requests.last().is_some_and(|request| request.state == State::Open)
        };
        while is_open(self) {
            match self.listen(sent.checked_add(self.pace.timeout))? {
                Next::Wait => {}
                Next::Due => {
                    say(format!("no answer: seq={sequence}"));
                    break;
                }
                Next::Stop => return Ok(Next::Stop),
            }
        }
        let mut next = if sequence < self.pace.count { Next::Wait } else { Next::Due };
        while next == Next::Wait {
            next = self.listen(sent.checked_add(self.pace.interval))?;
        }
        Ok(next)
    }

    /// Waits for one packet of any kind.
    fn listen(&mut self, until: Option<Instant>) -> Result<Next, Exit> {
        let mut packet = [0; PACKET_MAX];
        let failed = |error| failure(io::Error::other(format!("cannot receive: {error}")));
        match self.ears.wait(&mut packet, until).map_err(failed)? {
            Heard::Packet(len, from) => self.take(&packet[..len], from),
            Heard::Error(error) => {
                // The system does not tell the request: the latest one, usually.
                let sequence = self.requests.len() as u16;
                say(format!("error: seq={sequence}: {error}"));
                self.fail(sequence);
            }
            Heard::Nothing => return Ok(Next::Due),
            Heard::Stop => return Ok(Next::Stop),
        }
        Ok(Next::Wait)
    }

    fn take(&mut self, packet: &[u8], from: IpAddr) {
        match self.echo.message(packet) {
            Some(Message::Reply(answer)) => self.reply(answer, from),
            Some(Message::Error(sequence, error)) if self.request(sequence).is_some() => {
                say(format!("from {from}: seq={sequence} {error}"));
                self.fail(sequence);
            }
            _ => {}
        }
    }

    /// Counts a reply to a request, the latest or an earlier one.
    fn reply(&mut self, answer: Answer, from: IpAddr) {
        let Some(request) = self.request(answer.sequence) else { return };
        let (time, is_duplicate) = (request.sent.elapsed(), request.state == State::Answered);
        request.state = State::Answered;
        match is_duplicate {
            true => self.duplicates += 1,
            false => self.times.push(time),
        }
        let ttl = answer.ttl.map(|ttl| format!(" ttl={ttl}")).unwrap_or_default();
        let (len, sequence, ms) = (answer.len, answer.sequence, millis(time));
        let truncated = if answer.is_truncated() { " (truncated)" } else { "" };
        let duplicate = if is_duplicate { " (DUP!)" } else { "" };
        say(format!(
            "{len} bytes from {from}: seq={sequence}{ttl} time={ms:.3} ms{truncated}{duplicate}"
        ));
    }

    /// Counts an error about a request.
    fn fail(&mut self, sequence: u16) {
        self.errors += 1;
        if let Some(request) = self.request(sequence).filter(|it| it.state == State::Open) {
            request.state = State::Failed;
        }
    }

    fn request(&mut self, sequence: u16) -> Option<&mut Request> {
        self.requests.get_mut(usize::from(sequence).checked_sub(1)?)
    }

    /// Prints the summary.
    pub(crate) fn sum_up(&self, host: &str) -> ExitCode {
        let (sent, received) = (self.requests.len(), self.times.len());
        let lost = 100 * (sent - received) / sent.max(1);
        let mut summary = format!("--- {host}: {sent} sent, {received} received");
        for (count, name) in [(self.duplicates, "duplicates"), (self.errors, "errors")] {
            if count > 0 {
                summary += &format!(", +{count} {name}");
            }
        }
        summary += &format!(", {lost}% lost");
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
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
