//! The lines of a chat as a terminal shows them: with the time, in colours, and with control
//! characters escaped. Must not know the terminal or the connection.

use std::env;

use socketserver::Now;

use super::common::screen::harmless;

/// A name in the prompt has at most this many characters.
const NICK_MAX: usize = 32;
/// A longer line is shown in parts of this many bytes.
const PART_MAX: usize = 16 * 1024;
const DAY: i64 = 24 * 60 * 60;

/// Text styles, empty without colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Styles {
    pub(crate) faint: &'static str,
    pub(crate) bold: &'static str,
    pub(crate) notice: &'static str,
    pub(crate) plain: &'static str,
}

impl Styles {
    /// Returns no styles if `NO_COLOR` is set (no-color.org).
    pub(crate) fn of_environment() -> Styles {
        match env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            true => Styles { faint: "", bold: "", notice: "", plain: "" },
            false => {
                Styles { faint: "\x1b[2m", bold: "\x1b[1m", notice: "\x1b[36m", plain: "\x1b[m" }
            }
        }
    }
}

/// Makes lines for the terminal.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) styles: Styles,
    /// The offset of the local time from UTC in seconds, if it is known.
    offset: Option<i32>,
    /// The name that the server has given to the user, if it has.
    nick: String,
    /// The start of a line whose end has not arrived.
    part: Vec<u8>,
    /// A part of the current line was shown already.
    is_continued: bool,
}

impl Shown {
    pub(crate) fn new(styles: Styles, offset: Option<i32>) -> Shown {
        Shown { styles, offset, nick: String::new(), part: Vec::new(), is_continued: false }
    }

    pub(crate) fn prompt(&self) -> String {
        format!("{}> ", self.nick)
    }

    /// Returns the lines that are complete after `bytes` have arrived.
    pub(crate) fn lines(&mut self, bytes: &[u8], now: Now) -> String {
        let mut lines = String::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in piece.chunks(PART_MAX) {
                self.part.extend_from_slice(piece);
                if self.part.ends_with(b"\n") {
                    lines += &self.line(now);
                } else if self.part.len() >= PART_MAX {
                    lines += &self.part(now);
                }
            }
        }
        lines
    }

    /// Returns true if a line has begun whose end has not arrived.
    pub(crate) fn has_part(&self) -> bool {
        !self.part.is_empty()
    }

    /// Returns the start of the line whose end has not arrived, as a line.
    pub(crate) fn part(&mut self, now: Now) -> String {
        if self.part.is_empty() {
            return String::new();
        }
        self.is_continued = true;
        let text = harmless(&std::mem::take(&mut self.part));
        self.in_colours(&text, now)
    }

    /// Returns a line that the user has entered.
    pub(crate) fn own(&self, line: &str, now: Now) -> String {
        let Styles { bold, plain, .. } = self.styles;
        format!("{}{bold}{}{plain}{}\n", self.time(now), self.prompt(), harmless(line.as_bytes()))
    }

    /// Returns a line of this program itself.
    pub(crate) fn remark(&self, text: &str, now: Now) -> String {
        let Styles { notice, plain, .. } = self.styles;
        format!("{}{notice}-- {text}{plain}\n", self.time(now))
    }

    fn line(&mut self, now: Now) -> String {
        let line = std::mem::take(&mut self.part);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = harmless(line.strip_suffix(b"\r").unwrap_or(line));
        match std::mem::take(&mut self.is_continued) {
            // The rest of a long line.
            true if text.is_empty() => String::new(),
            true => self.in_colours(&text, now),
            false => {
                let line = self.in_colours(&text, now);
                self.nick = nick_in(&text).unwrap_or_else(|| std::mem::take(&mut self.nick));
                line
            }
        }
    }

    fn in_colours(&self, text: &str, now: Now) -> String {
        let (time, Styles { bold, notice, plain, .. }) = (self.time(now), self.styles);
        if text.starts_with("* ") {
            return format!("{time}{notice}{text}{plain}\n");
        }
        match text.split_once(": ") {
            Some((name, said)) if !name.contains(char::is_whitespace) => {
                format!("{time}{bold}{name}{plain}: {said}\n")
            }
            _ => format!("{time}{text}\n"),
        }
    }

    fn time(&self, now: Now) -> String {
        let seconds = i64::try_from(now.unix_seconds()).unwrap_or_default();
        let seconds = (seconds % DAY + i64::from(self.offset.unwrap_or(0))).rem_euclid(DAY);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let zone = if self.offset.is_none() { "Z" } else { "" };
        let Styles { faint, plain, .. } = self.styles;
        format!("{faint}{hours:02}:{minutes:02}:{seconds:02}{zone}{plain} ")
    }
}

/// Returns the name that a notice of the chat service gives to the user. The lines of other members
/// do not begin with `*`.
fn nick_in(line: &str) -> Option<String> {
    let notice = line.strip_prefix("* ")?;
    let name = match notice.strip_prefix("welcome: you are ") {
        Some(rest) => rest.split_once(" in ")?.0,
        None => notice.strip_prefix("you are now ")?,
    };
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    is_name.then(|| name.chars().take(NICK_MAX).collect())
}
