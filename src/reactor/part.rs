//! What a part of a loop is. The loop has one list of them, and asks all the same.

use super::core::Core;
use super::system::System;

/// A part of a loop besides the hub: something that has work of its own, or connections that are
/// not in the hub.
///
/// In a turn without news for any part, none is called. A part has news if one of its sources has
/// an event, if another thread has rung the doorbell, or if it is due.
pub(super) trait Part<S: System> {
    /// Does its work of a turn, before the hub does. `core.now` is the time.
    fn turn(&mut self, core: &mut Core<S>) {
        let _ = core;
    }

    /// Takes what the hub has for it after its turn.
    fn take_from_hub(&mut self, core: &mut Core<S>) {
        let _ = core;
    }

    /// Returns when it wants a turn without news, in milliseconds; a time that has passed if it
    /// has something left to do.
    fn due_ms(&mut self, core: &mut Core<S>) -> Option<u64> {
        let _ = core;
        None
    }

    /// Returns the number of connections that it has.
    fn len(&self) -> usize {
        0
    }

    /// Returns true if nothing will come of it any more: the loop may end.
    fn is_over(&self, core: &Core<S>) -> bool;

    /// Prepares for the end: takes in nothing new, after all that has come already.
    fn stop(&mut self, core: &mut Core<S>) {
        let _ = core;
    }

    /// Ends all that it has now.
    fn abort(&mut self, core: &mut Core<S>) {
        let _ = core;
    }
}
