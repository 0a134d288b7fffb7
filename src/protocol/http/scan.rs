//! Finds the end of a head that arrives in pieces. Each byte is examined once, however small the
//! pieces. A refusal depends on the bytes alone and not on the boundaries of pieces.

use memchr::memchr_iter;

use super::bytes::TOKEN;
use super::head::HEAD_MAX;
use super::limits::HttpLimits;
use super::refusal::{Parsed, Refusal};

/// The state of the search in an incomplete head.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The number of bytes examined.
    seen: u32,
    /// True if they include the request line.
    past_first_line: bool,
    /// True if the head has the method `HEAD`: a refusal of it has no body.
    is_of_head: bool,
}

impl Scan {
    pub(super) fn is_of_head(&self) -> bool {
        self.is_of_head
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.seen == 0
    }

    /// Returns the length of the head, with the empty line that ends it, if it is complete.
    ///
    /// Every line must end in CR LF. RFC 9112, section 2.2, allows a bare LF, but parsers differ in
    /// that, which makes request smuggling possible.
    pub(super) fn find_end(&mut self, input: &[u8], limits: &HttpLimits) -> Parsed<Option<usize>> {
        if self.is_fresh() && input.first().is_some_and(|first| !TOKEN.has(*first)) {
            return Err(&Refusal {
                code: 400,
                why: "the request line does not begin with a method",
            });
        }
        self.is_of_head = input.starts_with(b"HEAD ");
        // Bytes beyond the limit are not examined: the result would depend on the boundaries of
        // pieces.
        let max = limits.head.min(HEAD_MAX);
        let visible = input.get(..max).unwrap_or(input);
        let start = self.seen as usize;
        for offset in memchr_iter(b'\n', visible.get(start..).unwrap_or_default()) {
            let at = start + offset;
            if !self.past_first_line {
                check_line(at, limits)?;
                self.past_first_line = true;
            }
            match visible.get(..at).unwrap_or_default() {
                [.., b'\n', b'\r'] => return Ok(Some(at + 1)),
                [.., b'\r'] => {}
                _ => {
                    return Err(&Refusal {
                        code: 400,
                        why: "a line of the head does not end in CR LF",
                    });
                }
            }
        }
        self.seen = visible.len() as u32;
        if !self.past_first_line {
            check_line(visible.len(), limits)?;
        }
        if input.len() > max {
            return Err(&Refusal { code: 431, why: "the head is too long" });
        }
        Ok(None)
    }
}

/// Refuses a request line whose LF is not before byte `at` when it is too long.
fn check_line(at: usize, limits: &HttpLimits) -> Parsed<()> {
    if at > limits.request_line + 1 {
        return Err(&Refusal { code: 414, why: "the request line is too long" });
    }
    Ok(())
}
