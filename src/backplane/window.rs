//! The published messages that the engine has not accepted, in order. Knows no engine.

use std::collections::{HashMap, VecDeque};

use super::record::{Message, Record, set_attempt};

/// The most topics whose last message is remembered. One that is forgotten has a chain that begins
/// anew.
const TRAILS_MAX: usize = 16_384;

#[derive(Debug)]
pub(super) struct Window {
    node: u64,
    messages: VecDeque<Unaccepted>,
    /// The number of messages at the front that were sent over this connection.
    sent: usize,
    /// Counts the connections.
    attempt: u32,
    bytes: usize,
    /// The `seq` of the last message.
    last: u64,
    trails: HashMap<Box<str>, Trail>,
}

#[derive(Debug)]
pub(super) struct Unaccepted {
    pub(super) seq: u64,
    pub(super) topic: Box<str>,
    pub(super) record: Box<[u8]>,
}

/// The `seq` of the last messages of a topic; 0 for none.
#[derive(Clone, Copy, Debug, Default)]
struct Trail {
    queued: u64,
    accepted: u64,
}

impl Window {
    pub(super) fn new(node: u64) -> Window {
        Window {
            node,
            messages: VecDeque::new(),
            sent: 0,
            attempt: 0,
            bytes: 0,
            last: 0,
            trails: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the `seq` of the last message.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Returns the first `seq` that was not accepted.
    pub(super) fn lowest(&self) -> u64 {
        self.messages.front().map_or(self.last + 1, |message| message.seq)
    }

    /// Returns the topics of messages that were not sent, in order.
    pub(super) fn unsent_topics(&self) -> impl Iterator<Item = &str> {
        self.messages.range(self.sent..).map(|message| &*message.topic)
    }

    pub(super) fn push(&mut self, topic: &str, author: u64, bytes: &[u8]) {
        if self.trails.len() >= TRAILS_MAX {
            self.trails.retain(|_, trail| trail.queued != trail.accepted);
        }
        self.last += 1;
        let seq = self.last;
        let step = match self.trails.get_mut(topic) {
            Some(trail) => match std::mem::replace(&mut trail.queued, seq) {
                0 => 0,
                before => seq - before,
            },
            None => {
                self.trails.insert(topic.into(), Trail { queued: seq, accepted: 0 });
                0
            }
        };
        let mut record = Vec::with_capacity(bytes.len() + 30);
        let message = Message { node: self.node, attempt: 0, seq, step, author, bytes };
        Record::Message(message).append_to(&mut record);
        self.bytes += record.len();
        self.messages.push_back(Unaccepted { seq, topic: topic.into(), record: record.into() });
    }

    /// Returns the next message that was not sent if `may_go` with its topic, and counts it as
    /// sent. One that waits holds up those after it: the engine takes them in order.
    pub(super) fn send(&mut self, may_go: impl Fn(&str) -> bool) -> Option<&Unaccepted> {
        let next = self.messages.get_mut(self.sent);
        let message = next.filter(|message| may_go(&message.topic))?;
        self.sent += 1;
        set_attempt(&mut message.record, self.attempt);
        Some(message)
    }

    /// All messages must be sent again.
    pub(super) fn rewind(&mut self) {
        self.sent = 0;
        self.attempt = self.attempt.wrapping_add(1);
    }

    /// Removes the messages up to this `seq`.
    pub(super) fn accept(&mut self, seq: u64) {
        while self.messages.front().is_some_and(|message| message.seq <= seq) {
            let Some(message) = self.pop() else { break };
            if let Some(trail) = self.trails.get_mut(&message.topic) {
                trail.accepted = message.seq;
            }
        }
    }

    /// Returns a message that the engine refused; it is removed with those that were accepted.
    pub(super) fn get(&self, seq: u64) -> Option<&Unaccepted> {
        let index = self.messages.binary_search_by_key(&seq, |message| message.seq).ok()?;
        self.messages.get(index)
    }

    /// Gives up the first message. The next one of its topic follows the last accepted one: this
    /// one may have been accepted or not.
    pub(super) fn give_up(&mut self) -> Option<Unaccepted> {
        let message = self.pop()?;
        if let Some(trail) = self.trails.get_mut(&message.topic) {
            trail.queued = trail.accepted;
        }
        Some(message)
    }

    fn pop(&mut self) -> Option<Unaccepted> {
        let message = self.messages.pop_front()?;
        self.sent = self.sent.saturating_sub(1);
        self.bytes -= message.record.len();
        Some(message)
    }
}

impl Unaccepted {
    pub(super) fn message(&self) -> Option<Message<'_>> {
        match Record::decode(&self.record) {
            Record::Message(message) => Some(message),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps of the messages that are sent.
    fn steps(window: &mut Window) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        while let Some(sent) = window.send(|_| true) {
            let message = sent.message().unwrap();
            found.push((message.seq, message.step));
        }
        found
    }

    #[test]
    fn messages_are_sent_in_order_until_they_are_accepted() {
        let mut window = Window::new(7);
        for topic in ["a", "b", "a", "a"] {
            window.push(topic, 1, b"hello");
        }
        assert!(window.send(|topic| topic == "b").is_none(), "the first one holds up the second");
        assert_eq!(steps(&mut window), [(1, 0), (2, 0), (3, 2), (4, 1)]);
        window.accept(2);
        assert_eq!((window.lowest(), window.len()), (3, 2));
        assert_eq!(steps(&mut window), []);
        window.rewind();
        assert_eq!(steps(&mut window), [(3, 2), (4, 1)]);
        window.accept(4);
        assert_eq!((window.lowest(), window.len(), window.bytes()), (5, 0, 0));
    }

    #[test]
    fn a_message_that_was_given_up_leaves_no_break() {
        let mut window = Window::new(7);
        window.push("a", 1, b"");
        window.accept(1);
        window.push("a", 1, b"");
        window.push("a", 1, b"");
        assert_eq!(window.give_up().map(|message| message.seq), Some(2));
        assert_eq!(window.give_up().map(|message| message.seq), Some(3));
        window.push("a", 1, b"");
        assert_eq!(steps(&mut window), [(4, 3)]);
        assert_eq!(window.lowest(), 4);
    }
}
