//! The output and the end of programs, waited for with a deadline. Knows no server.

use std::io::{BufRead, BufReader, Read};
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::support::waiting::{PATIENCE, Stopwatch, until};

/// The lines of a pipe or a socket, read by a separate thread.
pub(crate) struct Lines {
    lines: Receiver<String>,
    /// The lines taken so far, for the message of a failure.
    taken: Vec<String>,
}

impl Lines {
    pub(crate) fn of(source: impl Read + Send + 'static) -> Lines {
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                // A test may stop reading early, but the pipe must stay open.
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            }
        });
        Lines { lines, taken: Vec::new() }
    }

    /// Returns the next line with its end, or `None` at the end. `awaited` names it in a failure.
    pub(crate) fn next(&mut self, awaited: &str) -> Option<String> {
        self.next_within(PATIENCE, awaited)
    }

    fn next_within(&mut self, patience: Duration, awaited: &str) -> Option<String> {
        match self.lines.recv_timeout(patience) {
            // Queued lines are returned even when no patience is left.
            Ok(line) if !patience.is_zero() => {
                self.taken.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Ok(_) | Err(RecvTimeoutError::Timeout) => {
                panic!("after {PATIENCE:?} no {awaited}; said so far:\n{}", self.last())
            }
        }
    }

    /// Waits for a line that contains `text`, with a deadline even if other lines keep coming.
    pub(crate) fn until(&mut self, text: &str) -> String {
        let watch = Stopwatch::start();
        loop {
            let left = PATIENCE.saturating_sub(watch.elapsed());
            match self.next_within(left, &format!("'{text}'")) {
                Some(line) if line.contains(text) => return line,
                Some(_) => {}
                None => panic!("it ended without '{text}'; it said:\n{}", self.last()),
            }
        }
    }

    /// The last lines, for the message of a failure.
    fn last(&self) -> String {
        self.taken[self.taken.len().saturating_sub(50)..].concat()
    }

    /// Returns all output up to the end.
    pub(crate) fn rest(&mut self) -> String {
        let (watch, mut rest) = (Stopwatch::start(), String::new());
        let left = || PATIENCE.saturating_sub(watch.elapsed());
        while let Some(line) = self.next_within(left(), "end of what it says") {
            rest += &line;
        }
        rest
    }
}

/// A program that is killed at the end of the test.
pub(crate) struct Program(Child);

impl Program {
    pub(crate) fn spawn(command: &mut Command) -> Program {
        Program(command.spawn().unwrap())
    }
}

impl Deref for Program {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Program {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a program has ended.
pub(crate) fn end_of(child: &mut Child) -> ExitStatus {
    until("the program has ended", || child.try_wait().unwrap().ok_or("it still runs"))
}

fn whole(mut source: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, all) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        // A failed test no longer receives.
        let _ = sender.send(bytes);
    });
    all
}

/// Runs a program to its end, within a deadline, and collects its output.
pub(crate) fn run_to_end(command: &mut Command) -> Output {
    output_of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Waits for the end of a running program, and collects its unread output.
pub(crate) fn output_of(mut child: Child) -> Output {
    let out = child.stdout.take().map(whole);
    let err = child.stderr.take().map(whole);
    let mut take = |from: Option<Receiver<Vec<u8>>>| match from {
        Some(from) => from.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("after {PATIENCE:?} process {} has not ended", child.id())
        }),
        None => Vec::new(),
    };
    let (stdout, stderr) = (take(out), take(err));
    Output { status: end_of(&mut child), stdout, stderr }
}
