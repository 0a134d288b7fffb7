//! The Date field, formatted once a second.

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

/// `Date: Sun, 06 Nov 1994 08:49:37 GMT` and its line end.
const LEN: usize = 37;

thread_local! {
    // A memory of the last result, not state: which thread asks makes no difference.
    static LAST: Cell<(u64, [u8; LEN])> = const { Cell::new((u64::MAX, [b' '; LEN])) };
}

/// Appends the Date field for a moment so many seconds after 1970.
pub(crate) fn append_date(out: &mut Vec<u8>, unix_seconds: u64) {
    let (second, field) = LAST.get();
    if second == unix_seconds {
        out.extend_from_slice(&field);
        return;
    }
    // httpdate's formatter refuses years after 9999; a clock that says so is wrong anyway.
    let clamped = unix_seconds.min(253_402_300_799);
    let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(clamped));
    let text = format!("Date: {date}\r\n");
    out.extend_from_slice(text.as_bytes());
    if let Ok(field) = text.as_bytes().try_into() {
        LAST.set((unix_seconds, field));
    }
}
