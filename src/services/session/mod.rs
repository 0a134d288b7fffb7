//! The session service: greets, answers each command, and ends on `exit`. It is the `MyServer` of a
//! tutorial on Python's `socketserver`, byte for byte, and appends nothing to the answers.
//!
//! | the client sends | the server sends |
//! |---|---|
//! | (connects) | `我是多线程` |
//! | `0` | `您输入的是0` |
//! | `exit` | closes |
//! | anything else | `请重新输入.` |
//!
//! # Where a command ends
//!
//! A command ends with its line (LF, CRLF or CR NUL). A line end is not required: for a client that
//! sends none, a command ends with its *chunk*, the bytes of one read. A client that ended its last
//! command with a line end is expected to do so again, and an incomplete line waits half a second
//! for the rest before it counts as a command. So single commands without line ends, lines typed
//! into `nc` or `telnet`, and many lines in one chunk are all answered once each, in order. Input
//! after `exit` is dropped.
//!
//! TCP preserves no message boundaries, hence no chunks either: the network may split `exit` into
//! `ex` and `it`. From a client that has not sent a line end yet, these are two commands, neither
//! of them `exit`. Likewise a long text may arrive in many chunks and get many answers. A client
//! that must avoid this ends every command with a newline, and begins with an empty line, which is
//! answered like any other command.
//!
//! Telnet's commands (RFC 854) are not part of a line, and all its options are refused.
//!
//! An empty line is a command; but a line end right after a chunk that was answered already belongs
//! to that chunk.

mod blocking;
mod command;

use std::time::Duration;

use self::command::{Command, Commands, Found};
use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::Context;

const GREETING: &str = "我是多线程";
const ANSWER_TO_ZERO: &str = "您输入的是0";
const ANSWER_TO_OTHERS: &str = "请重新输入.";

/// The time that an incomplete line waits for the rest.
const LINE_PATIENCE: Duration = Duration::from_millis(500);
const LINE_TIMER: u64 = 0;

/// The session of one client; see [the module](self) for its answers. It is a [`Handler`] of raw
/// bytes rather than a [`Protocol`](crate::Protocol), because the boundaries of chunks matter to
/// it. It is also a [`BlockingHandler`](crate::BlockingHandler): the same session on a worker of
/// its own.
///
/// It keeps a few bytes of a line of any length, and no other input. While a client does not read
/// its answers, its input is not read.
///
/// ```
/// use socketserver::services::session::Session;
/// use socketserver::{Limits, testkit::Network};
///
/// let mut network = Network::new(Limits::default());
/// let client = network.connect(Session::new());
/// network.send(client, b"0");
/// network.settle();
/// assert_eq!(network.received(client), "我是多线程您输入的是0".as_bytes());
///
/// network.send(client, b"what?\r\nexit\r\n0\r\n");
/// network.settle();
/// assert_eq!(network.received(client), "请重新输入.".as_bytes());
/// assert!(network.is_closed(client));
/// ```
///
/// As a service:
///
/// ```no_run
/// use socketserver::services::session::Session;
/// use socketserver::Server;
///
/// Server::bind("127.0.0.1:8009")?.serve(|_| Session::new())?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// With blocking calls, for eight clients at a time:
///
/// ```no_run
/// use socketserver::services::session::Session;
/// use socketserver::{Mode, Server};
///
/// let server = Server::new().mode(Mode::Threads(8));
/// server.listen_blocking("127.0.0.1:8009", |_| Session::new())?.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Session {
    commands: Commands,
}

impl Session {
    /// A session that has not begun.
    #[must_use]
    pub fn new() -> Session {
        Session::default()
    }

    /// Handles the end of an incomplete line.
    fn end_line(&mut self, cx: &mut Context<'_>) {
        if let Some(command) = self.commands.end() {
            answer(command, cx);
        }
    }
}

/// Returns the answer to a command; `None` ends the session.
fn answer_to(command: Command) -> Option<&'static str> {
    match command {
        Command::Zero => Some(ANSWER_TO_ZERO),
        Command::Exit => None,
        Command::Other => Some(ANSWER_TO_OTHERS),
    }
}

fn answer(command: Command, cx: &mut Context<'_>) {
    match answer_to(command) {
        Some(answer) => cx.write(answer.as_bytes()),
        None => cx.close(Close::Done),
    }
}

impl Handler for Session {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(GREETING.as_bytes());
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut used = 0;
        // When the output is full, the rest of a chunk is offered again with new bytes appended.
        // That changes no command: only a command that ends with its line has bytes after it in the
        // chunk.
        while used < input.len() && !cx.is_done() {
            let (len, found) = self.commands.take(&input[used..]);
            used += len;
            match found {
                Found::Nothing => {}
                Found::Command(command) => answer(command, cx),
                Found::Refusal(bytes) => cx.write(&bytes),
            }
        }
        if self.commands.is_within_line() {
            cx.set_timer(LINE_TIMER, LINE_PATIENCE);
        }
        Ok(used)
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        self.end_line(cx);
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        self.end_line(cx);
        cx.close(Close::Eof);
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        self.end_line(cx);
        cx.close(Close::Stopping);
    }
}
