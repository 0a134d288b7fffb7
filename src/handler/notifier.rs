//! How any thread reaches the handlers of one loop. Knows no loop and no mailbox.

use std::sync::Arc;

use crate::handler::notification::Message;
use crate::id::Id;

/// Notifies the handlers of one loop, from any thread. Clones reach the same loop; once that has
/// ended, nothing is told. It takes every notification, so its callers must be bounded themselves.
#[derive(Clone, Default)]
pub(crate) struct Notifier {
    deliver: Option<Arc<Deliver>>,
}

type Deliver = dyn Fn(Id, Message) + Send + Sync;

impl Notifier {
    pub(crate) fn new(deliver: impl Fn(Id, Message) + Send + Sync + 'static) -> Notifier {
        Notifier { deliver: Some(Arc::new(deliver)) }
    }

    /// Notifies the handler of a connection, unless that has ended.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "the web service needs it"))]
    pub(crate) fn notify(&self, to: Id, message: Message) {
        if let Some(deliver) = &self.deliver {
            deliver(to, message);
        }
    }
}
