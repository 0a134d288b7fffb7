//! The last message of each node in a topic. Knows no log.

use super::record::{Message, Record};
use crate::history::Position;

/// The most nodes of a topic that are known: above it, the one that was silent for longest is
/// forgotten.
const NODES_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Chains {
    nodes: Vec<Node>,
    /// Counts the uses, to find the node that was silent for longest.
    uses: u64,
}

#[derive(Debug)]
struct Node {
    node: u64,
    seq: u64,
    used: u64,
}

/// How a message joins those of its node before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It follows the last one, or nothing is known of the node.
    Next,
    /// It was seen before.
    Seen,
    /// Another one was between them.
    Broken,
}

impl Chains {
    pub(super) fn add(&mut self, message: &Message<'_>) -> Link {
        let last = self.node(message.node);
        let link = match last.seq {
            seq if message.seq <= seq => return Link::Seen,
            seq if seq > 0 && message.step > 0 && message.seq - message.step > seq => Link::Broken,
            _ => Link::Next,
        };
        last.seq = message.seq;
        link
    }

    /// The messages of the node up to this one count as seen. Returns true if it was not so.
    pub(super) fn raise(&mut self, node: u64, seq: u64) -> bool {
        let last = self.node(node);
        let is_new = last.seq < seq;
        last.seq = last.seq.max(seq);
        is_new
    }

    fn node(&mut self, node: u64) -> &mut Node {
        self.uses += 1;
        let used = self.uses;
        let index = self.nodes.iter().position(|known| known.node == node);
        let index = index.unwrap_or_else(|| {
            if self.nodes.len() >= NODES_MAX {
                let silent = self.nodes.iter().enumerate().min_by_key(|(_, known)| known.used);
                let silent = silent.map_or(0, |(index, _)| index);
                self.nodes.swap_remove(silent);
            }
            self.nodes.push(Node { node, seq: 0, used });
            self.nodes.len() - 1
        });
        let known = &mut self.nodes[index];
        known.used = used;
        known
    }
}

/// Returns the messages of a read, each once: a log that came back may have one twice.
pub(super) fn each_once(found: &[(Position, Box<[u8]>)]) -> Vec<(Position, Message<'_>)> {
    let mut chains = Chains::default();
    let messages = found.iter().filter_map(|(at, record)| match Record::decode(record) {
        Record::Message(message) => Some((*at, message)),
        Record::Mark { .. } | Record::Unknown(_) => None,
    });
    messages.filter(|(_, message)| chains.add(message) != Link::Seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(node: u64, seq: u64, step: u64) -> Message<'static> {
        Message { node, attempt: 0, seq, step, author: 0, bytes: b"" }
    }

    #[test]
    fn a_message_follows_is_seen_or_shows_a_break() {
        let mut chains = Chains::default();
        assert_eq!(chains.add(&message(1, 5, 2)), Link::Next, "an unknown node");
        assert_eq!(chains.add(&message(1, 5, 2)), Link::Seen);
        assert_eq!(chains.add(&message(1, 3, 2)), Link::Seen);
        assert_eq!(chains.add(&message(1, 9, 4)), Link::Next);
        assert_eq!(chains.add(&message(1, 12, 5)), Link::Next, "one that was given up between");
        assert_eq!(chains.add(&message(1, 15, 1)), Link::Broken);
        assert_eq!(chains.add(&message(1, 20, 0)), Link::Next, "the node knows of none before");
        assert_eq!(chains.add(&message(2, 1, 0)), Link::Next);
        assert!(chains.raise(2, 7) && !chains.raise(2, 7));
        assert_eq!(chains.add(&message(2, 7, 0)), Link::Seen);
    }

    #[test]
    fn the_number_of_nodes_is_bounded() {
        let mut chains = Chains::default();
        for node in 0..1000 {
            chains.add(&message(node, 9, 0));
            chains.add(&message(0, node + 10, 0));
        }
        assert_eq!(chains.nodes.len(), NODES_MAX);
        assert_eq!(chains.add(&message(0, 9, 0)), Link::Seen);
        assert_eq!(chains.add(&message(1, 9, 0)), Link::Next, "it was forgotten");
    }
}
