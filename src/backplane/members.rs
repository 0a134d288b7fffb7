//! The members of the topics of a node, as the exchange knows them. Knows no engine and no topic.

use super::feed::{Mark, Recovery};
use super::record::Message;
use crate::history::Position;

/// The members of the topics of a node.
pub(crate) trait Members {
    /// A message, in the order of the log.
    fn deliver(&mut self, topic: &str, at: Position, message: &Message<'_>);
    /// In order with the messages: some may be missing here.
    fn mark(&mut self, topic: &str, why: Mark);
    /// A message from before the first member joined, in the order of the log.
    fn earlier(&mut self, topic: &str, at: Position, message: &Message<'_>);
    /// All messages after this position are for the members, which have just joined.
    fn joined(&mut self, topic: &str, at: Position);
    /// Messages arrive as they are published again.
    fn recovered(&mut self, topic: &str, at: Position, recovery: Recovery);
    /// The message of this publisher will not be sent, or it was sent and its fate is unknown.
    fn unshared(&mut self, topic: &str, author: u64, bytes: &[u8]);
    /// A message of this node for its own members alone.
    fn deliver_here(&mut self, topic: &str, author: u64, bytes: &[u8]);
}
