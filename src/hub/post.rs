//! Sends messages to other shards. Knows no effect.

use super::connections::Connections;
use super::shards::{Posted, ShardMessage, Shards};
use super::transport::Transport;
use super::turn::Action;
use crate::id::Id;
use crate::panics;

/// Sends a message to another shard, and throttles its sender if the window is full.
pub(super) fn post<T: Transport>(
    shards: &mut Shards,
    connections: &mut Connections<T>,
    shard: usize,
    from: Id,
    message: ShardMessage,
) {
    match shards.post(shard, from, message) {
        Posted::Sent => {}
        Posted::Congested => {
            connections.throttle(from);
        }
        Posted::Closed(message) => drop_undeliverable(connections, message),
    }
}

/// Handles an undeliverable message to another shard.
pub(super) fn drop_undeliverable<T: Transport>(
    connections: &mut Connections<T>,
    message: ShardMessage,
) {
    match message {
        ShardMessage::Notify { from, to, notification } => {
            let pending = &mut connections.turn_mut().pending;
            pending.push(from, Action::Return { to, notification });
        }
        message => panics::drop_quietly(message),
    }
}
