//! A request with an incomplete body: its bytes so far, and the deadline for the rest. Knows no
//! connection and sets no timer.

use std::time::Duration;

use crate::protocol::http::{Head, HttpLimits};

pub(super) struct Upload {
    /// The bytes of the head, which is parsed again when the body is complete.
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    /// A route needs the body. If not, it is read and dropped, so that the connection can continue.
    is_wanted: bool,
    /// The maximum of bytes of the body.
    limit: u64,
    /// The number of bytes received.
    received: u64,
    /// The time of the head, by [`Now::elapsed`](crate::Now::elapsed).
    pub(super) began: Duration,
}

/// The maximum of bytes to allocate for a body before its first byte, whatever its length.
const BODY_RESERVE_MAX: u64 = 64 * 1024;

impl Upload {
    pub(super) fn new(head: &Head<'_>, is_wanted: bool, limit: u64, now: Duration) -> Upload {
        let expected = head.content_length().unwrap_or(0).min(BODY_RESERVE_MAX) as usize;
        let body = Vec::with_capacity(if is_wanted { expected } else { 0 });
        let head = head.as_bytes().to_vec();
        Upload { head, body, is_wanted, limit, received: 0, began: now }
    }

    /// Adds a piece of the body. Returns false if the body has exceeded its limit.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        self.received += bytes.len() as u64;
        let fits = self.received <= self.limit;
        if self.is_wanted && fits {
            self.body.extend_from_slice(bytes);
        }
        fits
    }

    /// Returns the deadline of the body, which moves as bytes arrive. Returns `None` without one.
    pub(super) fn due(&self, limits: &HttpLimits) -> Option<Duration> {
        let earned_ms = self.received.saturating_mul(1000).checked_div(u64::from(limits.body_rate));
        let earned = Duration::from_millis(earned_ms.unwrap_or(0));
        Some(self.began.saturating_add(limits.body_time?).saturating_add(earned))
    }
}
