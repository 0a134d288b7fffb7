//! What other threads ask of a loop through its handle: a bounded number of commands a turn.

use super::core::Core;
use super::part::Part;
use super::system::System;
use crate::mailbox::Taken;

/// Commands of other threads taken in one turn.
pub(super) const COMMANDS: usize = 256;

/// The commands that a turn has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    None,
    /// Too many for one turn.
    Some,
    /// The first one has to wait, and so all.
    Stalled,
}

pub(super) struct Commands {
    left: Left,
    /// How many are taken in one turn.
    budget: usize,
}

impl Commands {
    pub(super) fn new(budget: usize) -> Commands {
        Commands { left: Left::None, budget }
    }

    /// Returns true if a turn of the hub may let commands go on, which nothing tells.
    pub(super) fn are_stalled(&self) -> bool {
        self.left == Left::Stalled
    }
}

impl<S: System> Part<S> for Commands {
    fn turn(&mut self, core: &mut Core<S>) {
        let wait = |command: &_| core.hub.must_wait(command);
        let Taken { messages, has_more } = core.system.handle().take(self.budget, wait);
        self.left = match (has_more, messages.is_empty()) {
            (false, _) => Left::None,
            (true, false) => Left::Some,
            // A command that must wait for another loop goes on when that one has sent word.
            (true, true) => Left::Stalled,
        };
        for command in messages {
            core.hub.obey(command);
        }
    }

    fn due_ms(&mut self, core: &mut Core<S>) -> Option<u64> {
        let must_wait = |command: &_| core.hub.must_wait(command);
        let may_go_on = match self.left {
            Left::None => false,
            Left::Some => true,
            Left::Stalled => !core.system.handle().must_wait(must_wait),
        };
        may_go_on.then_some(0)
    }

    /// Commands that come now are refused when the loop has ended.
    fn is_over(&self, _: &Core<S>) -> bool {
        true
    }
}
