//! From chunks to commands: finds where a command ends, and which one it is. Pure: knows no
//! connection, clock or answers, and keeps a few bytes of a line of any length.

use crate::protocol::telnet::{self, IAC, Meaning};

/// A command of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Zero,
    Exit,
    Other,
}

/// The part of a chunk that needs an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Command(Command),
    /// These bytes, which refuse an option of telnet.
    Refusal([u8; 3]),
}

/// Finds the commands in the chunks of one client.
#[derive(Debug, Default)]
pub(super) struct Commands {
    telnet: telnet::Commands,
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
    /// Takes the front of a chunk. Returns the number of bytes taken, and the part found at their
    /// end.
    pub(super) fn take(&mut self, chunk: &[u8]) -> (usize, Found) {
        let mut used = 0;
        while let Some(first) = chunk.get(used) {
            if self.telnet.are_within() {
                match self.telnet.take(*first) {
                    Meaning::Silent => used += 1,
                    Meaning::Literal => {
                        self.at = At::Command;
                        self.line.push(&[IAC]);
                        used += 1;
                    }
                    Meaning::Refusal(bytes) => return (used + 1, Found::Refusal(bytes)),
                    Meaning::Text => {}
                }
                if self.telnet.are_within() || used == chunk.len() {
                    continue;
                }
            }
            let (taken, command) = self.take_text(&chunk[used..]);
            used += taken;
            if let Some(command) = command {
                return (used, Found::Command(command));
            }
        }
        let command = match self.habit {
            Habit::Bare => self.end(),
            Habit::Lines => None,
        };
        (used, command.map_or(Found::Nothing, Found::Command))
    }

    /// Takes text, which may be followed by more of it, to the end of its line, or to the next
    /// command of telnet.
    fn take_text(&mut self, text: &[u8]) -> (usize, Option<Command>) {
        if let At::LateEnd = self.at {
            let late = match text {
                // Perhaps the first half of CRLF: the rest is still a late line end.
                [b'\r'] => return (1, None),
                [b'\r', b'\n' | 0, ..] => 2,
                [b'\n' | 0, ..] => 1,
                _ => 0,
            };
            self.at = At::Command;
            if late > 0 {
                self.habit = Habit::Lines;
                return (late, None);
            }
        }
        match telnet::find_mark(self.line.last, text) {
            Some(at) if text[at] == IAC => {
                self.line.push(&text[..at]);
                if at > 0 {
                    self.telnet.note_text();
                }
                self.telnet.begin();
                (at + 1, None)
            }
            Some(end) => {
                self.habit = Habit::Lines;
                self.telnet.note_text();
                self.line.push(&text[..end]);
                (end + 1, Some(self.line.take()))
            }
            None => {
                self.telnet.note_text();
                self.line.push(text);
                (text.len(), None)
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
    last: Option<u8>,
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        for (to, from) in self.front[usize::from(self.len)..].iter_mut().zip(bytes) {
            *to = *from;
            self.len += 1;
        }
        self.last = bytes.last().copied().or(self.last);
    }

    fn take(&mut self) -> Command {
        let text = &self.front[..usize::from(self.len)];
        (self.len, self.last) = (0, None);
        match text.strip_suffix(b"\r").unwrap_or(text) {
            b"0" => Command::Zero,
            b"exit" => Command::Exit,
            _ => Command::Other,
        }
    }
}
