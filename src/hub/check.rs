//! What must hold after every turn. Checked in debug builds; a breach is a bug of the hub, and
//! no input of a peer may cause one.

use std::collections::HashMap;

use super::connection::Connection;
use super::connection::flags::Flags;
use super::connection::state::{Life, Output, Timers};
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
) {
    let turn = connections.turn();
    assert!(!connections.has_ended_ones(), "closed connections leave with the turn");
    assert!(turn.record.out.is_empty(), "output belongs to a connection");
    assert!(turn.record.effects.is_empty() && !turn.pending.has_actions(), "effects are applied");
    let (mut queued, mut timed) = (0, 0);
    for (id, connection) in connections.table().iter() {
        let state = connection.state();
        queued += usize::from(state.has(Flags::QUEUED));
        timed += usize::from(state.timers() == Timers::Armed);
        assert_eq!(
            connection.memberships(),
            topics.memberships(id),
            "{id}: is a member and does not know it, or the other way round"
        );
        if !state.is_here() && state.life() >= Life::Closed {
            // It only waits for its handler, to call `on_close`.
            continue;
        }
        check_life(id, connection);
        check_progress(id, connection, turn.config.limits.output_low);
        check_output(id, connection, turn.config.limits.output_high);
        assert!(connections.covers(id, connection.deadline()), "{id}: its deadline is forgotten");
    }
    topics.check();
    check_throttles(connections, topics, shards);
    let table = connections.table();
    assert_eq!(
        queued,
        connections.queued().filter(|id| table.get(*id).is_some()).count(),
        "each queued connection is in the run queue once"
    );
    assert_eq!(timed, connections.timers_len(), "each timer has its connection");
}

/// No connection is forgotten: what could be read or written, by what its transport says, is.
/// Holds whenever all events have been noted and nothing is due.
#[cfg(feature = "testkit")]
pub(super) fn rest<T: Transport>(
    connections: &Connections<T>,
    is_readable: impl Fn(&T) -> bool,
    is_writable: impl Fn(&T) -> bool,
) {
    for (id, connection) in connections.table().iter() {
        let state = connection.state();
        assert!(state.is_here(), "{id}: its handler does not come back");
        let is_read = match state.life() {
            // Output of others does not keep a connection from being read.
            Life::Open => !state.is_halted() && !state.has(Flags::ABOVE_HIGH),
            Life::Lingering => true,
            Life::Closing | Life::Closed | Life::Cut | Life::Ended => false,
        };
        assert!(
            !is_read || !is_readable(connection.transport()),
            "{id}: has input, and is not read"
        );
        assert!(
            state.life() == Life::Lingering
                || connection.output_len() == 0
                || !is_writable(connection.transport()),
            "{id}: has output and room for it, and nothing is written"
        );
    }
}

/// A throttled connection will be released as often as it is throttled, and no other one is.
fn check_throttles<T: Transport>(connections: &Connections<T>, topics: &Topics, shards: &Shards) {
    let table = connections.table();
    let cold = table.iter().filter_map(|(_, connection)| connection.cold());
    let waiting = cold.flat_map(|cold| cold.waiting_senders().iter().copied());
    let mut throttled: HashMap<Id, usize> = HashMap::new();
    for id in topics.throttled().chain(shards.throttled()).chain(waiting) {
        *throttled.entry(id).or_default() += 1;
    }
    for (id, connection) in table.iter().filter(|(_, c)| c.state().is_open()) {
        let count = connection.cold().map_or(0, |cold| cold.throttles());
        assert_eq!(count, throttled.get(&id).copied().unwrap_or(0), "{id}: is throttled so often");
        let is_throttled = connection.state().has(Flags::THROTTLED);
        assert_eq!(count > 0, is_throttled, "{id}: does not know that it is throttled");
    }
}

fn check_life<T: Transport>(id: Id, connection: &Connection<T>) {
    let state = connection.state();
    assert!(state.life() < Life::Closed, "{id}: closed and still in the table");
    assert!(
        !state.is_here() || connection.has_handler() == (state.life() < Life::Lingering),
        "{id}: a handler lives exactly as long as its connection is not over"
    );
    assert!(
        !state.has_failed() || state.is_open() || !state.is_here(),
        "{id}: nothing can be sent, and it is neither read nor closed"
    );
    assert!(
        state.has(Flags::QUEUED) || connection.timeout() == connection.timeout_for_now(),
        "{id}: {:?} is armed, and it waits for {:?}",
        connection.timeout(),
        connection.timeout_for_now()
    );
    // Law: an end always comes. Once a half has failed, a deadline is set for the other one.
    assert!(
        !state.has_failed() || !state.is_open() || connection.timeout() == TimeoutKind::Linger,
        "{id}: its output has failed, and its input has no deadline"
    );
}

/// No lost wake-up: what could go on without a new event is queued for it.
fn check_progress<T: Transport>(id: Id, connection: &Connection<T>, output_low: usize) {
    let state = connection.state();
    if state.has(Flags::QUEUED) || !state.is_open() || !state.is_here() {
        return;
    }
    // In other words than `wants_pass`, which decides it.
    let has_calls =
        connection.cold().is_some_and(|cold| cold.has_notifications() || cold.has_rung());
    assert!(!has_calls, "{id}: has notifications or timers that are due, and is not called");
    assert!(
        !state.has(Flags::ABOVE_HIGH) || connection.own_output_len() > output_low,
        "{id}: its output has drained, and it is not read"
    );
    let is_read = !state.is_halted() && !state.has(Flags::ABOVE_HIGH);
    assert!(!is_read || !state.has(Flags::READABLE), "{id}: is readable, and not read");
    assert!(
        !is_read || !state.has(Flags::RETRY_INPUT) || !connection.has_unused(),
        "{id}: has input to offer again, and is not called"
    );
    // Law: only output of its own handler, throttling and pausing keep a connection from being
    // read.
    assert!(
        !state.has(Flags::ABOVE_HIGH) || connection.own_output_len() > 0,
        "{id}: is above the high watermark with nothing of its own"
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
            // Packets count more once they wait.
            || connection.keeps_boundaries(),
        "{id}: has too much output, and is read on"
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
        "{id}: has something to send, and nothing will"
    );
    assert!(
        !connection.keeps_boundaries()
            || !connection.has_unused()
            || state.has(Flags::PAUSED)
            || state.has(Flags::RETRY_INPUT)
            || state.has_failed(),
        "{id}: the next packet would be joined to what is left of one"
    );
    assert!(
        connection.memberships() == Memberships::None || state.life() < Life::Lingering,
        "{id}: has ended and is a member"
    );
}
