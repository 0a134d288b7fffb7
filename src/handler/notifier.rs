//! How any thread reaches the handlers of one loop. Knows no loop and no mailbox.

use std::any::Any;
use std::sync::Arc;

use crate::id::Id;

/// Notifies the handlers of one loop, from any thread. Clones reach the same loop; once that has
/// ended, nothing is told. It takes every notification, so its callers must be bounded themselves.
#[derive(Clone, Default)]
pub(crate) struct Notifier {
    deliver: Option<Arc<Deliver>>,
}

// Boxed, so that a notifier is one word: each record of a call has one.
type Deliver = Box<dyn Fn(Id, Box<dyn Any + Send>) + Send + Sync>;

impl Notifier {
    pub(crate) fn new(
        deliver: impl Fn(Id, Box<dyn Any + Send>) + Send + Sync + 'static,
    ) -> Notifier {
        Notifier { deliver: Some(Arc::new(Box::new(deliver))) }
    }

    /// Has the handler of a connection called with `note`, unless it has gone.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "the web service needs it"))]
    pub(crate) fn notify(&self, to: Id, note: Box<dyn Any + Send>) {
        if let Some(deliver) = &self.deliver {
            deliver(to, note);
        }
    }
}
