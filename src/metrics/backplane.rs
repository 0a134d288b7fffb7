//! The state of the connection to an engine, for other threads. Knows no engine.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A server whose engine is away for longer is not ready, in milliseconds: shorter breaks would
/// make a load balancer move clients for nothing.
const PATIENCE_MS: u64 = 2_000;
/// The longest reason, in characters.
const REASON_MAX: usize = 200;

/// The numbers of a [`Backplane`](crate::Backplane), as [`Metrics::backplane`] has them.
///
/// [`Metrics::backplane`]: crate::Metrics::backplane
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackplaneMetrics {
    /// The time since a probe has returned from the engine, at the last turn of the loop with the
    /// connection; while there is none, since it was last known to work. A probe is a write, and is
    /// sent each second.
    pub age: Duration,
    /// Published messages that the engine has not accepted yet.
    pub unaccepted: u64,
    /// True while publishers are not read, because too many messages are unaccepted.
    pub holds_publishers: bool,
    /// Marks that members were given: places where messages may be missing.
    pub marks: u64,
    /// Published messages that were not shared, or may not have been: the engine was away, they
    /// were too long, or too many waited. The feed may tell a connection that published one.
    pub refused: u64,
    /// Messages of other nodes that were delivered to a topic with members here.
    pub deliveries: u64,
    /// Connections to the engine that became ready.
    pub connections: u64,
}

/// The same, written by the loop with the connection, in each of its turns.
#[derive(Debug, Default)]
pub(crate) struct BackplaneStatus {
    line: AtomicU8,
    age_ms: AtomicU64,
    unaccepted: AtomicU64,
    holds_publishers: AtomicBool,
    marks: AtomicU64,
    refused: AtomicU64,
    deliveries: AtomicU64,
    connections: AtomicU64,
    /// Why the last connection has ended. Written then, and not in each turn.
    why: Mutex<String>,
}

/// The values of `line`.
const STARTING: u8 = 0;
const UP: u8 = 1;
const AWAY: u8 = 2;

impl BackplaneStatus {
    /// Notes the state at the end of a turn.
    pub(crate) fn update(&self, age_ms: u64, unaccepted: usize, holds_publishers: bool) {
        self.age_ms.store(age_ms, Ordering::Relaxed);
        self.unaccepted.store(unaccepted as u64, Ordering::Relaxed);
        self.holds_publishers.store(holds_publishers, Ordering::Relaxed);
    }

    /// Notes that a connection became ready.
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.line.store(UP, Ordering::Release);
    }

    /// Notes that the connection has ended, or could not be made.
    pub(crate) fn ended(&self, why: &str) {
        let is_plain = |c: &char| !c.is_control();
        *self.why() = why.chars().filter(is_plain).take(REASON_MAX).collect();
        if self.line.load(Ordering::Relaxed) == UP {
            self.line.store(AWAY, Ordering::Release);
        }
    }

    pub(crate) fn count_mark(&self) {
        self.marks.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message that was not shared.
    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message of another node.
    pub(crate) fn count_delivery(&self) {
        self.deliveries.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the numbers.
    pub(crate) fn read(&self) -> BackplaneMetrics {
        BackplaneMetrics {
            age: Duration::from_millis(self.age_ms.load(Ordering::Relaxed)),
            unaccepted: self.unaccepted.load(Ordering::Relaxed),
            holds_publishers: self.holds_publishers.load(Ordering::Relaxed),
            marks: self.marks.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            deliveries: self.deliveries.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }

    /// Returns why the server is not ready for clients, in one line.
    pub(crate) fn unready(&self) -> Option<String> {
        let age_ms = self.age_ms.load(Ordering::Relaxed);
        match self.line.load(Ordering::Acquire) {
            UP => None,
            AWAY if age_ms <= PATIENCE_MS => None,
            state => {
                let why = self.why();
                let colon = if why.is_empty() { "" } else { ": " };
                Some(match state {
                    STARTING => format!("backplane: no connection to the engine yet{colon}{why}"),
                    _ => format!("backplane: the engine is away for {age_ms} ms{colon}{why}"),
                })
            }
        }
    }

    fn why(&self) -> MutexGuard<'_, String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_from_its_first_connection_on_except_for_long_breaks() {
        let status = BackplaneStatus::default();
        let starts = "backplane: no connection to the engine yet";
        assert_eq!(status.unready().as_deref(), Some(starts));
        status.ended("connection refused\r\n");
        assert_eq!(status.unready(), Some(format!("{starts}: connection refused")));
        status.connected();
        status.update(5, 0, false);
        assert_eq!(status.unready(), None);
        status.ended("Redis: \u{1b}[31mLOADING");
        status.update(2_000, 7, true);
        assert_eq!(status.unready(), None);
        status.update(2_001, 7, true);
        let away = "backplane: the engine is away for 2001 ms: Redis: [31mLOADING";
        assert_eq!(status.unready().as_deref(), Some(away));
        status.count_mark();
        status.count_delivery();
        let numbers = status.read();
        assert_eq!((numbers.age, numbers.unaccepted), (Duration::from_millis(2_001), 7));
        assert!(numbers.holds_publishers);
        assert_eq!((numbers.marks, numbers.deliveries, numbers.connections), (1, 1, 1));
        status.connected();
        assert_eq!(status.unready(), None);
    }
}
