//! A bounded history of messages with positions, from which readers pull. Must not know its
//! readers, and sends nothing.

mod later;
#[cfg(feature = "backplane")]
mod mirror;
mod position;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

pub use self::later::{Gap, Later};
pub use self::position::{Position, PositionError};

use self::later::{Bounds, MESSAGE};
#[cfg(feature = "backplane")]
use self::mirror::Mirror;
pub(crate) use self::position::random_epoch;

/// The last messages of a topic, for readers that may miss some for a while and then continue where
/// they were. Clones share the history, and all methods may be called by any thread.
///
/// Each message has a [`Position`]. A reader keeps the position of the last message that it has,
/// and asks for those [since](History::since) then: it gets all later messages in order, none
/// twice, or is told of a [`Gap`]. It cannot lose messages without knowing it, whatever happens
/// to it between two calls.
///
/// ```
/// use socketserver::{Gap, History};
///
/// let history = History::new(3, 1024 * 1024);
/// let mut position = history.append("one");
/// history.append("two");
/// history.append("three");
/// let later = history.since(position, usize::MAX);
/// assert!(later.gap.is_none());
/// let texts: Vec<&[u8]> = later.messages.iter().map(|(_, bytes)| &**bytes).collect();
/// assert_eq!(texts, [&b"two"[..], b"three"]);
/// position = later.end();
///
/// for n in 4..=8 {
///     history.append(n.to_string());
/// }
/// let later = history.since(position, usize::MAX);
/// assert_eq!(later.gap, Some(Gap::Trimmed(2)));
/// assert_eq!(&*later.messages[0].1, b"6");
///
/// // After a restart, old positions are of another epoch.
/// let history = History::new(3, 1024 * 1024);
/// assert_eq!(history.since(position, usize::MAX).gap, Some(Gap::Epoch));
/// ```
///
/// [`Reply::events`](crate::services::web::Reply::events) sends a history to browsers.
#[derive(Clone)]
pub struct History {
    shared: Arc<Shared>,
}

struct Shared {
    epoch: u64,
    bounds: Bounds,
    log: Mutex<Log>,
    /// A lock of its own: a watcher may read the history.
    watchers: Mutex<Slab<Watcher>>,
}

type Watcher = Box<dyn Fn() + Send + Sync>;

enum Log {
    Own(Own),
    #[cfg(feature = "backplane")]
    Mirror(Mirror),
}

/// The messages of this process.
#[derive(Default)]
struct Own {
    messages: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// The offset of the last message.
    end: u64,
}

/// The registration of a watcher, which ends when this is dropped: see [`History::watch`].
#[must_use = "the watcher is removed when this is dropped"]
pub struct Watch {
    shared: Arc<Shared>,
    key: usize,
}

impl History {
    /// Creates an empty history, which keeps at most `messages` messages and `bytes` bytes of them.
    /// The oldest are removed first; a message of more than `bytes` bytes is not kept at all, which
    /// readers see as a gap. Each message takes 16 bytes more.
    #[must_use]
    pub fn new(messages: usize, bytes: usize) -> History {
        History {
            shared: Arc::new(Shared {
                epoch: random_epoch(),
                bounds: Bounds { messages, bytes },
                log: Mutex::new(Log::Own(Own::default())),
                watchers: Mutex::default(),
            }),
        }
    }

    /// Appends a message, and calls the [watchers](History::watch). Returns its position.
    /// [`History`] has an example.
    ///
    /// In a [shared](crate::Backplane::keep) history, this message is for the readers of this
    /// process only.
    pub fn append(&self, message: impl AsRef<[u8]>) -> Position {
        let message: Arc<[u8]> = message.as_ref().into();
        let bounds = self.shared.bounds;
        let mut log = self.shared.log();
        let position = match &mut *log {
            Log::Own(own) => self.shared.position(own.append(message, bounds)),
            #[cfg(feature = "backplane")]
            Log::Mirror(mirror) => {
                let position = mirror.next_between();
                mirror.append(position, message, bounds);
                position
            }
        };
        drop(log);
        self.shared.wake();
        position
    }

    /// Returns the messages after `position`, up to `bytes` bytes of them, but at least one if
    /// there is one. Each counts 64 bytes more. [`Later::end`] is the position for the next call.
    /// [`History`] has an example.
    ///
    /// After a gap the messages are the oldest that the history has.
    #[must_use]
    pub fn since(&self, position: Position, bytes: usize) -> Later {
        match &*self.shared.log() {
            Log::Own(own) => own.since(position, bytes, self.shared.epoch),
            #[cfg(feature = "backplane")]
            Log::Mirror(mirror) => mirror.since(position, bytes),
        }
    }

    /// Returns the position before the oldest message, from which a reader gets all that there are.
    #[must_use]
    pub fn start(&self) -> Position {
        match &*self.shared.log() {
            Log::Own(own) => self.shared.position(own.start()),
            #[cfg(feature = "backplane")]
            Log::Mirror(mirror) => mirror.start(),
        }
    }

    /// Returns the position of the last message, from which a reader gets only new ones.
    #[must_use]
    pub fn end(&self) -> Position {
        match &*self.shared.log() {
            Log::Own(own) => self.shared.position(own.end),
            #[cfg(feature = "backplane")]
            Log::Mirror(mirror) => mirror.end(),
        }
    }

    /// Calls `watcher` after each message that is appended from now on, in the thread that appends
    /// it, until the returned value is dropped. It must return soon, and must not add or remove
    /// watchers. It wakes a reader, which then asks for the messages [since](History::since) its
    /// position.
    ///
    /// ```
    /// use socketserver::History;
    /// use std::sync::mpsc;
    ///
    /// let history = History::new(10, 1000);
    /// let (sender, news) = mpsc::channel();
    /// let watch = history.watch(move || drop(sender.send(())));
    /// history.append("hello");
    /// news.recv()?;
    /// drop(watch);
    /// assert!(news.recv().is_err());
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    pub fn watch(&self, watcher: impl Fn() + Send + Sync + 'static) -> Watch {
        let key = self.shared.watchers().insert(Box::new(watcher));
        Watch { shared: Arc::clone(&self.shared), key }
    }
}

/// For messages that contain their position, and for readers of a shared history.
#[cfg(any(feature = "backplane", feature = "chat-web", feature = "http"))]
impl History {
    /// Returns the position of the next message that is [appended](History::append).
    #[cfg(feature = "chat-web")]
    pub(crate) fn next(&self) -> Position {
        match &*self.shared.log() {
            Log::Own(own) => self.shared.position(own.end + 1),
            #[cfg(feature = "backplane")]
            Log::Mirror(mirror) => mirror.next_between(),
        }
    }

    /// Returns true if the start and the end are not known so far, because the engine has not told
    /// them. Readers wait meanwhile.
    #[cfg(feature = "http")]
    pub(crate) fn is_pending(&self) -> bool {
        match &*self.shared.log() {
            Log::Own(_) => false,
            #[cfg(feature = "backplane")]
            Log::Mirror(mirror) => mirror.is_pending(),
        }
    }
}

/// The messages of a topic that several nodes share.
#[cfg(feature = "backplane")]
impl History {
    /// Makes this a history of a shared topic, which is empty.
    pub(crate) fn follow_engine(&self) {
        *self.shared.log() = Log::Mirror(Mirror::default());
    }

    /// Appends a message of the engine.
    pub(crate) fn append_at(&self, at: Position, message: impl AsRef<[u8]>) {
        let message = message.as_ref().into();
        self.change(|mirror, bounds| mirror.append(at, message, bounds));
    }

    /// Adds a message of the engine from before the time of this history.
    pub(crate) fn earlier(&self, at: Position, message: impl AsRef<[u8]>) {
        let message = message.as_ref().into();
        self.change(|mirror, bounds| mirror.earlier(at, message, bounds));
    }

    /// The end of the earlier messages.
    pub(crate) fn joined(&self, at: Position) {
        self.change(|mirror, bounds| mirror.joined(at, bounds));
    }

    /// Some messages may be missing after the last one.
    pub(crate) fn mark(&self) {
        self.change(Mirror::mark);
    }

    /// Nothing is missing up to this position, but at marks.
    pub(crate) fn recovered(&self, at: Position) {
        self.change(|mirror, bounds| mirror.recovered(at, bounds));
    }

    /// Returns the number of messages that it keeps.
    pub(crate) fn max_messages(&self) -> usize {
        self.shared.bounds.messages
    }

    fn change(&self, change: impl FnOnce(&mut Mirror, Bounds)) {
        if let Log::Mirror(mirror) = &mut *self.shared.log() {
            change(mirror, self.shared.bounds);
        }
        self.shared.wake();
    }
}

impl Own {
    /// Returns the offset before the first message.
    fn start(&self) -> u64 {
        self.end - self.messages.len() as u64
    }

    /// Returns the offset of the message.
    fn append(&mut self, message: Arc<[u8]>, bounds: Bounds) -> u64 {
        self.bytes += message.len();
        self.end += 1;
        self.messages.push_back(message);
        while self.messages.len() > bounds.messages || self.bytes > bounds.bytes {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.len();
        }
        self.end
    }

    fn since(&self, position: Position, bytes: usize, epoch: u64) -> Later {
        let start = self.start();
        let is_known = position.epoch() == epoch && position.offset() <= self.end;
        let (gap, after) = match position.offset() {
            _ if !is_known => (Some(Gap::Epoch), start),
            offset if offset < start => (Some(Gap::Trimmed(start - offset)), start),
            offset => (None, offset),
        };
        let mut room = bytes;
        let mut messages = Vec::new();
        // It fits: `after` is at most `messages.len()` from the start.
        let later = self.messages.iter().skip((after - start) as usize);
        for (message, offset) in later.zip(after + 1..) {
            let size = message.len().saturating_add(MESSAGE);
            if size > room && !messages.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            messages.push((Position::new(epoch, offset), Arc::clone(message)));
        }
        Later { gap, start: Position::new(epoch, after), messages }
    }
}

impl Shared {
    fn wake(&self) {
        for (_, watcher) in self.watchers().iter() {
            watcher();
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watchers(&self) -> MutexGuard<'_, Slab<Watcher>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn position(&self, offset: u64) -> Position {
        Position::new(self.epoch, offset)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Dropped after the lock is released: a destructor may do anything.
        let watcher = self.shared.watchers().try_remove(self.key);
        drop(watcher);
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("start", &self.start())
            .field("end", &self.end())
            .field("watchers", &self.shared.watchers().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
