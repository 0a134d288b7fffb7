//! A request whose body is coming: what there is of it, and how long the rest may take. Knows no
//! connection and sets no timer.

use std::time::Duration;

use crate::protocol::http::{Head, HttpLimits, Verb};

pub(super) struct Upload {
    /// As it was sent: it is parsed again when the body is there.
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    /// A route wants the body. If not, it is read and forgotten, so that the connection can go on.
    is_wanted: bool,
    /// No answer may have a body, not even a refusal.
    pub(super) is_head: bool,
    /// How many bytes the body may have.
    limit: u64,
    /// Bytes of the body that have come.
    received: u64,
    /// When the head had come, by [`Now::elapsed`](crate::Now::elapsed).
    began: Duration,
}

/// A body is given this much room before its first byte has come, whatever length it claims.
const BODY_RESERVE_MAX: u64 = 64 * 1024;

impl Upload {
    pub(super) fn new(head: &Head<'_>, is_wanted: bool, limit: u64, now: Duration) -> Upload {
        let expected = head.content_length().unwrap_or(0).min(BODY_RESERVE_MAX) as usize;
        let body = Vec::with_capacity(if is_wanted { expected } else { 0 });
        let is_head = head.verb() == Verb::Head;
        let head = head.as_bytes().to_vec();
        Upload { head, body, is_wanted, is_head, limit, received: 0, began: now }
    }

    /// Takes a piece of the body. Returns false if there are more bytes than there may be.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        self.received += bytes.len() as u64;
        let fits = self.received <= self.limit;
        if self.is_wanted && fits {
            self.body.extend_from_slice(bytes);
        }
        fits
    }

    /// Returns when the body is too late, unless more of it comes by then; `None` for never.
    pub(super) fn due(&self, limits: &HttpLimits) -> Option<Duration> {
        let earned_ms = self.received.saturating_mul(1000).checked_div(u64::from(limits.body_rate));
        let earned = Duration::from_millis(earned_ms.unwrap_or(0));
        Some(self.began.saturating_add(limits.body_time?).saturating_add(earned))
    }
}
