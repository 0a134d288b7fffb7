//! Telnet (RFC 854): lines from a terminal client, without the commands between them. Each option
//! that the client wants is refused, so that the two sides agree on plain text.

use std::borrow::Cow;
use std::fmt;

use crate::close::Close;
use crate::handler::framed::{Protocol, Step};
use crate::protocol::line::Lines;

/// The byte that begins a command ("interpret as command").
pub(crate) const IAC: u8 = 255;

const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;

/// The position of one client in its commands.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    at: At,
    /// True from the end of a command until the next byte of text.
    is_after_command: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum At {
    #[default]
    Text,
    /// After IAC.
    Command,
    /// After IAC and a verb: an option follows.
    Option(u8),
    /// Between IAC SB and IAC SE.
    Parameters,
    ParametersIac,
}

/// The meaning of one byte of a command.
pub(crate) enum Meaning {
    /// The byte belongs to the command.
    Silent,
    /// The byte is part of the text: 255.
    Literal,
    /// The byte ends a request, and this is the answer.
    Refusal([u8; 3]),
    /// The command has ended before the byte, which is text.
    Text,
}

impl Commands {
    /// Returns true if the next byte may belong to a command: pass it to [`take`](Self::take).
    pub(crate) fn are_within(&self) -> bool {
        !matches!(self.at, At::Text)
    }

    /// Begins a command, after an IAC in the text.
    pub(crate) fn begin(&mut self) {
        self.at = At::Command;
    }

    /// Notes that text follows the last command.
    pub(crate) fn note_text(&mut self) {
        self.is_after_command = false;
    }

    pub(crate) fn take(&mut self, byte: u8) -> Meaning {
        match (self.at, byte) {
            (At::Text, _) => return Meaning::Text,
            (At::Option(DO), option) => return self.refuse(WONT, option),
            (At::Option(WILL), option) => return self.refuse(DONT, option),
            (At::Option(_), _) => self.end(),
            (At::Parameters, IAC) => self.at = At::ParametersIac,
            (At::ParametersIac, SE) => self.end(),
            (At::Parameters | At::ParametersIac, _) => self.at = At::Parameters,
            // The IAC of a data mark. The mark itself is urgent, and the system takes an urgent
            // byte out of the stream: here the next command begins.
            (At::Command, IAC) if self.is_after_command => {}
            (At::Command, IAC) => {
                self.at = At::Text;
                self.note_text();
                return Meaning::Literal;
            }
            (At::Command, SB) => self.at = At::Parameters,
            (At::Command, WILL | WONT | DO | DONT) => self.at = At::Option(byte),
            (At::Command, SE..) => self.end(),
            (At::Command, _) => {
                self.at = At::Text;
                self.note_text();
                return Meaning::Text;
            }
        }
        Meaning::Silent
    }

    fn end(&mut self) {
        self.at = At::Text;
        self.is_after_command = true;
    }

    fn refuse(&mut self, verb: u8, option: u8) -> Meaning {
        self.end();
        Meaning::Refusal([IAC, verb, option])
    }
}

/// A decoder of lines from telnet clients. It is [`Lines`] with three differences: CR NUL ends a
/// line as well as LF and CRLF do; telnet's commands are not part of any line; and each option that
/// the client asks for is to be refused with the bytes of [`TelnetLine::Refusal`].
///
/// Clients that are not telnet, such as `nc`, get the same lines as from [`Lines`] if they send
/// UTF-8, in which the byte 255 never occurs.
///
/// ```
/// use socketserver::protocol::telnet::{TelnetLine, TelnetLines};
/// use socketserver::testkit::Network;
/// use socketserver::{Close, Context, Framed, Limits, MessageHandler};
///
/// struct Shout;
///
/// impl MessageHandler<TelnetLines> for Shout {
///     fn on_message(&mut self, line: TelnetLine<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
///         match line {
///             TelnetLine::Text(text) => cx.write(&text.to_ascii_uppercase()),
///             TelnetLine::TooLong => cx.write(b"?"),
///             TelnetLine::Refusal(bytes) => cx.write(&bytes),
///         }
///         Ok(())
///     }
/// }
///
/// let mut network = Network::new(Limits::default());
/// let client = network.connect(Framed::new(TelnetLines::new(), Shout));
/// // DO TIMING-MARK, as after Ctrl-C; the answer is WONT TIMING-MARK.
/// network.send(client, b"one\r\0\xff\xfd\x06two\r\n");
/// network.settle();
/// assert_eq!(network.received(client), b"ONE\xff\xfc\x06TWO");
/// ```
pub struct TelnetLines {
    limit: usize,
    commands: Commands,
    /// The front of a line that has a command in it. At most `limit` bytes.
    front: Vec<u8>,
    /// The number of bytes at the front of the input that are known to be text of one line.
    scanned: usize,
    excess: Excess,
}

/// A line that is longer than the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Excess {
    None,
    /// The rest of a line is skipped.
    Skipped,
    /// The last byte that was skipped is a CR.
    SkippedToCr,
}

/// A line of a telnet client, or the answer to a request for an option: see [`TelnetLines`] for an
/// example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TelnetLine<'a> {
    /// A line without its end. It is borrowed unless a command stands within it.
    Text(Cow<'a, [u8]>),
    /// A line longer than the limit. Its bytes are dropped.
    TooLong,
    /// The client asks for an option of telnet: send it these bytes.
    Refusal([u8; 3]),
}

impl TelnetLines {
    /// Lines of up to [`Lines::LIMIT`] bytes, their ends not counted.
    #[must_use]
    pub fn new() -> TelnetLines {
        TelnetLines::with_limit(Lines::LIMIT)
    }

    /// Lines of up to `limit` bytes, their ends and the commands in them not counted: see
    /// [`Lines`] for an example of such a limit. It should be less than
    /// [`Limits::pending_input`](crate::Limits::pending_input).
    #[must_use]
    pub fn with_limit(limit: usize) -> TelnetLines {
        let (commands, front) = (Commands::default(), Vec::new());
        TelnetLines { limit, commands, front, scanned: 0, excess: Excess::None }
    }

    fn decode_text<'a>(&mut self, input: &'a [u8]) -> Step<TelnetLine<'a>> {
        let room = self.limit.saturating_sub(self.front.len());
        let within = input.len().min(room.saturating_add(1));
        let scanned = self.scanned.min(within);
        let before = if scanned == 0 { self.front.last() } else { input.get(scanned - 1) };
        let Some(at) = find_mark(before.copied(), &input[scanned..within]) else {
            self.scanned = within;
            return match within > room {
                true => self.decode_overlong(input, room),
                false => Step::NeedMore,
            };
        };
        let at = scanned + at;
        match input[at] {
            IAC => {
                self.front.extend_from_slice(&input[..at]);
                self.begin_command(at)
            }
            _ => self.end_line(&input[..at], at + 1),
        }
    }

    fn begin_command<'a>(&mut self, at: usize) -> Step<TelnetLine<'a>> {
        if at > 0 {
            self.commands.note_text();
        }
        self.scanned = 0;
        self.commands.begin();
        Step::Skip(at + 1)
    }

    /// Returns the line that ends in `text`.
    fn end_line<'a>(&mut self, text: &'a [u8], used: usize) -> Step<TelnetLine<'a>> {
        self.commands.note_text();
        self.scanned = 0;
        if self.front.is_empty() {
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            return Step::Message(TelnetLine::Text(Cow::Borrowed(text)), used);
        }
        let mut line = std::mem::take(&mut self.front);
        line.extend_from_slice(text);
        if line.ends_with(b"\r") {
            line.pop();
        }
        Step::Message(TelnetLine::Text(Cow::Owned(line)), used)
    }

    /// Handles input whose first `room` + 1 bytes are text.
    fn decode_overlong<'a>(&mut self, input: &'a [u8], room: usize) -> Step<TelnetLine<'a>> {
        // The additional byte may be the CR of a line end.
        let (text, rest) = input.split_at(room);
        match rest {
            b"\r" => Step::NeedMore,
            [b'\r', b'\n' | 0, ..] => self.end_line(text, room + 2),
            _ => self.give_up_line(room + 1),
        }
    }

    fn give_up_line<'a>(&mut self, used: usize) -> Step<TelnetLine<'a>> {
        self.commands.note_text();
        self.scanned = 0;
        self.front = Vec::new();
        self.excess = Excess::Skipped;
        Step::Message(TelnetLine::TooLong, used)
    }

    /// Skips input that belongs to a line that is too long.
    fn skip<'a>(&mut self, input: &[u8]) -> Step<TelnetLine<'a>> {
        let before = (self.excess == Excess::SkippedToCr).then_some(b'\r');
        self.excess = Excess::Skipped;
        match find_mark(before, input) {
            Some(at) if input[at] == IAC => self.begin_command(at),
            Some(at) => {
                self.commands.note_text();
                self.excess = Excess::None;
                Step::Skip(at + 1)
            }
            None => {
                self.commands.note_text();
                if input.ends_with(b"\r") {
                    self.excess = Excess::SkippedToCr;
                }
                Step::Skip(input.len())
            }
        }
    }
}

impl Protocol for TelnetLines {
    type Message<'a> = TelnetLine<'a>;

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<TelnetLine<'a>>, Close> {
        let Some(first) = input.first() else { return Ok(Step::NeedMore) };
        if self.commands.are_within() {
            match self.commands.take(*first) {
                Meaning::Silent => return Ok(Step::Skip(1)),
                Meaning::Refusal(bytes) => return Ok(Step::Message(TelnetLine::Refusal(bytes), 1)),
                Meaning::Literal if self.excess != Excess::None => return Ok(Step::Skip(1)),
                Meaning::Literal if self.front.len() >= self.limit => {
                    return Ok(self.give_up_line(1));
                }
                Meaning::Literal => {
                    self.front.push(IAC);
                    return Ok(Step::Skip(1));
                }
                Meaning::Text => {}
            }
        }
        Ok(match self.excess {
            Excess::None => self.decode_text(input),
            Excess::Skipped | Excess::SkippedToCr => self.skip(input),
        })
    }
}

impl Default for TelnetLines {
    fn default() -> TelnetLines {
        TelnetLines::new()
    }
}

impl fmt::Debug for TelnetLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelnetLines").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Finds the first IAC or end of a line: LF, or NUL after CR. `before` is the byte before `text`.
pub(crate) fn find_mark(before: Option<u8>, text: &[u8]) -> Option<usize> {
    let mut before = before;
    text.iter().position(|byte| {
        let is_after_cr = before.replace(*byte) == Some(b'\r');
        matches!(byte, b'\n' | &IAC) || *byte == 0 && is_after_cr
    })
}
