//! Mailboxes, which carry messages from other threads to a loop, and the doorbell that wakes the
//! loop for all of them. Must not know the messages, nor how the loop waits.
//!
//! The wake-up protocol, which `tests/model` checks with `loom`:
//!
//! 1. A sender queues its message, then rings.
//! 2. Only the first ring since the loop last answered wakes it.
//! 3. The loop answers, which clears the ring, then takes from every mailbox.
//!
//! A message that the loop does not see therefore rings the bell again. Without a ring, the loop
//! pays one relaxed load.

use std::collections::VecDeque;

use crate::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};

/// Wakes one loop. Clones ring the same bell.
#[derive(Clone)]
pub(crate) struct Doorbell {
    bell: Arc<Bell>,
}

struct Bell {
    is_rung: AtomicBool,
    /// Ends the current wait of the loop, or its next one.
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Doorbell {
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Doorbell {
        let bell = Bell { is_rung: AtomicBool::new(false), wake: Box::new(wake) };
        Doorbell { bell: Arc::new(bell) }
    }

    /// Makes the loop look at the state it shares with other threads. Must be called after the
    /// change that it shall see.
    pub(crate) fn ring(&self) {
        if !self.bell.is_rung.swap(true, Ordering::AcqRel) {
            (self.bell.wake)();
        }
    }

    /// Returns true if the bell was rung since it was last answered. May miss a ring in progress,
    /// which then wakes the loop.
    #[inline(always)]
    pub(crate) fn is_rung(&self) -> bool {
        self.bell.is_rung.load(Ordering::Relaxed)
    }

    /// Returns true if the bell was rung since the last call. The loop must then look at all state
    /// that it shares with other threads.
    pub(crate) fn answer(&self) -> bool {
        self.is_rung() && self.bell.is_rung.swap(false, Ordering::AcqRel)
    }
}

/// A queue of messages to the loop that owns the doorbell, in order. Clones share the queue.
pub(crate) struct Mailbox<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    bell: Doorbell,
    /// The total weight of messages at which the mailbox is full.
    max_weight: usize,
    weigh: fn(&T) -> usize,
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    messages: VecDeque<T>,
    weight: usize,
    is_closed: bool,
}

/// A refused message, with the reason.
pub(crate) enum Refused<T> {
    /// The messages in the mailbox already weigh too much.
    Full(T),
    Closed(T),
}

impl<T> Refused<T> {
    pub(crate) fn into_message(self) -> T {
        match self {
            Refused::Full(message) | Refused::Closed(message) => message,
        }
    }
}

/// The oldest messages of a mailbox.
pub(crate) struct Taken<T> {
    pub(crate) messages: Vec<T>,
    /// True if messages are left. The bell does not ring for them again.
    pub(crate) has_more: bool,
}

impl<T> Mailbox<T> {
    /// Creates a mailbox without a bound, for senders that are bounded themselves.
    pub(crate) fn new(bell: &Doorbell) -> Mailbox<T> {
        Mailbox::bounded(bell, usize::MAX, |_| 0)
    }

    /// Creates a mailbox for messages of at most `max_weight` in total. An empty mailbox accepts
    /// any message.
    pub(crate) fn bounded(
        bell: &Doorbell,
        max_weight: usize,
        weigh: fn(&T) -> usize,
    ) -> Mailbox<T> {
        let queue = Queue { messages: VecDeque::new(), weight: 0, is_closed: false };
        let (bell, queue) = (bell.clone(), Mutex::new(queue));
        Mailbox { shared: Arc::new(Shared { bell, max_weight, weigh, queue }) }
    }

    /// The lock is never poisoned: no code under it can panic. No message is dropped under it,
    /// because a destructor may do anything.
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message after those of earlier calls, and rings.
    pub(crate) fn send(&self, message: T) -> Result<(), Refused<T>> {
        self.queue_up(message, self.shared.max_weight)
    }

    /// The same however full it is, for a sender that is bounded itself.
    pub(crate) fn send_beyond(&self, message: T) -> Result<(), Refused<T>> {
        self.queue_up(message, usize::MAX)
    }

    fn queue_up(&self, message: T, max_weight: usize) -> Result<(), Refused<T>> {
        let mut queue = self.queue();
        if queue.is_closed {
            return Err(Refused::Closed(message));
        }
        let weight = queue.weight.saturating_add((self.shared.weigh)(&message));
        if weight > max_weight && !queue.messages.is_empty() {
            return Err(Refused::Full(message));
        }
        queue.weight = weight;
        queue.messages.push_back(message);
        drop(queue);
        self.shared.bell.ring();
        Ok(())
    }

    /// Takes all messages.
    pub(crate) fn take_all(&self) -> VecDeque<T> {
        let mut queue = self.queue();
        queue.weight = 0;
        std::mem::take(&mut queue.messages)
    }

    /// Takes the oldest messages, at most `max`, up to the first one that must `wait`.
    pub(crate) fn take(&self, max: usize, wait: impl Fn(&T) -> bool) -> Taken<T> {
        let mut queue = self.queue();
        let count = queue.messages.iter().take(max).take_while(|message| !wait(message)).count();
        let messages: Vec<T> = queue.messages.drain(..count).collect();
        queue.weight -= messages.iter().map(self.shared.weigh).sum::<usize>();
        Taken { messages, has_more: !queue.messages.is_empty() }
    }

    /// Returns true if the oldest message must `wait`, and therefore all others.
    pub(crate) fn must_wait(&self, wait: impl Fn(&T) -> bool) -> bool {
        self.queue().messages.front().is_some_and(wait)
    }

    /// Refuses messages from now on, and returns those that were not taken.
    pub(crate) fn close(&self) -> VecDeque<T> {
        self.queue().is_closed = true;
        self.take_all()
    }

    /// Closes the mailbox if it is empty. Returns true if it is closed.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut queue = self.queue();
        queue.is_closed |= queue.messages.is_empty();
        queue.is_closed
    }
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Mailbox<T> {
        Mailbox { shared: Arc::clone(&self.shared) }
    }
}
