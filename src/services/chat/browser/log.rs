//! The log of a room: its events as frames with their positions, while browsers read it and for a
//! while after that. Must not know members or connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::encode;
use crate::history::{History, Position};
use crate::now::Now;
use crate::protocol::ws::Frame;
use crate::services::chat::event::Told;
use crate::services::chat::name::Name;

/// The time for which a log is kept without readers.
pub(super) const KEPT: Duration = Duration::from_secs(600);

/// The log of a room, which begins with the first browser in it. Without it a room records
/// nothing.
#[derive(Default)]
pub(in crate::services::chat) struct Log {
    /// Spares rooms of lines the lock.
    is_on: AtomicBool,
    recorded: Mutex<Option<Recorded>>,
}

struct Recorded {
    history: History,
    readers: usize,
    /// The time at which the last reader left.
    unread_since: Duration,
}

impl Log {
    pub(in crate::services::chat) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Notes one more reader. The history is created by `make` if there is none.
    pub(in crate::services::chat) fn open(&self, make: impl FnOnce() -> History) {
        let mut recorded = self.recorded();
        let recorded = recorded.get_or_insert_with(|| Recorded {
            history: make(),
            readers: 0,
            unread_since: Duration::ZERO,
        });
        recorded.readers += 1;
        self.is_on.store(true, Ordering::Release);
    }

    pub(in crate::services::chat) fn history(&self) -> Option<History> {
        self.recorded().as_ref().map(|recorded| recorded.history.clone())
    }

    /// Notes that a reader has left. Returns true if it was the last one.
    pub(in crate::services::chat) fn close(&self, now: Now) -> bool {
        let mut recorded = self.recorded();
        let Some(recorded) = recorded.as_mut() else { return false };
        recorded.readers = recorded.readers.saturating_sub(1);
        recorded.unread_since = now.elapsed();
        recorded.readers == 0
    }

    /// Forgets the events, unless there are readers.
    pub(in crate::services::chat) fn forget(&self) {
        let mut recorded = self.recorded();
        if recorded.as_ref().is_some_and(|recorded| recorded.readers == 0) {
            *recorded = None;
            self.is_on.store(false, Ordering::Release);
        }
    }

    /// Appends an event. The lock is held until the history has it, because the event contains its
    /// position.
    pub(in crate::services::chat) fn append(&self, room: &Name, told: &Told<'_>, now: Now) {
        if !self.is_on() {
            return;
        }
        let mut recorded = self.recorded();
        let Some(Recorded { history, readers, unread_since }) = recorded.as_ref() else {
            return;
        };
        if *readers == 0 && now.elapsed() >= unread_since.saturating_add(KEPT) {
            *recorded = None;
            return self.is_on.store(false, Ordering::Release);
        }
        history.append(frame(room, history.next(), told));
    }

    /// Nothing under the lock can panic, except a watcher after its event was appended.
    fn recorded(&self) -> MutexGuard<'_, Option<Recorded>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log of a room that spans several nodes: its events come from the engine.
#[cfg(feature = "backplane")]
impl Log {
    /// Adds an event, which has no position if only this node has it.
    pub(in crate::services::chat) fn append_at(
        &self,
        room: &Name,
        at: Option<Position>,
        told: &Told<'_>,
    ) {
        if let Some(Recorded { history, .. }) = self.recorded().as_ref() {
            match at {
                Some(at) => history.append_at(at, frame(room, at, told)),
                None => drop(history.append(frame(room, history.next(), told))),
            }
        }
    }

    pub(in crate::services::chat) fn earlier(&self, room: &Name, at: Position, told: &Told<'_>) {
        if let Some(history) = self.history() {
            history.earlier(at, frame(room, at, told));
        }
    }
}

fn frame(room: &Name, at: Position, told: &Told<'_>) -> Vec<u8> {
    Vec::from(Frame::text(&encode::event(room, at, told)))
}
