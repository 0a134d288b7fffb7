//! Messages to a handler from inside the program: from other handlers and threads, from workers,
//! and from topics. Must not know connections.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::id::Id;
use crate::topic::Topic;

/// A value of any type for another handler: see [`Notification::downcast`].
pub type Message = Box<dyn Any + Send>;

/// A notification of a handler: the argument of [`Handler::on_notify`](crate::Handler::on_notify).
///
/// ```
/// use socketserver::Notification;
///
/// let notification = Notification::Message(Box::new(5_u32));
/// match notification.downcast::<u32>() {
///     Ok(number) => assert_eq!(number, 5),
///     Err(other) => panic!("not a number: {other:?}"),
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Notification {
    /// Sent by another handler or thread with [`Context::notify`](crate::Context::notify) or
    /// [`ServerHandle::notify`](crate::ServerHandle::notify).
    Message(Message),
    /// Work [offloaded](crate::Context::offload) by this handler is done: its ticket, and its
    /// result.
    Finished(Ticket, Message),
    /// A message was published to a topic that this handler has
    /// [subscribed](crate::Context::subscribe) to.
    Published(Topic, Arc<[u8]>),
    /// A message of this handler could not be delivered, because its receiver has ended. It is
    /// returned unchanged.
    Undelivered {
        /// The receiver.
        to: Id,
        /// The message.
        message: Message,
    },
}

impl Notification {
    /// Returns true if its value, or its result, is a `T`.
    #[must_use]
    pub fn is<T: Any>(&self) -> bool {
        match self {
            Notification::Message(value) | Notification::Finished(_, value) => value.is::<T>(),
            Notification::Published(..) | Notification::Undelivered { .. } => false,
        }
    }

    /// Returns the value of a [`Message`](Notification::Message), or the result of
    /// [`Finished`](Notification::Finished) work. [`Notification`] has an example.
    ///
    /// # Errors
    ///
    /// The notification itself, if its value has another type, or if it has none.
    pub fn downcast<T: Any>(self) -> Result<T, Notification> {
        match self {
            Notification::Message(message) => {
                message.downcast().map(|value| *value).map_err(Notification::Message)
            }
            Notification::Finished(ticket, result) => result
                .downcast()
                .map(|value| *value)
                .map_err(|result| Notification::Finished(ticket, result)),
            other => Err(other),
        }
    }
}

/// Identifies one piece of [offloaded](crate::Context::offload) work. Tickets are unique within a
/// process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Ticket {
    pub(crate) fn next() -> Ticket {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Ticket(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
