//! The first lines of answers. They are equal for all answers of the same second, status and
//! content type, so the last ones are cached.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;

use super::decimal::append_decimal;

/// The longest opening that is cached.
const MAX: usize = 192;

/// The cached status line, Date and Content-Type, and the last length.
struct Opening {
    unix_seconds: u64,
    status: u16,
    len: usize,
    /// The range of the content type in `bytes`; empty if there is none.
    content_type: (usize, usize),
    /// The length in the last line of `bytes`, if they end with a length.
    length: Option<u64>,
    whole_len: usize,
    bytes: [u8; MAX],
}

thread_local! {
    // A cache, not state: its content makes no difference to the output.
    static LAST: RefCell<Opening> = const { RefCell::new(Opening::NONE) };
}

/// Appends status line, Date and, unless it is empty, Content-Type.
#[inline]
pub(super) fn append(out: &mut Vec<u8>, status: StatusCode, content_type: &str, unix: u64) {
    let is_known = LAST.with_borrow(|last| {
        let is_known = last.is_for(status, content_type, unix);
        if is_known {
            out.extend_from_slice(last.bytes.get(..last.len).unwrap_or_default());
        }
        is_known
    });
    if !is_known {
        append_new(out, status, content_type, unix);
    }
}

/// Appends the same with a Content-Length and the empty line at the end of the head.
#[inline]
pub(super) fn append_whole(
    out: &mut Vec<u8>,
    status: StatusCode,
    content_type: &str,
    unix: u64,
    length: u64,
) {
    let is_known = LAST.with_borrow(|last| {
        let is_known = last.length == Some(length) && last.is_for(status, content_type, unix);
        if is_known {
            out.extend_from_slice(last.bytes.get(..last.whole_len).unwrap_or_default());
        }
        is_known
    });
    if !is_known {
        append_new_length(out, status, content_type, unix, length);
    }
}

#[cold]
fn append_new(out: &mut Vec<u8>, status: StatusCode, content_type: &str, unix: u64) {
    let start = out.len();
    put_together(out, status, content_type, unix);
    let bytes = out.get(start..).unwrap_or_default();
    LAST.with_borrow_mut(|last| last.remember(bytes, status, content_type, unix));
}

fn append_new_length(
    out: &mut Vec<u8>,
    status: StatusCode,
    content_type: &str,
    unix: u64,
    length: u64,
) {
    append(out, status, content_type, unix);
    let start = out.len();
    out.extend_from_slice(b"Content-Length: ");
    append_decimal(out, length);
    out.extend_from_slice(b"\r\n\r\n");
    let line = out.get(start..).unwrap_or_default();
    LAST.with_borrow_mut(|last| last.remember_length(line, length));
}

#[cold]
fn put_together(out: &mut Vec<u8>, status: StatusCode, content_type: &str, unix: u64) {
    // The formatter of httpdate panics for years after 9999, which only a wrong clock shows.
    let clamped = unix.min(253_402_300_799);
    let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(clamped));
    let reason = status.canonical_reason().unwrap_or_default();
    let lines = format!("HTTP/1.1 {} {reason}\r\nDate: {date}\r\n", status.as_str());
    out.extend_from_slice(lines.as_bytes());
    if !content_type.is_empty() {
        out.extend_from_slice(b"Content-Type: ");
        out.extend_from_slice(content_type.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

impl Opening {
    const NONE: Opening = Opening {
        unix_seconds: 0,
        status: 0,
        len: 0,
        content_type: (0, 0),
        length: None,
        whole_len: 0,
        bytes: [0; MAX],
    };

    #[inline]
    fn is_for(&self, status: StatusCode, content_type: &str, unix: u64) -> bool {
        let (start, end) = self.content_type;
        self.unix_seconds == unix
            && self.status == status.as_u16()
            && self.bytes.get(start..end) == Some(content_type.as_bytes())
    }

    #[cold]
    fn remember(&mut self, bytes: &[u8], status: StatusCode, content_type: &str, unix: u64) {
        if let Some(place) = self.bytes.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            let end = bytes.len().saturating_sub(2);
            self.content_type = (end - content_type.len(), end);
            self.len = bytes.len();
            self.status = status.as_u16();
            self.unix_seconds = unix;
            self.length = None;
        }
    }

    /// Adds `line`, which was appended after the last opening, to the cached opening, unless that
    /// was too long to be cached.
    fn remember_length(&mut self, line: &[u8], length: u64) {
        self.length = None;
        let whole_len = self.len + line.len();
        if let Some(place) = self.bytes.get_mut(self.len..whole_len) {
            place.copy_from_slice(line);
            self.whole_len = whole_len;
            self.length = Some(length);
        }
    }
}
