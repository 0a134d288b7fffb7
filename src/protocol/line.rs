//! Lines: text that ends in LF or CRLF, as people type it and as many protocols have it.

use std::fmt;

use crate::close::Close;
use crate::handler::framed::{Protocol, Step};

/// A decoder of lines: LF or CRLF ends one, and is no part of it. A CR anywhere else is.
///
/// A line longer than the limit does not end the connection: it is told as [`Line::TooLong`] as
/// soon as that is certain, once, and the rest of it is skipped as it comes, so that the longest
/// line takes no more memory than the limit. What a line costs does not depend on how slowly it
/// comes: no byte is looked at twice for its end.
///
/// A line that has not ended when the input does is lost, as any message is that is incomplete by
/// then: who was cut off in the middle of a line may have meant to say something else.
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
    /// So many bytes at the front of the input are known to hold no LF.
    scanned: usize,
    /// What comes up to the next LF belongs to a line that was told to be too long.
    skipping: bool,
}

/// A message of [`Lines`]: a line as it came, or that it was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its end: any bytes but LF.
    Text(&'a [u8]),
    /// A line longer than the limit. Nothing of it is kept.
    TooLong,
}

impl Lines {
    /// The limit unless another is given, in bytes: 4,096, what a terminal lets a person type.
    pub const LIMIT: usize = 4096;

    /// Lines of up to [`LIMIT`](Lines::LIMIT) bytes, their ends not counted.
    pub fn new() -> Lines {
        Lines::with_limit(Lines::LIMIT)
    }

    /// Lines of up to `limit` bytes, their ends not counted. It should be less than
    /// [`Limits::pending_input`](crate::Limits::pending_input), or the connection ends before
    /// a line is told to be too long.
    pub fn with_limit(limit: usize) -> Lines {
        Lines { limit, scanned: 0, skipping: false }
    }

    /// Takes input that belongs to a line that is too long.
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

    /// Looks at input of which the first bytes, as many as the limit and one more, hold no LF.
    fn overlong<'a>(&mut self, input: &'a [u8]) -> Step<Line<'a>> {
        // The one byte more may be the CR of an end.
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
