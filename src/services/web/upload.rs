//! A request with an incomplete body: its bytes so far, and the deadline for the rest. Knows no
//! connection and sets no timer.

use std::time::Duration;

use super::failure::Failure;
use super::intake::{Consumer, Flow};
use crate::panics;
use crate::protocol::http::{Head, HttpLimits};

/// The recipient of a body.
pub(super) enum Taker {
    /// No route needs the body. It is read and dropped, so that the connection can continue.
    Nothing,
    /// A route gets the whole body. The bytes so far.
    Route(Vec<u8>),
    /// The body is consumed as it arrives.
    Consumer(Consumer),
}

/// The result of taking a piece of a body.
pub(super) enum Taken {
    Whole,
    /// The next piece must wait.
    Pause,
    /// The body has exceeded its limit.
    TooLong,
    Failed(Failure),
    /// The message of a panic.
    Panicked(String),
}

pub(super) struct Upload {
    /// The bytes of the head, which is parsed again when the body is complete.
    pub(super) head: Vec<u8>,
    pub(super) taker: Taker,
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
        (mut taker, limit): (Taker, u64),
        now: Duration,
        limits: &HttpLimits,
    ) -> Upload {
        if let Taker::Route(body) = &mut taker {
            body.reserve_exact(head.content_length().unwrap_or(0).min(BODY_RESERVE_MAX) as usize);
        }
        let due = limits.body_time.map(|time| now.saturating_add(time));
        let head = head.as_bytes().to_vec();
        Upload { head, taker, limit, received: 0, began: now, due }
    }

    /// Adds a piece of the body, and the time that it earns.
    pub(super) fn take(&mut self, bytes: &[u8], now: Duration, limits: &HttpLimits) -> Taken {
        self.received += bytes.len() as u64;
        if let (Some(due), Some(time)) = (&mut self.due, limits.body_time) {
            let latest = now.saturating_add(time.max(LEAD_MAX));
            *due = due.saturating_add(earned(bytes.len(), limits.body_rate)).min(latest);
        }
        if self.received > self.limit {
            return Taken::TooLong;
        }
        match &mut self.taker {
            Taker::Consumer(consumer) if !bytes.is_empty() => {
                match panics::catch(|| consumer.intake.piece(bytes)) {
                    Ok(Ok(Flow::Continue)) => Taken::Whole,
                    Ok(Ok(Flow::Pause)) => Taken::Pause,
                    Ok(Err(failure)) => Taken::Failed(failure),
                    Err(said) => Taken::Panicked(said),
                }
            }
            Taker::Route(body) => {
                body.extend_from_slice(bytes);
                Taken::Whole
            }
            _ => Taken::Whole,
        }
    }

    /// Begins a pause of the consumer. Returns false if it was ended already.
    pub(super) fn pause(&self) -> bool {
        matches!(&self.taker, Taker::Consumer(consumer) if consumer.resume.pause())
    }

    /// Returns true if the client waits for the consumer.
    pub(super) fn is_paused(&self) -> bool {
        matches!(&self.taker, Taker::Consumer(consumer) if consumer.resume.is_paused())
    }

    /// Gives the client the time of a new body after a pause, for which it was not to blame.
    pub(super) fn extend(&mut self, now: Duration, limits: &HttpLimits) {
        let earliest = limits.body_time.map(|time| now.saturating_add(time));
        self.due = self.due.max(earliest);
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
