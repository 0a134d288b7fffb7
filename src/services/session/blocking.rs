//! The session for a worker of its own: the same answers by blocking calls.

use std::io::{self, BufRead, ErrorKind, Write};

use super::command::{Command, Found};
use super::{GREETING, LINE_PATIENCE, Session, answer_to};
use crate::handler::blocking::BlockingHandler;
use crate::handler::stream::Stream;

/// The `handle` of the tutorial, made complete: its `recv` is `fill_buf`, and an incomplete line
/// waits with a timeout.
impl BlockingHandler for Session {
    fn handle(&mut self, stream: &mut Stream) -> io::Result<()> {
        let idle = stream.read_timeout()?;
        let mut patience = idle;
        stream.write_all(GREETING.as_bytes())?;
        loop {
            let is_within_line = self.commands.is_within_line();
            let wanted = if is_within_line { Some(LINE_PATIENCE) } else { idle };
            if patience != wanted {
                stream.set_read_timeout(wanted)?;
                patience = wanted;
            }
            let (used, found, has_ended) = match stream.fill_buf() {
                Ok([]) => (0, found(self.commands.end()), true),
                Ok(chunk) => {
                    let (used, found) = self.commands.take(chunk);
                    (used, found, false)
                }
                Err(error) if error.kind() == ErrorKind::TimedOut && is_within_line => {
                    (0, found(self.commands.end()), false)
                }
                Err(error) => return Err(error),
            };
            stream.consume(used);
            match found {
                Found::Nothing => {}
                Found::Refusal(bytes) => stream.write_all(&bytes)?,
                Found::Command(command) => match answer_to(command) {
                    Some(answer) => stream.write_all(answer.as_bytes())?,
                    None => return Ok(()),
                },
            }
            if has_ended {
                return Ok(());
            }
        }
    }
}

fn found(command: Option<Command>) -> Found {
    command.map_or(Found::Nothing, Found::Command)
}
