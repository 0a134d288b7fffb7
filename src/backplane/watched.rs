//! A watched topic, and the times that concern it. Knows no engine.

use super::topic::Topic;

/// A topic that is watched. Times are in milliseconds.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) topic: Topic,
    /// When it is given up; `None` while it has members.
    pub(super) lingers_until: Option<u64>,
    /// When this node last published to it.
    pub(super) published: Option<u64>,
    /// When this node last had the retention of its log renewed, over this connection.
    renewed: Option<u64>,
}

impl Watched {
    pub(super) fn new(topic: Topic) -> Watched {
        Watched { topic, lingers_until: None, published: None, renewed: None }
    }

    /// Returns true if the retention must be renewed with a message of now, and takes note of it.
    pub(super) fn renews(&mut self, now: u64, renewal_ms: u64) -> bool {
        let is_due = self.renewed.is_none_or(|at| now >= at.saturating_add(renewal_ms))
            && self.topic.has_log();
        if is_due {
            self.renewed = Some(now);
        }
        is_due
    }

    /// The connection to the engine has ended.
    pub(super) fn cut(&mut self) {
        self.topic.cut();
        // The request may be lost.
        self.renewed = None;
    }
}
