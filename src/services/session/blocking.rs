//! The session for a worker of its own: the same answers by blocking calls.

use std::io::{self, BufRead, ErrorKind, Write};

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
            let (used, command, has_ended) = match stream.fill_buf() {
                Ok([]) => (0, self.commands.end(), true),
                Ok(chunk) => {
                    let (used, command) = self.commands.take(chunk);
                    (used, command, false)
                }
                Err(error) if error.kind() == ErrorKind::TimedOut && is_within_line => {
                    (0, self.commands.end(), false)
                }
                Err(error) => return Err(error),
            };
            stream.consume(used);
            match command.map(answer_to) {
                Some(Some(answer)) => stream.write_all(answer.as_bytes())?,
                Some(None) => return Ok(()),
                None => {}
            }
            if has_ended {
                return Ok(());
            }
        }
    }
}
