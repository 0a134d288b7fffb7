//! The client protocol of NATS, as tokens. Knows no subject and no request.

use crate::close::Close;
use crate::handler::framed::{Protocol, Step};

/// A decoder of the client protocol of NATS for the input of a client
/// ([specification](https://docs.nats.io/reference/reference-protocols/nats-protocol)).
///
/// It keeps no state. A message is one [token](Token) with its payload, in one piece. Lines end in
/// CRLF; fields are separated by spaces or tabs, of which a server may send several. The names of
/// operations may have any case.
///
/// ```
/// use socketserver::protocol::nats::{Nats, Token};
/// use socketserver::{Close, Protocol, Step};
///
/// let mut input = *b"PING\r\nMSG a.b 7  5\r\nhello\r\nMSG a 7 9999999\r\n";
/// let mut rest = &mut input[..];
/// let mut seen = Vec::new();
/// let end = loop {
///     match Nats.decode(rest) {
///         Ok(Step::Message(token, used)) => {
///             if let Token::Message(message) = token {
///                 assert_eq!((message.subject, message.subscription), (&b"a.b"[..], 7));
///             }
///             seen.push(used);
///             rest = &mut rest[used..];
///         }
///         other => break other.map(drop),
///     }
/// };
/// assert_eq!(seen, [6, 21]);
/// assert_eq!(end, Err(Close::Malformed { code: 0, why: "NATS: a number above its limit" }));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Nats;

/// One operation of a server: see [`Nats`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Token<'a> {
    /// The properties and limits of the server, in JSON (`INFO`).
    Info(&'a [u8]),
    /// A message of a subscription (`MSG`, `HMSG`).
    Message(Message<'a>),
    /// The server asks for a `PONG`.
    Ping,
    /// The answer to a `PING`.
    Pong,
    /// An operation was taken (`+OK`), if that was asked for.
    Taken,
    /// An error (`-ERR`): a text in quotes.
    Error(&'a [u8]),
}

/// A message of a subscription: see [`Nats`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The subject to which it was published.
    pub subject: &'a [u8],
    /// The number of the subscription, as the client has chosen it.
    pub subscription: u64,
    /// The subject for an answer; empty without one.
    pub reply: &'a [u8],
    /// The headers, from `NATS/1.0` to their empty line; empty for a message without headers. See
    /// [`status`](Message::status) and [`header`](Message::header).
    pub headers: &'a [u8],
    /// The content.
    pub payload: &'a [u8],
}

impl Nats {
    /// The longest line: 32 KiB. Longer than that of servers, whose `INFO` names all of a cluster.
    pub const LINE_MAX: usize = 32 * 1024;
    /// The most bytes of headers and payload of a message: 56 KiB. A token is in one piece, and
    /// must fit into [`Limits::pending_input`](crate::Limits::pending_input).
    pub const BYTES_MAX: usize = 56 * 1024;
    /// The longest line of a message: 4 KiB, that of servers (`max_control_line`).
    pub const MESSAGE_LINE_MAX: usize = 4 * 1024;
}

impl Protocol for Nats {
    type Message<'a> = Token<'a>;

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<Token<'a>>, Close> {
        token(input)
    }
}

impl<'a> Message<'a> {
    /// Returns the status of an answer without content, such as 404; `None` without one.
    ///
    /// ```
    /// use socketserver::protocol::nats::{Nats, Token};
    /// use socketserver::{Protocol, Step};
    ///
    /// let mut input = *b"HMSG inbox 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
    /// let step = Nats.decode(&mut input);
    /// let Ok(Step::Message(Token::Message(answer), _)) = step else { panic!() };
    /// assert_eq!(answer.status(), Some(503));
    /// ```
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        let line = self.headers.strip_prefix(b"NATS/1.0 ")?;
        let digits = line.get(..3)?;
        str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Returns the value of the first header of this name, which has the case of the sender.
    ///
    /// ```
    /// use socketserver::protocol::nats::{Nats, Token};
    /// use socketserver::{Protocol, Step};
    ///
    /// let mut input = *b"HMSG a 1 25 27\r\nNATS/1.0\r\nColour: red\r\n\r\nhi\r\n";
    /// let step = Nats.decode(&mut input);
    /// let Ok(Step::Message(Token::Message(message), _)) = step else { panic!() };
    /// assert_eq!(message.header("Colour"), Some(&b"red"[..]));
    /// assert_eq!((message.header("Color"), message.payload), (None, &b"hi"[..]));
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
            let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
            Some(value.trim_ascii())
        })
    }

    /// Returns the value of the last header of this name: a server appends its own ones.
    pub(crate) fn last_header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.rsplit(|byte| *byte == b'\n').find_map(|line| {
            let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
            Some(value.trim_ascii())
        })
    }
}

/// Decodes the token at the front of `input`.
pub(crate) fn token(input: &[u8]) -> Result<Step<Token<'_>>, Close> {
    let Some(line) = line(input)? else { return Ok(Step::NeedMore) };
    let used = line.len() + 2;
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let is = |operation: &[u8]| name.eq_ignore_ascii_case(operation);
    let token = match rest.trim_ascii() {
        rest if is(b"MSG") || is(b"HMSG") => {
            return message(input, used, rest, is(b"HMSG"));
        }
        rest if is(b"INFO") => Token::Info(rest),
        rest if is(b"-ERR") => Token::Error(rest),
        b"" if is(b"PING") => Token::Ping,
        b"" if is(b"PONG") => Token::Pong,
        b"" if is(b"+OK") => Token::Taken,
        _ => return Err(malformed("NATS: an unknown operation")),
    };
    Ok(Step::Message(token, used))
}

/// Returns the line at the front without its CRLF; `None` if it is incomplete.
fn line(input: &[u8]) -> Result<Option<&[u8]>, Close> {
    // A fault shows with the first byte of an operation, not only at the end of its line.
    if input.first().is_some_and(|byte| !b"+-HIMPhimp".contains(byte)) {
        return Err(malformed("NATS: an unknown operation"));
    }
    let most = match input.first() {
        Some(b'I' | b'i') => Nats::LINE_MAX,
        _ => Nats::MESSAGE_LINE_MAX,
    };
    let searched = input.get(..=most).unwrap_or(input);
    let Some(end) = searched.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        if searched.len() > most {
            return Err(malformed("NATS: a line is too long"));
        }
        return Ok(None);
    };
    match input.get(end..) {
        Some([b'\r', b'\n', ..]) => Ok(input.get(..end)),
        Some([b'\r']) => Ok(None),
        _ => Err(malformed("NATS: a line without CRLF at its end")),
    }
}

/// A message that [`token`] refuses, because another program wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreign<'a> {
    /// Without a payload, and without headers of an unknown form.
    pub(crate) message: Message<'a>,
    /// The number of bytes that follow, and are of no use.
    pub(crate) skip: u64,
}

/// Returns the message at the front that [`token`] refuses, if it is above [`Nats::BYTES_MAX`] or
/// has headers of an unknown form.
pub(crate) fn foreign(input: &[u8]) -> Option<Step<Foreign<'_>>> {
    let line = line(input).ok()??;
    let end = line.iter().position(u8::is_ascii_whitespace)?;
    let (name, rest) = line.split_at(end);
    let has_headers = name.eq_ignore_ascii_case(b"HMSG");
    if !has_headers && !name.eq_ignore_ascii_case(b"MSG") {
        return None;
    }
    let (mut message, headers, bytes) = frame(rest, has_headers, u64::MAX >> 1).ok()?;
    let (mut used, most) = (line.len() + 2, Nats::BYTES_MAX as u64);
    let is_long = bytes > most;
    if headers <= most {
        let rest = input.get(used..).unwrap_or_default();
        let Some(found) = rest.get(..headers as usize) else { return Some(Step::NeedMore) };
        if has_known_form(found) {
            (message.headers, used) = (found, used + found.len());
        }
    }
    let skip = bytes - message.headers.len() as u64 + 2;
    let is_refused = is_long || has_headers && message.headers.is_empty();
    is_refused.then_some(Step::Message(Foreign { message, skip }, used))
}

fn has_known_form(headers: &[u8]) -> bool {
    headers.starts_with(b"NATS/1.0") && headers.ends_with(b"\r\n\r\n")
}

/// Decodes the line of a message: `MSG subject sid [reply] bytes`, or
/// `HMSG subject sid [reply] headers bytes`. Returns it without its content, and the two numbers,
/// which are at most `most`.
fn frame(fields: &[u8], has_headers: bool, most: u64) -> Result<(Message<'_>, u64, u64), Close> {
    let mut places = [&b""[..]; 5];
    let mut count = 0;
    let fields = fields.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    for field in fields {
        let place = places.get_mut(count).ok_or_else(|| malformed("NATS: too many fields"))?;
        *place = field;
        count += 1;
    }
    let (subject, subscription, reply, headers, bytes) = match (has_headers, count, places) {
        (false, 3, [subject, sid, bytes, ..]) => (subject, sid, &b""[..], &b"0"[..], bytes),
        (false, 4, [subject, sid, reply, bytes, _]) => (subject, sid, reply, &b"0"[..], bytes),
        (true, 4, [subject, sid, headers, bytes, _]) => (subject, sid, &b""[..], headers, bytes),
        (true, 5, [subject, sid, reply, headers, bytes]) => (subject, sid, reply, headers, bytes),
        _ => return Err(malformed("NATS: a message with missing fields")),
    };
    let subscription = natural(subscription, u64::MAX)?;
    let (bytes, headers) = (natural(bytes, most)?, natural(headers, most)?);
    if headers > bytes {
        return Err(malformed("NATS: headers longer than their message"));
    }
    let message = Message { subject, subscription, reply, headers: b"", payload: b"" };
    Ok((message, headers, bytes))
}

fn message<'a>(
    input: &'a [u8],
    start: usize,
    fields: &'a [u8],
    has_headers: bool,
) -> Result<Step<Token<'a>>, Close> {
    let (message, headers, bytes) = frame(fields, has_headers, Nats::BYTES_MAX as u64)?;
    let (headers, bytes) = (headers as usize, bytes as usize);
    let rest = input.get(start..).unwrap_or_default();
    let (content, end) = rest.split_at_checked(bytes).unwrap_or((rest, b""));
    match end {
        [b'\r', b'\n', ..] => {}
        [] | [b'\r'] => return Ok(Step::NeedMore),
        _ => return Err(malformed("NATS: a message without CRLF at its end")),
    }
    let (headers, payload) = content.split_at(headers);
    if has_headers && !has_known_form(headers) {
        return Err(malformed("NATS: headers of an unknown form"));
    }
    let message = Message { headers, payload, ..message };
    Ok(Step::Message(Token::Message(message), start + bytes + 2))
}

/// Returns a number in decimal digits, at most `most`.
fn natural(text: &[u8], most: u64) -> Result<u64, Close> {
    let mut value = 0u64;
    for byte in text {
        if !byte.is_ascii_digit() {
            return Err(malformed("NATS: not a number"));
        }
        let digit = u64::from(byte - b'0');
        value = match value.checked_mul(10).and_then(|value| value.checked_add(digit)) {
            Some(value) if value <= most => value,
            _ => return Err(malformed("NATS: a number above its limit")),
        };
    }
    Ok(value)
}

fn malformed(why: &'static str) -> Close {
    Close::Malformed { code: 0, why }
}
