//! A bounded history of messages with positions, from which readers pull. Must not know its
//! readers, and sends nothing.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

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
    max_messages: usize,
    max_bytes: usize,
    log: Mutex<Log>,
    /// A lock of its own: a watcher may read the history.
    watchers: Mutex<Slab<Watcher>>,
}

type Watcher = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Log {
    messages: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// The offset of the last message.
    end: u64,
}

impl Log {
    /// Returns the offset before the first message.
    fn start(&self) -> u64 {
        self.end - self.messages.len() as u64
    }
}

/// The place of a message in a [`History`]: its epoch, a random number of each history, and its
/// offset, which is 1 for the first message and then increases by one. As text it is
/// `epoch-offset`, for example `00c0ffee00c0ffee-17`.
///
/// ```
/// use socketserver::{History, Position};
///
/// let position = History::new(10, 1000).append("hello");
/// assert_eq!(position.offset(), 1);
/// assert_eq!(position.to_string().parse(), Ok(position));
/// assert!("17".parse::<Position>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    epoch: u64,
    offset: u64,
}

/// A text that is not a [`Position`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionError(());

/// The messages after a position, from [`History::since`]. [`History`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Later {
    /// `None` if no message is missing between the position and the first of
    /// [`messages`](Later::messages).
    pub gap: Option<Gap>,
    /// The position before the first of [`messages`](Later::messages).
    pub start: Position,
    /// The messages with their positions, in order and without a gap.
    pub messages: Vec<(Position, Arc<[u8]>)>,
}

/// The reason why messages are missing. [`History`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// This number of messages was removed, because the history is bounded.
    Trimmed(u64),
    /// The position is of another history, for example of the one before a restart.
    Epoch,
}

/// The registration of a watcher, which ends when this is dropped: see [`History::watch`].
#[must_use = "the watcher is removed when this is dropped"]
pub struct Watch {
    shared: Arc<Shared>,
    key: usize,
}

/// The size of a message in [`History::since`] besides its bytes: an empty message counts, too.
const MESSAGE: usize = 64;

impl History {
    /// Creates an empty history, which keeps at most `messages` messages and `bytes` bytes of them.
    /// The oldest are removed first; a message of more than `bytes` bytes is not kept at all, which
    /// readers see as a gap. Each message takes 16 bytes more.
    #[must_use]
    pub fn new(messages: usize, bytes: usize) -> History {
        History {
            shared: Arc::new(Shared {
                epoch: random_epoch(),
                max_messages: messages,
                max_bytes: bytes,
                log: Mutex::default(),
                watchers: Mutex::default(),
            }),
        }
    }

    /// Appends a message, and calls the [watchers](History::watch). Returns its position.
    /// [`History`] has an example.
    pub fn append(&self, message: impl AsRef<[u8]>) -> Position {
        let message: Arc<[u8]> = message.as_ref().into();
        let mut log = self.shared.log();
        log.bytes += message.len();
        log.end += 1;
        log.messages.push_back(message);
        while log.messages.len() > self.shared.max_messages || log.bytes > self.shared.max_bytes {
            let Some(oldest) = log.messages.pop_front() else { break };
            log.bytes -= oldest.len();
        }
        let position = self.shared.position(log.end);
        drop(log);
        for (_, watcher) in self.shared.watchers().iter() {
            watcher();
        }
        position
    }

    /// Returns the messages after `position`, up to `bytes` bytes of them, but at least one if
    /// there is one. Each counts 64 bytes more. [`Later::end`] is the position for the next call.
    /// [`History`] has an example.
    ///
    /// After a gap the messages are the oldest that the history has.
    #[must_use]
    pub fn since(&self, position: Position, bytes: usize) -> Later {
        let log = self.shared.log();
        let start = log.start();
        let is_known = position.epoch == self.shared.epoch && position.offset <= log.end;
        let (gap, after) = match position.offset {
            _ if !is_known => (Some(Gap::Epoch), start),
            offset if offset < start => (Some(Gap::Trimmed(start - offset)), start),
            offset => (None, offset),
        };
        let mut room = bytes;
        let mut messages = Vec::new();
        // It fits: `after` is at most `messages.len()` from the start.
        for (message, offset) in log.messages.iter().skip((after - start) as usize).zip(after + 1..)
        {
            let size = message.len().saturating_add(MESSAGE);
            if size > room && !messages.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            messages.push((self.shared.position(offset), Arc::clone(message)));
        }
        Later { gap, start: self.shared.position(after), messages }
    }

    /// Returns the position before the oldest message, from which a reader gets all that there are.
    #[must_use]
    pub fn start(&self) -> Position {
        self.shared.position(self.shared.log().start())
    }

    /// Returns the position of the last message, from which a reader gets only new ones.
    #[must_use]
    pub fn end(&self) -> Position {
        self.shared.position(self.shared.log().end)
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

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watchers(&self) -> MutexGuard<'_, Slab<Watcher>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn position(&self, offset: u64) -> Position {
        Position { epoch: self.epoch, offset }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Dropped after the lock is released: a destructor may do anything.
        let watcher = self.shared.watchers().try_remove(self.key);
        drop(watcher);
    }
}

impl Position {
    /// A position in no history: a reader from it is told of a [`Gap`].
    pub const NOWHERE: Position = Position { epoch: 0, offset: 0 };

    /// The place of a message in the log of an engine.
    #[cfg(feature = "backplane")]
    pub(crate) const fn new(epoch: u64, offset: u64) -> Position {
        Position { epoch, offset }
    }

    /// Returns the epoch, which is random and not 0.
    #[must_use]
    pub fn epoch(self) -> u64 {
        self.epoch
    }

    /// Returns the offset: 1 for the first message.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// Returns the position of the next message, for a message that contains its own.
    #[cfg(feature = "chat-web")]
    pub(crate) fn following(self) -> Position {
        Position { offset: self.offset + 1, ..self }
    }
}

impl Later {
    /// Returns the position of the last of these messages, or [`start`](Later::start) without any.
    #[must_use]
    pub fn end(&self) -> Position {
        self.messages.last().map_or(self.start, |(position, _)| *position)
    }
}

/// Returns a random number except 0. The keys of a `RandomState` are from the system.
pub(crate) fn random_epoch() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Position, PositionError> {
        let error = PositionError(());
        let (epoch, offset) = text.split_once('-').ok_or(error)?;
        // `parse` and `from_str_radix` accept a sign.
        let is_hex = epoch.len() == 16 && epoch.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !offset.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error);
        }
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| error)?;
        let offset = offset.parse().map_err(|_| error)?;
        Ok(Position { epoch, offset })
    }
}

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position: write 16 hexadecimal digits, a hyphen and a number")
    }
}

impl Error for PositionError {}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
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
