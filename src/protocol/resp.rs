//! RESP3, the protocol of Redis, as flat tokens. Knows no command and no reply.

use crate::close::Close;
use crate::handler::framed::{Protocol, Step};

/// A decoder of RESP3 for the input of a client of Redis or Valkey
/// ([specification](https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md)).
///
/// A reply is several [tokens](Token): an aggregate is one token with the number of its elements,
/// which follow as tokens. The decoder makes no tree and does not recurse, so nesting costs
/// nothing. It keeps no state and looks at each header again only while the token is incomplete.
///
/// It is strict: a length or number has one spelling, bytes end in CRLF. Doubles, booleans, big
/// numbers, attributes and streamed types are refused; the commands of a backplane do not return
/// them.
///
/// ```
/// use socketserver::protocol::resp::{Resp, Token};
/// use socketserver::{Close, Protocol, Step};
///
/// let mut input = *b"*2\r\n$5\r\nhello\r\n:-7\r\n$9999999\r\n";
/// let mut rest = &mut input[..];
/// let mut seen = Vec::new();
/// let end = loop {
///     match Resp.decode(rest) {
///         Ok(Step::Message(token, used)) => {
///             seen.push(format!("{token:?}"));
///             rest = &mut rest[used..];
///         }
///         other => break other.map(drop),
///     }
/// };
/// assert_eq!(seen[0], "Array(2)");
/// assert_eq!(seen[1], format!("{:?}", Token::Bytes(b"hello")));
/// assert_eq!(seen[2], "Integer(-7)");
/// assert_eq!(end, Err(Close::Malformed { code: 0, why: "RESP: a number above its limit" }));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Resp;

/// One token: see [`Resp`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Token<'a> {
    /// A status, such as `OK` (`+`), without CR and LF.
    Text(&'a [u8]),
    /// An error (`-`): a code in capitals, and a text.
    Error(&'a [u8]),
    /// A number (`:`).
    Integer(i64),
    /// Any bytes (`$`), at most [`Resp::BYTES_MAX`].
    Bytes(&'a [u8]),
    /// Nothing (`_`).
    Null,
    /// The number of elements that follow (`*`).
    Array(u32),
    /// The number of pairs that follow (`%`): twice as many elements.
    Map(u32),
    /// The number of elements that follow (`~`).
    Set(u32),
    /// The number of elements that follow (`>`). It is not part of a reply.
    Push(u32),
}

impl Resp {
    /// The longest [`Token::Bytes`]: 56 KiB. A token is in one piece, and must fit into
    /// [`Limits::pending_input`](crate::Limits::pending_input).
    pub const BYTES_MAX: usize = 56 * 1024;
    /// The longest [`Token::Text`] and [`Token::Error`]: 4 KiB.
    pub const LINE_MAX: usize = 4 * 1024;
    /// The most elements or pairs of one aggregate: 1,048,576.
    pub const ELEMENTS_MAX: u32 = 1 << 20;
}

impl Protocol for Resp {
    type Message<'a> = Token<'a>;

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<Token<'a>>, Close> {
        token(input)
    }
}

/// Decodes the token at the front of `input`. A fault is found with the first byte that shows it,
/// however the input is cut.
pub(crate) fn token(input: &[u8]) -> Result<Step<Token<'_>>, Close> {
    let Some((kind, rest)) = input.split_first() else { return Ok(Step::NeedMore) };
    let token = match kind {
        b'+' | b'-' => line(rest)?.map(|line| match kind {
            b'+' => (Token::Text(line), line.len()),
            _ => (Token::Error(line), line.len()),
        }),
        b':' => integer(rest)?.map(|(value, length)| (Token::Integer(value), length)),
        b'_' => null(rest)?.map(|()| (Token::Null, 0)),
        b'*' => count(rest)?.map(|(count, length)| (Token::Array(count), length)),
        b'%' => count(rest)?.map(|(count, length)| (Token::Map(count), length)),
        b'~' => count(rest)?.map(|(count, length)| (Token::Set(count), length)),
        b'>' => count(rest)?.map(|(count, length)| (Token::Push(count), length)),
        b'$' => return bytes(rest),
        _ => return Err(malformed("RESP: an unknown type")),
    };
    Ok(token.map_or(Step::NeedMore, |(token, length)| Step::Message(token, 1 + length + 2)))
}

fn bytes(rest: &[u8]) -> Result<Step<Token<'_>>, Close> {
    let Some((length, digits)) = natural(rest, Resp::BYTES_MAX as u64)? else {
        return Ok(Step::NeedMore);
    };
    let (length, header) = (length as usize, digits + 2);
    let rest = rest.get(header..).unwrap_or_default();
    let (content, end) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    match end {
        [b'\r', b'\n', ..] => Ok(Step::Message(Token::Bytes(content), 1 + header + length + 2)),
        [] | [b'\r'] => Ok(Step::NeedMore),
        _ => Err(malformed("RESP: bytes without CRLF at their end")),
    }
}

/// The length of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// A decoder takes it, or tells its fault.
    Usual,
    /// Bytes above [`Resp::BYTES_MAX`]: their number, with their header and end.
    Long(u64),
    /// Bytes with an incomplete header.
    Unknown,
}

/// Returns the length of the token at the front that [`token`] refuses, for one that leaves long
/// bytes out.
pub(crate) fn length(input: &[u8]) -> Length {
    let Some(rest) = input.strip_prefix(b"$") else { return Length::Usual };
    match natural(rest, u64::MAX >> 1) {
        Ok(Some((length, digits))) if length > Resp::BYTES_MAX as u64 => {
            Length::Long(length + (1 + digits + 2 + 2) as u64)
        }
        Ok(None) => Length::Unknown,
        Ok(Some(_)) | Err(_) => Length::Usual,
    }
}

/// Returns the line at the front without its CRLF; `None` if it is incomplete.
fn line(rest: &[u8]) -> Result<Option<&[u8]>, Close> {
    let searched = rest.get(..=Resp::LINE_MAX).unwrap_or(rest);
    let Some(end) = searched.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        if searched.len() > Resp::LINE_MAX {
            return Err(malformed("RESP: a line is too long"));
        }
        return Ok(None);
    };
    match rest.get(end..) {
        Some([b'\r', b'\n', ..]) => Ok(rest.get(..end)),
        Some([b'\r']) => Ok(None),
        _ => Err(malformed("RESP: a line without CRLF at its end")),
    }
}

fn null(rest: &[u8]) -> Result<Option<()>, Close> {
    match rest {
        [b'\r', b'\n', ..] => Ok(Some(())),
        [] | [b'\r'] => Ok(None),
        _ => Err(malformed("RESP: a null with a value")),
    }
}

fn count(rest: &[u8]) -> Result<Option<(u32, usize)>, Close> {
    let count = natural(rest, Resp::ELEMENTS_MAX.into())?;
    // It fits: at most `ELEMENTS_MAX`.
    Ok(count.map(|(count, length)| (count as u32, length)))
}

/// Returns the number at the front and the length of its text.
fn integer(rest: &[u8]) -> Result<Option<(i64, usize)>, Close> {
    let Some(digits) = rest.strip_prefix(b"-") else {
        // It fits: at most `i64::MAX`.
        return Ok(natural(rest, i64::MAX as u64)?.map(|(value, length)| (value as i64, length)));
    };
    if digits.first() == Some(&b'0') {
        return Err(malformed("RESP: a number with a leading zero"));
    }
    let value = natural(digits, i64::MIN.unsigned_abs())?;
    Ok(value.map(|(value, length)| (0i64.wrapping_sub_unsigned(value), 1 + length)))
}

/// Returns the number at the front, at most `most`, and the number of its digits, before CRLF;
/// `None` if it is incomplete.
fn natural(rest: &[u8], most: u64) -> Result<Option<(u64, usize)>, Close> {
    let mut value = 0u64;
    for (length, byte) in rest.iter().enumerate() {
        let digit = match byte {
            b'0'..=b'9' if length == 1 && value == 0 => {
                return Err(malformed("RESP: a number with a leading zero"));
            }
            b'0'..=b'9' => u64::from(byte - b'0'),
            b'\r' if length > 0 => {
                return match rest.get(length + 1) {
                    Some(b'\n') => Ok(Some((value, length))),
                    None => Ok(None),
                    Some(_) => Err(malformed("RESP: a line without CRLF at its end")),
                };
            }
            _ => return Err(malformed("RESP: not a number")),
        };
        value = match value.checked_mul(10).and_then(|value| value.checked_add(digit)) {
            Some(value) if value <= most => value,
            _ => return Err(malformed("RESP: a number above its limit")),
        };
    }
    Ok(None)
}

fn malformed(why: &'static str) -> Close {
    Close::Malformed { code: 0, why }
}

/// Appends a command: an array of bytes, the form in which a server takes all commands.
///
/// ```
/// use socketserver::protocol::resp::append_command;
///
/// let mut out = Vec::new();
/// append_command(&mut out, &[b"GET", b"key"]);
/// assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
/// ```
pub fn append_command(out: &mut Vec<u8>, parts: &[&[u8]]) {
    append_header(out, b'*', parts.len());
    for part in parts {
        append_bytes(out, part);
    }
}

/// Appends a type and a length.
pub(crate) fn append_header(out: &mut Vec<u8>, kind: u8, length: usize) {
    out.push(kind);
    append_decimal(out, length as u64);
    out.extend_from_slice(b"\r\n");
}

/// Appends bytes with their length.
pub(crate) fn append_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    append_header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends the digits of a number.
pub(crate) fn append_decimal(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.get_mut(start..).unwrap_or_default().reverse();
}
