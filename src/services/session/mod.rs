//! The session service: greets, answers each command, and ends on `exit`. It is the `MyServer` of
//! a tutorial of Python's `socketserver`, byte for byte, and nothing is appended to the answers.
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
//! A command ends with its line (LF or CRLF). No line end is needed: for a client that sends none,
//! it ends with its *chunk*, which is what one read gave. A client that ended its last command
//! with a line end is expected to do so again, and a piece of a line waits half a second for the
//! rest before it counts as a command. So one command at a time without line ends, lines typed
//! into `nc` or `telnet`, and many lines in one chunk are all answered once each, in order. What
//! follows `exit` is dropped.
//!
//! TCP has no messages, hence no chunks of the client's either: the network may cut `exit` into
//! `ex` and `it`, and from a client that has shown no line end yet, these are two commands, neither
//! of them `exit`. In the same way a long text may be many chunks and get many answers. Who must be
//! safe from that ends every command with a newline, and begins with an empty line, which is
//! answered like anything else.
//!
//! An empty line is a command; but a line end that comes behind a chunk that was answered already
//! belongs to that one.

mod blocking;
mod command;

use std::time::Duration;

use self::command::{Command, Commands};
use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::Context;

const GREETING: &str = "我是多线程";
const ANSWER_TO_ZERO: &str = "您输入的是0";
const ANSWER_TO_OTHERS: &str = "请重新输入.";

/// How long a piece of a line waits for the rest.
const LINE_PATIENCE: Duration = Duration::from_millis(500);

/// One client's session; [the module](self) says what it answers. It is a [`Handler`] of raw
/// bytes and no [`Protocol`](crate::Protocol), because how the input is cut matters to it. It is a
/// [`BlockingHandler`](crate::BlockingHandler) as well: the same session, on a worker of its own.
///
/// It keeps a few bytes of a line, whatever its length, and no input. A client that does not take
/// its answers is not read.
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
/// With calls that wait, for eight clients at a time:
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

    /// Nothing more comes of a line that has begun.
    fn end_line(&mut self, cx: &mut Context<'_>) {
        if let Some(command) = self.commands.end() {
            answer(command, cx);
        }
    }
}

/// `None` ends the session.
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
        // What is left of a chunk when output is full comes again with more behind it. That
        // changes no command: only one that ends with its line leaves something behind it.
        while used < input.len() && !cx.is_done() {
            let (len, command) = self.commands.take(&input[used..]);
            used += len;
            if let Some(command) = command {
                answer(command, cx);
            }
        }
        if self.commands.is_within_line() {
            cx.wake_after(LINE_PATIENCE);
        }
        Ok(used)
    }

    fn on_wake(&mut self, cx: &mut Context<'_>) {
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
