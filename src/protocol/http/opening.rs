//! What answers begin with: the same for all answers of one second, one status and one content
//! type, so it is put together once for them.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;

/// The lines up to the Content-Type, as they were last put together.
struct Opening {
    unix_seconds: u64,
    status: u16,
    content_type: String,
    bytes: Vec<u8>,
}

thread_local! {
    // A memory of the last result, not state: which thread asks makes no difference.
    static LAST: RefCell<Opening> = const { RefCell::new(Opening::NONE) };
}

/// Appends status line, Date and, unless it is empty, Content-Type.
pub(super) fn append(out: &mut Vec<u8>, status: StatusCode, content_type: &str, unix: u64) {
    LAST.with_borrow_mut(|opening| {
        if opening.unix_seconds != unix
            || opening.status != status.as_u16()
            || opening.content_type != content_type
        {
            opening.put_together(status, content_type, unix);
        }
        out.extend_from_slice(&opening.bytes);
    });
}

impl Opening {
    const NONE: Opening =
        Opening { unix_seconds: 0, status: 0, content_type: String::new(), bytes: Vec::new() };

    #[cold]
    fn put_together(&mut self, status: StatusCode, content_type: &str, unix: u64) {
        // httpdate's formatter refuses years after 9999; a clock that says so is wrong anyway.
        let clamped = unix.min(253_402_300_799);
        let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(clamped));
        let reason = status.canonical_reason().unwrap_or_default();
        let mut text = format!("HTTP/1.1 {} {reason}\r\nDate: {date}\r\n", status.as_str());
        if !content_type.is_empty() {
            text.push_str("Content-Type: ");
            text.push_str(content_type);
            text.push_str("\r\n");
        }
        self.unix_seconds = unix;
        self.status = status.as_u16();
        self.content_type = content_type.to_owned();
        self.bytes = text.into_bytes();
    }
}
