//! Server-sent events: a history, sent to a browser from its position on (WHATWG HTML, section
//! 9.2). Reaches its connection only by a waker.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::source::{Extent, Source, Step, Waker};
use crate::history::{Gap, History, Later, Position, Watch};

pub(super) const CONTENT_TYPE: &str = "text/event-stream";

/// The silence after which a comment is sent: proxies and clients cut a silent connection.
const SILENCE: Duration = Duration::from_secs(15);

/// The bytes of messages that become one piece of the body.
const PIECE: usize = 16 * 1024;

/// The shortest time in milliseconds after which a client connects again. A random time up to the
/// same is added, because all clients of a server lose it at once.
const RETRY_MS: u64 = 1_000;

/// The events of one client.
pub(super) struct Events {
    history: History,
    /// The position of the last message that was sent; `None` while it is not known where the
    /// history ends.
    position: Option<Position>,
    phase: Phase,
    /// The connection has been woken, and has not read the history since.
    is_woken: Arc<AtomicBool>,
    watch: Option<Watch>,
    /// The time of the last piece.
    last: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Begun,
    /// The server is stopping: the answer ends after the messages that there are.
    Stopping,
}

impl Events {
    /// Creates the events after this position, or from now on.
    pub(super) fn new(history: &History, position: Option<Position>) -> Events {
        Events {
            history: history.clone(),
            position: position.or_else(|| (!history.is_pending()).then(|| history.end())),
            phase: Phase::New,
            is_woken: Arc::default(),
            watch: None,
            last: Duration::ZERO,
        }
    }

    /// Returns the messages that were not sent, as text; empty without any.
    fn unsent(&mut self) -> Vec<u8> {
        // Before the history is read, so that a later message wakes the connection again.
        self.is_woken.swap(false, Ordering::AcqRel);
        if self.history.is_pending() {
            return Vec::new();
        }
        let position = self.position.unwrap_or_else(|| self.history.end());
        let later = self.history.since(position, PIECE);
        self.position = Some(later.end());
        let mut text = String::new();
        append(&mut text, &later);
        text.into_bytes()
    }
}

impl Source for Events {
    fn extent(&self) -> Extent {
        Extent::Live
    }

    fn begin(&mut self, waker: Waker) {
        let is_woken = Arc::clone(&self.is_woken);
        self.watch = Some(self.history.watch(move || {
            if !is_woken.swap(true, Ordering::AcqRel) {
                waker.wake();
            }
        }));
    }

    fn next(&mut self, now: Duration) -> Step {
        if self.phase == Phase::New {
            (self.phase, self.last) = (Phase::Begun, now);
            return Step::Piece(opening(self.position).into_bytes());
        }
        let unsent = self.unsent();
        if !unsent.is_empty() {
            self.last = now;
            return Step::Piece(unsent);
        }
        if self.phase == Phase::Stopping {
            return Step::End;
        }
        match SILENCE.checked_sub(now.saturating_sub(self.last)) {
            Some(left) if !left.is_zero() => Step::Wait(Some(left)),
            _ => {
                self.last = now;
                Step::Piece(b":\n\n".to_vec())
            }
        }
    }

    fn stop(&mut self) {
        self.phase = Phase::Stopping;
    }
}

/// Returns the first block: it has no data, so it is not an event, but the client keeps its id. If
/// the connection is cut before the first message, the client continues from there.
fn opening(position: Option<Position>) -> String {
    let jitter = RandomState::new().build_hasher().finish() % RETRY_MS;
    let id = position.map_or(String::new(), |position| format!("id: {position}\n"));
    format!("retry: {}\n{id}\n", RETRY_MS + jitter)
}

/// Appends the gap and the messages, each with its position as its id.
fn append(text: &mut String, later: &Later) {
    // Writing to a string cannot fail.
    let _ = match later.gap {
        None => Ok(()),
        Some(Gap::Epoch) => write!(text, "event: gap\nid: {}\ndata: epoch\n\n", later.start),
        Some(Gap::Unknown) => {
            write!(text, "event: gap\nid: {}\ndata: unknown\n\n", later.start)
        }
        Some(Gap::Trimmed(count)) => {
            write!(text, "event: gap\nid: {}\ndata: trimmed {count}\n\n", later.start)
        }
    };
    for (position, message) in &later.messages {
        let _ = writeln!(text, "id: {position}");
        let message = String::from_utf8_lossy(message);
        let mut rest = Some(&*message);
        while let Some(line) = rest {
            let line = match line.find(['\r', '\n']) {
                None => rest.take().unwrap_or_default(),
                Some(end) => {
                    let (line, after) = line.split_at(end);
                    let skipped = if after.starts_with("\r\n") { 2 } else { 1 };
                    rest = after.get(skipped..);
                    line
                }
            };
            let _ = writeln!(text, "data: {line}");
        }
        text.push('\n');
    }
}
