//! Invariants that hold after every turn, checked in debug builds. A violation is a bug of the hub,
//! and no input of a peer may cause one.

use std::collections::HashMap;

use super::connection::Connection;
use super::connection::flags::Flags;
#[cfg(feature = "testkit")]
use super::connection::states::Input;
use super::connection::states::{Life, Output};
use super::connections::Connections;
use super::pubsub::{Memberships, Topics};
use super::shards::Shards;
use super::time::timeout::TimeoutKind;
use super::transport::Transport;
use crate::id::Id;

pub(super) fn invariants<T: Transport>(
    connections: &Connections<T>,
    topics: &Topics,
    shards: &Shards,
    exchange: Vec<Id>,
) {
    let turn = connections.turn();
    assert!(!connections.has_ended_ones(), "closed connections leave with the turn");
    assert!(turn.record.out.is_empty(), "output belongs to a connection");
    assert!(turn.record.effects.is_empty() && !turn.pending.has_actions(), "effects are applied");
    let (mut queued, mut timed) = (0, 0);
    for (id, connection) in connections.table().iter() {
        let state = connection.state();
        queued += usize::from(state.has(Flags::QUEUED));
        timed += usize::from(state.has(Flags::TIMED));
        assert_eq!(
            connection.memberships(),
            topics.memberships(id),
            "{id}: its membership and its state differ"
        );
        if !state.is_here() && state.life() >= Life::Closed {
            // It only waits for its handler, to call `on_close`.
            continue;
        }
        check_life(id, connection);
        check_progress(id, connection, turn.config.limits.output_low);
        check_output(id, connection, turn.config.limits.output_high);
        assert!(connections.covers(id, connection.deadline()), "{id}: its deadline is not covered");
    }
    topics.check();
    check_throttles(connections, topics, shards, exchange);
    let table = connections.table();
    assert_eq!(
        queued,
        connections.queued().filter(|id| table.get(*id).is_some()).count(),
        "each queued connection is in the run queue exactly once"
    );
    assert_eq!(timed, connections.timers_len(), "each timer has a connection");
}

/// Checks that no connection is forgotten: none has readable input or writable output, according to
/// its transport. Holds when all events have been noted and nothing is due.
#[cfg(feature = "testkit")]
pub(super) fn rest<T: Transport>(
    connections: &Connections<T>,
    is_readable: impl Fn(&T) -> bool,
    is_writable: impl Fn(&T) -> bool,
) {
    for (id, connection) in connections.table().iter() {
        let state = connection.state();
        assert!(state.is_here(), "{id}: its handler is still with a worker");
        let is_read = match state.life() {
            // Output of others does not stop a connection's input.
            Life::Open => !state.is_halted() && !state.has(Flags::ABOVE_HIGH),
            Life::Closing | Life::Lingering => state.input() != Input::Ended,
            Life::Closed | Life::Cut | Life::Ended => false,
        };
        assert!(
            !is_read || !is_readable(connection.transport()),
            "{id}: has input, but is not read"
        );
        assert!(
            state.life() == Life::Lingering
                || connection.output_len() == 0
                || !is_writable(connection.transport()),
            "{id}: has output and room, but is not written"
        );
    }
}

/// Checks that each connection is released as often as it was throttled, and no other is released.
fn check_throttles<T: Transport>(
    connections: &Connections<T>,
    topics: &Topics,
    shards: &Shards,
    exchange: Vec<Id>,
) {
    let table = connections.table();
    let cold = table.iter().filter_map(|(_, connection)| connection.cold());
    let waiting = cold.flat_map(|cold| cold.waiting_senders().iter().copied());
    let mut throttled: HashMap<Id, usize> = HashMap::new();
    for id in topics.throttled().chain(shards.throttled()).chain(waiting).chain(exchange) {
        *throttled.entry(id).or_default() += 1;
    }
    for (id, connection) in table.iter().filter(|(_, c)| c.state().is_open()) {
        let count = connection.cold().map_or(0, |cold| cold.throttles());
        assert_eq!(count, throttled.get(&id).copied().unwrap_or(0), "{id}: number of throttles");
        let is_throttled = connection.state().has(Flags::THROTTLED);
        assert_eq!(count > 0, is_throttled, "{id}: its throttled state differs");
    }
}

fn check_life<T: Transport>(id: Id, connection: &Connection<T>) {
    let state = connection.state();
    assert!(state.life() < Life::Closed, "{id}: closed but still in the table");
    assert!(
        !state.is_here() || connection.has_handler() == (state.life() < Life::Lingering),
        "{id}: the handler exists until the connection is over"
    );
    assert!(
        !state.has_failed() || state.is_open() || !state.is_here(),
        "{id}: cannot send, but is neither read nor closed"
    );
    assert!(
        state.has(Flags::QUEUED) || connection.timeout() == connection.timeout_for_now(),
        "{id}: {:?} is armed instead of {:?}",
        connection.timeout(),
        connection.timeout_for_now()
    );
    // Law: every connection ends. Once a half has failed, a deadline is set for the other one.
    assert!(
        !state.has_failed() || !state.is_open() || connection.timeout() == TimeoutKind::Failed,
        "{id}: its output has failed, but its input has no deadline"
    );
}

/// Checks for lost wake-ups: a connection that can proceed without a new event is queued.
fn check_progress<T: Transport>(id: Id, connection: &Connection<T>, output_low: usize) {
    let state = connection.state();
    if state.has(Flags::QUEUED) || !state.is_open() || !state.is_here() {
        return;
    }
    // Stated independently of `wants_pass`, which decides it.
    let has_calls =
        connection.cold().is_some_and(|cold| cold.has_notifications() || cold.has_rung());
    assert!(!has_calls, "{id}: has due notifications or timers, but is not called");
    assert!(
        !state.has(Flags::ABOVE_HIGH) || connection.own_output_len() > output_low,
        "{id}: its output has drained, but it is not read"
    );
    let is_read = !state.is_halted() && !state.has(Flags::ABOVE_HIGH);
    assert!(!is_read || !state.has(Flags::READABLE), "{id}: is readable, but not read");
    assert!(
        !is_read || !state.has(Flags::RETRY_INPUT) || !connection.has_unused(),
        "{id}: has input to offer again, but is not called"
    );
    // Law: only output of the own handler, throttling and pausing stop a connection's input.
    assert!(
        !state.has(Flags::ABOVE_HIGH) || connection.own_output_len() > 0,
        "{id}: is above the high watermark without output of its own"
    );
}

fn check_output<T: Transport>(id: Id, connection: &Connection<T>, output_high: usize) {
    let state = connection.state();
    assert!(connection.counts_right(), "{id}: the length of its output is wrong");
    let is_here = state.is_open() && state.is_here();
    assert!(
        !is_here
            || state.has(Flags::ABOVE_HIGH)
            || connection.own_output_len() < output_high
            || state.output() != Output::Open
            // Packets count more once they are queued.
            || connection.keeps_boundaries(),
        "{id}: has too much output, but is read"
    );
    assert!(
        !state.has(Flags::BLOCKED)
            || connection.output_len() > 0
            || state.life() == Life::Lingering,
        "{id}: blocked with nothing to send"
    );
    assert!(
        state.has(Flags::QUEUED)
            || state.has(Flags::BLOCKED)
            || connection.is_gated()
            || connection.output_len() == 0
            || state.life() == Life::Lingering,
        "{id}: has output, but no write is due"
    );
    assert!(
        !connection.keeps_boundaries()
            || !connection.has_unused()
            || state.is_paused()
            || state.has(Flags::RETRY_INPUT)
            || state.has_failed(),
        "{id}: the next packet would be joined to the rest of one"
    );
    assert!(
        connection.memberships() == Memberships::None || state.life() < Life::Lingering,
        "{id}: has ended but is a member"
    );
}
