//! Lines: text that ends in LF or CRLF, as people type it and as many protocols use it.

use std::fmt;

use crate::close::Close;
use crate::handler::framed::{Protocol, Step};

/// A decoder of lines. Each ends in LF or CRLF, which is not part of the line. A CR anywhere else
/// is.
///
/// A line longer than the limit does not end the connection. It is reported once, as
/// [`Line::TooLong`], as soon as it exceeds the limit, and the rest of it is skipped as it arrives,
/// so that no line takes more memory than the limit. The cost of a line does not depend on how
/// slowly it arrives: no byte is searched twice for an LF.
///
/// A line that has not ended when the input does is dropped, like any message that is incomplete by
/// then: a client cut off in the middle of a line may have meant to send a different one.
///
/// ```
/// use socketserver::protocol::line::{Line, Lines};
/// use socketserver::testkit::Network;
/// use socketserver::{Close, Context, Framed, Limits, MessageHandler};
///
/// struct Shout;
///
/// impl MessageHandler<Lines> for Shout {
///     fn on_message(&mut self, line: Line<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
///         match line {
///             Line::Text(text) => cx.write(&text.to_ascii_uppercase()),
///             Line::TooLong => cx.write(b"?"),
///         }
///         cx.write(b"\n");
///         Ok(())
///     }
/// }
///
/// let mut network = Network::new(Limits::default());
/// let client = network.connect(Framed::new(Lines::with_limit(5), Shout));
/// network.send(client, b"one\r\ntwo\nthirteen\nend\n");
/// network.settle();
/// assert_eq!(network.received(client), b"ONE\nTWO\n?\nEND\n");
/// ```
pub struct Lines {
    limit: usize,
    /// The number of bytes at the front of the input that are known to hold no LF.
    scanned: usize,
    /// True while the rest of a line that was reported as too long is skipped.
    skipping: bool,
}

/// A line: see [`Lines`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its end: any bytes but LF.
    Text(&'a [u8]),
    /// A line longer than the limit. Its bytes are dropped.
    TooLong,
}

impl Lines {
    /// The default limit in bytes: 4,096, the longest line that a terminal accepts.
    pub const LIMIT: usize = 4096;

    /// Lines of up to [`LIMIT`](Lines::LIMIT) bytes, their ends not counted.
    #[must_use]
    pub fn new() -> Lines {
        Lines::with_limit(Lines::LIMIT)
    }

    /// Lines of up to `limit` bytes, their ends not counted. It should be less than
    /// [`Limits::pending_input`](crate::Limits::pending_input), or the connection ends before
    /// a line is told to be too long.
    #[must_use]
    pub fn with_limit(limit: usize) -> Lines {
        Lines { limit, scanned: 0, skipping: false }
    }

    /// Skips input that belongs to a line that is too long.
    fn skip<'a>(&mut self, input: &[u8]) -> Step<Line<'a>> {
        match end_of_line(input) {
            _ if input.is_empty() => Step::NeedMore,
            Some(end) => {
                self.skipping = false;
                Step::Skip(end + 1)
            }
            None => Step::Skip(input.len()),
        }
    }

    /// Handles input whose first `limit` + 1 bytes hold no LF.
    fn overlong<'a>(&mut self, input: &'a [u8]) -> Step<Line<'a>> {
        // The additional byte may be the CR of a line end.
        let (text, rest) = input.split_at(self.limit);
        match rest {
            b"\r" => Step::NeedMore,
            [b'\r', b'\n', ..] => {
                self.scanned = 0;
                Step::Message(Line::Text(text), self.limit + 2)
            }
            _ => {
                self.scanned = 0;
                self.skipping = true;
                Step::Message(Line::TooLong, self.limit + 1)
            }
        }
    }
}

impl Protocol for Lines {
    type Message<'a> = Line<'a>;

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<Line<'a>>, Close> {
        if self.skipping {
            return Ok(self.skip(input));
        }
        let within = input.len().min(self.limit.saturating_add(1));
        let scanned = self.scanned.min(within);
        Ok(match end_of_line(&input[scanned..within]) {
            Some(at) => {
                let end = scanned + at;
                self.scanned = 0;
                let text = &input[..end];
                Step::Message(Line::Text(text.strip_suffix(b"\r").unwrap_or(text)), end + 1)
            }
            None => {
                self.scanned = within;
                match within > self.limit {
                    true => self.overlong(input),
                    false => Step::NeedMore,
                }
            }
        })
    }
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::new()
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("limit", &self.limit).finish_non_exhaustive()
    }
}

fn end_of_line(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}
