//! Mailboxes carry messages from other threads to a loop; a doorbell, shared by all mailboxes of
//! the loop, wakes it. Must not know what a message is, nor what the loop waits in.
//!
//! The wake-up protocol, which `tests/model` checks with `loom`:
//!
//! 1. A sender queues its message, then rings.
//! 2. Only the first ring since the loop last answered wakes it.
//! 3. The loop answers, which clears the ring, then takes from every mailbox.
//!
//! So a message that the loop does not see rings the bell again. A loop that has nothing to
//! answer pays one relaxed load.

use std::collections::VecDeque;

use crate::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};

/// Wakes one loop. Clones ring the same bell.
#[derive(Clone)]
pub(crate) struct Doorbell {
    bell: Arc<Bell>,
}

struct Bell {
    is_rung: AtomicBool,
    /// Ends the wait of the loop, or the next one if it does not wait.
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Doorbell {
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Doorbell {
        let bell = Bell { is_rung: AtomicBool::new(false), wake: Box::new(wake) };
        Doorbell { bell: Arc::new(bell) }
    }

    /// Makes the loop look at what it shares with other threads. To be called after the change
    /// that it is to see.
    pub(crate) fn ring(&self) {
        if !self.bell.is_rung.swap(true, Ordering::AcqRel) {
            (self.bell.wake)();
        }
    }

    /// Returns true if the bell was rung since it was last answered. A ring that is being made may
    /// be missed: that one wakes the loop.
    #[inline(always)]
    pub(crate) fn is_rung(&self) -> bool {
        self.bell.is_rung.load(Ordering::Relaxed)
    }

    /// Returns true if the bell was rung since the last call; then the loop must look at
    /// everything that it shares with other threads.
    pub(crate) fn answer(&self) -> bool {
        self.is_rung() && self.bell.is_rung.swap(false, Ordering::AcqRel)
    }
}

/// A queue of messages to the loop with the doorbell: order is kept. Clones share the queue.
pub(crate) struct Mailbox<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    bell: Doorbell,
    /// The weight of all messages together that makes the mailbox full.
    max_weight: usize,
    weigh: fn(&T) -> usize,
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    messages: VecDeque<T>,
    weight: usize,
    is_closed: bool,
}

/// Why a message was not taken; it comes back.
pub(crate) enum Refused<T> {
    /// The messages in the mailbox weigh too much already.
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
    /// Others are left. The bell does not ring for them again.
    pub(crate) has_more: bool,
}

impl<T> Mailbox<T> {
    /// A mailbox without a bound, for senders that are bounded themselves.
    pub(crate) fn new(bell: &Doorbell) -> Mailbox<T> {
        Mailbox::bounded(bell, usize::MAX, |_| 0)
    }

    /// A mailbox whose messages weigh at most `max_weight` together. An empty one takes any
    /// message.
    pub(crate) fn bounded(
        bell: &Doorbell,
        max_weight: usize,
        weigh: fn(&T) -> usize,
    ) -> Mailbox<T> {
        let queue = Queue { messages: VecDeque::new(), weight: 0, is_closed: false };
        let (bell, queue) = (bell.clone(), Mutex::new(queue));
        Mailbox { shared: Arc::new(Shared { bell, max_weight, weigh, queue }) }
    }

    /// Nothing that is done under the lock can panic; no message is dropped under it, for that
    /// may do anything.
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message behind those of earlier calls and rings.
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

    /// Takes the oldest messages, at most `max`, up to the first that must `wait`.
    pub(crate) fn take(&self, max: usize, wait: impl Fn(&T) -> bool) -> Taken<T> {
        let mut queue = self.queue();
        let count = queue.messages.iter().take(max).take_while(|message| !wait(message)).count();
        let messages: Vec<T> = queue.messages.drain(..count).collect();
        queue.weight -= messages.iter().map(self.shared.weigh).sum::<usize>();
        Taken { messages, has_more: !queue.messages.is_empty() }
    }

    /// Returns true if the oldest message must `wait`, and so all others.
    pub(crate) fn must_wait(&self, wait: impl Fn(&T) -> bool) -> bool {
        self.queue().messages.front().is_some_and(wait)
    }

    /// Refuses messages from now on, and returns those that were not taken.
    pub(crate) fn close(&self) -> VecDeque<T> {
        self.queue().is_closed = true;
        self.take_all()
    }

    /// Refuses messages from now on if none is left to take. Returns true if it is closed.
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
