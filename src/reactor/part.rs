//! A part of a loop. The loop has one list of parts, and calls all of them in the same way.

use super::core::Core;
use super::system::System;

/// A part of a loop besides the hub: it has work of its own, or connections that are not in the
/// hub.
///
/// Parts are called only in turns with work for one of them: one of its sources has an event,
/// another thread has rung the doorbell, or it is due.
pub(super) trait Part<S: System> {
    /// Does its work of a turn, before the hub's turn. `core.now` is the time.
    fn turn(&mut self, core: &mut Core<S>) {
        let _ = core;
    }

    /// Takes its work from the hub after the hub's turn.
    fn take_from_hub(&mut self, core: &mut Core<S>) {
        let _ = core;
    }

    /// Returns the time at which a turn is due without an event, in milliseconds. The time is in
    /// the past if work is left.
    fn due_ms(&mut self, core: &mut Core<S>) -> Option<u64> {
        let _ = core;
        None
    }

    /// Returns the number of its connections.
    fn len(&self) -> usize {
        0
    }

    /// Returns true if no more work can come from the part: the loop may end.
    fn is_over(&self, core: &Core<S>) -> bool;

    /// Prepares for the end: admits everything that has arrived, and then nothing new.
    fn stop(&mut self, core: &mut Core<S>) {
        let _ = core;
    }

    /// Ends all its work at once.
    fn abort(&mut self, core: &mut Core<S>) {
        let _ = core;
    }
}
