//! The log of a room: its events as frames with their positions, while browsers read it and for a
//! while after that. Must not know members or connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::encode;
use crate::history::History;
use crate::now::Now;
use crate::protocol::ws::Frame;
use crate::services::chat::event::{Event, Person};
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
    /// Of the chat, for [`encode::By`].
    chat: u32,
    readers: usize,
    /// The time at which the last reader left.
    unread_since: Duration,
}

impl Log {
    pub(in crate::services::chat) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Returns the history for one more reader. It is created by `make` if there is none.
    pub(in crate::services::chat) fn open(
        &self,
        chat: u32,
        make: impl FnOnce() -> History,
    ) -> History {
        let mut recorded = self.recorded();
        let recorded = recorded.get_or_insert_with(|| Recorded {
            history: make(),
            chat,
            readers: 0,
            unread_since: Duration::ZERO,
        });
        recorded.readers += 1;
        self.is_on.store(true, Ordering::Release);
        recorded.history.clone()
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
    pub(in crate::services::chat) fn append(
        &self,
        room: &Name,
        person: &Person,
        event: &Event<'_>,
        now: Now,
    ) {
        if !self.is_on() {
            return;
        }
        let mut recorded = self.recorded();
        let Some(Recorded { history, chat, readers, unread_since }) = recorded.as_ref() else {
            return;
        };
        if *readers == 0 && now.elapsed() >= unread_since.saturating_add(KEPT) {
            *recorded = None;
            return self.is_on.store(false, Ordering::Release);
        }
        let text = encode::event(room, history.next(), person, *chat, event, now);
        history.append(Vec::from(Frame::text(&text)));
    }

    /// Nothing under the lock can panic, except a watcher after its event was appended.
    fn recorded(&self) -> MutexGuard<'_, Option<Recorded>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
