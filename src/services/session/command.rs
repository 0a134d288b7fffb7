//! From chunks to commands: finds where a command ends, and which one it is. Pure: knows no
//! connection, clock or answers, and keeps a few bytes of a line of any length.

/// A command of the client.
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

/// The way in which the client ends its commands, as far as is known.
#[derive(Debug, Default)]
enum Habit {
    /// It sends them without line ends: a command ends with its chunk.
    #[default]
    Bare,
    /// It sends line ends: a chunk without one is part of a line.
    Lines,
}

/// The position in the input of the client.
#[derive(Debug, Default)]
enum At {
    /// At the start of a command, or within a line.
    #[default]
    Command,
    /// After a command that ended with its chunk. A line end that comes now is a late one, and not
    /// an empty line.
    LateEnd,
}

impl Commands {
    /// Takes the front of a chunk. Returns the number of bytes taken, and the command that ended
    /// there.
    pub(super) fn take(&mut self, chunk: &[u8]) -> (usize, Option<Command>) {
        if let At::LateEnd = self.at {
            let late = match chunk {
                // Perhaps the first half of CRLF: the rest is still a late line end.
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

    /// Returns true if a line has begun and not ended.
    pub(super) fn is_within_line(&self) -> bool {
        self.line.len > 0
    }

    /// Returns the command that an incomplete line stands for, because its rest will not come.
    pub(super) fn end(&mut self) -> Option<Command> {
        if !self.is_within_line() {
            return None;
        }
        self.habit = Habit::Bare;
        self.at = At::LateEnd;
        Some(self.line.take())
    }
}

/// Longer than the longest command and half a line end: a line that fills it matches no command.
const FRONT_LEN: usize = 6;

/// The front of a line, long enough to identify the command.
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
