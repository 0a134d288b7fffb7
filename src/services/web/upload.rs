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
    /// The deadline, by [`Now::elapsed`](crate::Now::elapsed). It moves as bytes arrive.
    due: Option<Duration>,
}

/// The time that a body may be ahead of its rate at most: bytes that came at once must not pay for
/// half an hour of silence.
const LEAD_MAX: Duration = Duration::from_secs(60);

/// The maximum of bytes to allocate for a body before its first byte, whatever its length.
const BODY_RESERVE_MAX: u64 = 64 * 1024;

impl Upload {
    pub(super) fn new(
        head: &Head<'_>,
        (is_wanted, limit): (bool, u64),
        now: Duration,
        limits: &HttpLimits,
    ) -> Upload {
        let expected = head.content_length().unwrap_or(0).min(BODY_RESERVE_MAX) as usize;
        let body = Vec::with_capacity(if is_wanted { expected } else { 0 });
        let due = limits.body_time.map(|time| now.saturating_add(time));
        let head = head.as_bytes().to_vec();
        Upload { head, body, is_wanted, limit, received: 0, began: now, due }
    }

    /// Adds a piece of the body, and the time that it earns. Returns false if the body has exceeded
    /// its limit.
    pub(super) fn take(&mut self, bytes: &[u8], now: Duration, limits: &HttpLimits) -> bool {
        self.received += bytes.len() as u64;
        if let (Some(due), Some(time)) = (&mut self.due, limits.body_time) {
            let latest = now.saturating_add(time.max(LEAD_MAX));
            *due = due.saturating_add(earned(bytes.len(), limits.body_rate)).min(latest);
        }
        let fits = self.received <= self.limit;
        if self.is_wanted && fits {
            self.body.extend_from_slice(bytes);
        }
        fits
    }

    /// Returns the deadline of the body. Returns `None` without one.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }
}

/// Returns the time that bytes of a body add to its deadline.
fn earned(bytes: usize, rate: u32) -> Duration {
    let nanos = (bytes as u64).saturating_mul(1_000_000_000).checked_div(u64::from(rate));
    Duration::from_nanos(nanos.unwrap_or(0))
}
