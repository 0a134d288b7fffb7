//! From chunks to commands: where a command ends, and which one it is. Pure: it knows no
//! connection, no clock and no answers, and keeps a few bytes of a line however long it is.

/// What a client may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Zero,
    Exit,
    Other,
}

/// Finds the commands in the chunks of one client.
#[derive(Debug, Default)]
pub(super) struct Commands {
    habit: Habit,
    at: At,
    line: Line,
}

/// How the client ends its commands, as far as it has shown.
#[derive(Debug, Default)]
enum Habit {
    /// It just sends them: the end of the chunk is the end of the command.
    #[default]
    Bare,
    /// With a line end: a chunk without one is a piece of a line.
    Lines,
}

/// Where in the input of the client we are.
#[derive(Debug, Default)]
enum At {
    /// At the start of a command, or within a line.
    #[default]
    Command,
    /// Behind a command that ended with its chunk. A line end that comes now is late, and no
    /// empty line.
    LateEnd,
}

impl Commands {
    /// Takes the front of a chunk: how many bytes of it, and the command that ended there.
    pub(super) fn take(&mut self, chunk: &[u8]) -> (usize, Option<Command>) {
        if let At::LateEnd = self.at {
            let late = match chunk {
                // It may have been cut in the middle: the rest is still late.
                [b'\r'] => return (1, None),
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                _ => 0,
            };
            self.at = At::Command;
            if late > 0 {
                self.habit = Habit::Lines;
                return (late, None);
            }
        }
        match chunk.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                self.habit = Habit::Lines;
                self.line.push(&chunk[..end]);
                (end + 1, Some(self.line.take()))
            }
            None => {
                self.line.push(chunk);
                let command = match self.habit {
                    Habit::Bare => self.end(),
                    Habit::Lines => None,
                };
                (chunk.len(), command)
            }
        }
    }

    /// Whether a line has begun and not ended.
    pub(super) fn is_within_line(&self) -> bool {
        self.line.len > 0
    }

    /// The rest of the line is not coming: what there is of it is a command.
    pub(super) fn end(&mut self) -> Option<Command> {
        if !self.is_within_line() {
            return None;
        }
        self.habit = Habit::Bare;
        self.at = At::LateEnd;
        Some(self.line.take())
    }
}

/// More than the longest command and half a line end: a line that fills it is no command.
const FRONT_LEN: usize = 6;

/// The front of a line, enough of it to tell which command it is.
#[derive(Debug, Default)]
struct Line {
    front: [u8; FRONT_LEN],
    len: u8,
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        for (to, from) in self.front[usize::from(self.len)..].iter_mut().zip(bytes) {
            *to = *from;
            self.len += 1;
        }
    }

    fn take(&mut self) -> Command {
        let text = &self.front[..usize::from(self.len)];
        self.len = 0;
        match text.strip_suffix(b"\r").unwrap_or(text) {
            b"0" => Command::Zero,
            b"exit" => Command::Exit,
            _ => Command::Other,
        }
    }
}
