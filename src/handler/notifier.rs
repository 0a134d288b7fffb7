//! Notifies the handlers of one loop from any thread. Must not know loops or mailboxes.

use std::sync::Arc;

use crate::handler::notification::Message;
use crate::id::Id;

/// Notifies the handlers of one loop from any thread. Clones belong to the same loop; after its
/// end, notifications are dropped. Their number is not limited, so callers must limit it
/// themselves.
#[derive(Clone, Default)]
pub(crate) struct Notifier {
    deliver: Option<Arc<Deliver>>,
}

// Boxed, so that a notifier is one word: each record of a call has one.
type Deliver = Box<dyn Fn(Id, Message) + Send + Sync>;

impl Notifier {
    pub(crate) fn new(deliver: impl Fn(Id, Message) + Send + Sync + 'static) -> Notifier {
        Notifier { deliver: Some(Arc::new(Box::new(deliver))) }
    }

    /// Notifies the handler of a connection, unless it has ended.
    #[cfg_attr(
        not(any(feature = "backplane", feature = "http")),
        allow(dead_code, reason = "used by the web service and the chat")
    )]
    pub(crate) fn notify(&self, to: Id, message: Message) {
        if let Some(deliver) = &self.deliver {
            deliver(to, message);
        }
    }
}
