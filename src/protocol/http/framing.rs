//! The fields of a head that HTTP itself must understand, above all those that tell where the body
//! ends. A request that two parsers could end at different bytes is refused.

use super::bytes::{TOKEN, trim};
use super::refusal::{Parsed, Refusal};
use super::verb::Verb;
use super::version::Version;

/// The end of the body of a request (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// The list of transfer codings, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Chunked,
    /// Others, and then chunked.
    OthersAndChunked,
    /// The last one is not chunked, so the end of the body is unknown.
    Endless,
}

/// The state gathered field by field.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Facts {
    host: bool,
    length: Option<u64>,
    coding: Option<Coding>,
    expects: bool,
    keep_alive: bool,
    close: bool,
}

/// The result of all fields.
pub(super) struct Conclusion {
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
}

impl Facts {
    /// Records the Host field.
    #[inline]
    pub(super) fn note_host(&mut self) -> Parsed<()> {
        match std::mem::replace(&mut self.host, true) {
            true => Err(&Refusal { code: 400, why: "two Host fields" }),
            false => Ok(()),
        }
    }

    /// Records a field, if it affects the framing or the connection. The value may have white space
    /// around it.
    #[inline(always)]
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) -> Parsed<()> {
        // Length and first letter rule out nearly all fields.
        match (name.len(), name.first().map_or(0, |first| first | 0x20)) {
            (6, b'e') | (10 | 14, b'c') | (17, b't') => self.note_known(name, trim(value)),
            _ => Ok(()),
        }
    }

    #[inline(never)]
    fn note_known(&mut self, name: &[u8], value: &[u8]) -> Parsed<()> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            6 if is(b"expect") => self.note_expectation(value),
            // Nearly all browsers send this one.
            10 if name == b"Connection" && value == b"keep-alive" => {
                self.keep_alive = true;
                Ok(())
            }
            10 if is(b"connection") => {
                for option in value.split(|byte| *byte == b',').map(trim) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            14 if is(b"content-length") => match self.length.replace(parse_length(value)?) {
                Some(_) => Err(&Refusal { code: 400, why: "two Content-Length fields" }),
                None => Ok(()),
            },
            17 if is(b"transfer-encoding") => {
                self.coding = Some(note_codings(self.coding, value)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn note_expectation(&mut self, value: &[u8]) -> Parsed<()> {
        // Empty members of a list are ignored (RFC 9110, section 5.6.1.2).
        let mut members = value.split(|byte| *byte == b',').map(trim).filter(|m| !m.is_empty());
        members.try_for_each(|member| {
            if !member.eq_ignore_ascii_case(b"100-continue") {
                return Err(&Refusal { code: 417, why: "an unknown expectation" });
            }
            self.expects = true;
            Ok(())
        })
    }

    /// Returns the result after the last field.
    // A call of it would cost as much as a third of it.
    #[inline(always)]
    pub(super) fn conclude(&self, version: Version, verb: Verb) -> Parsed<Conclusion> {
        let is_old = version == Version::Http10;
        if !self.host && !is_old {
            return Err(&Refusal { code: 400, why: "no Host field" });
        }
        let framing = match (self.coding, self.length) {
            (Some(coding), length) => conclude_coding(coding, length, is_old)?,
            (None, Some(0)) => Framing::None,
            (None, Some(length)) => Framing::Length(length),
            // In HTTP/1.0 a body without a length ended with the connection; that of a request
            // cannot.
            (None, None) if is_old && carries_body(verb) => {
                return Err(&Refusal { code: 411, why: "a body of unknown length" });
            }
            (None, None) => Framing::None,
        };
        Ok(Conclusion {
            framing,
            keep_alive: (self.keep_alive || !is_old) && !self.close,
            expects_continue: self.expects && !is_old && framing != Framing::None,
        })
    }
}

fn carries_body(verb: Verb) -> bool {
    matches!(verb, Verb::Post | Verb::Put | Verb::Patch)
}

/// Parses digits only: no sign, no list, no space.
fn parse_length(value: &[u8]) -> Parsed<u64> {
    let mut length: u64 = 0;
    for byte in value {
        if !byte.is_ascii_digit() {
            return Err(&Refusal { code: 400, why: "a Content-Length that is not a number" });
        }
        let digit = u64::from(byte - b'0');
        length = length
            .checked_mul(10)
            .and_then(|length| length.checked_add(digit))
            .ok_or(&Refusal { code: 400, why: "a Content-Length that is too large" })?;
    }
    if value.is_empty() {
        return Err(&Refusal { code: 400, why: "an empty Content-Length" });
    }
    Ok(length)
}

/// Adds the codings of a field to those of earlier fields, which are one list (RFC 9110, section
/// 5.3). Empty members and parameters are refused: few parsers read them in the same way.
fn note_codings(before: Option<Coding>, value: &[u8]) -> Parsed<Coding> {
    let mut last = before;
    for coding in value.split(|byte| *byte == b',').map(trim) {
        if !TOKEN.has_all(coding) {
            return Err(&Refusal {
                code: 400,
                why: "a Transfer-Encoding that is not a list of codings",
            });
        }
        last = Some(match (coding.eq_ignore_ascii_case(b"chunked"), last) {
            (true, None) => Coding::Chunked,
            (true, Some(Coding::Endless)) => Coding::OthersAndChunked,
            (true, Some(_)) => return Err(&Refusal { code: 400, why: "chunked more than once" }),
            (false, None | Some(Coding::Endless)) => Coding::Endless,
            (false, Some(_)) => return Err(CHUNKED_IS_NOT_LAST),
        });
    }
    last.ok_or(CHUNKED_IS_NOT_LAST)
}

/// RFC 9112, section 6.3.
const CHUNKED_IS_NOT_LAST: &Refusal =
    &Refusal { code: 400, why: "a transfer coding whose end is not chunked" };

/// Accepts `chunked` alone, the only coding that is supported.
#[cold]
fn conclude_coding(coding: Coding, length: Option<u64>, is_old: bool) -> Parsed<Framing> {
    match coding {
        _ if length.is_some() => Err(&Refusal { code: 400, why: "both a length and a coding" }),
        _ if is_old => Err(&Refusal { code: 400, why: "a transfer coding in HTTP/1.0" }),
        Coding::Chunked => Ok(Framing::Chunked),
        Coding::Endless => Err(CHUNKED_IS_NOT_LAST),
        Coding::OthersAndChunked => {
            Err(&Refusal { code: 501, why: "a transfer coding other than chunked" })
        }
    }
}
