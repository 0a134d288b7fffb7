//! Commands of other threads, sent through the handle: a bounded number per turn.

use super::core::Core;
use super::part::Part;
use super::system::System;
use crate::mailbox::Taken;

/// The most commands taken in one turn.
pub(super) const COMMANDS: usize = 256;

/// The commands left after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    None,
    /// More than one turn takes.
    Some,
    /// The first one must wait, and therefore all.
    Stalled,
}

pub(super) struct Commands {
    left: Left,
    /// The most commands taken in one turn.
    budget: usize,
}

impl Commands {
    pub(super) fn new(budget: usize) -> Commands {
        Commands { left: Left::None, budget }
    }

    /// Returns true if a turn of the hub may unblock commands, which causes no event.
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
            // A command that waits for another loop resumes when that loop has acknowledged.
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

    /// Commands that arrive after the end of the loop are refused.
    fn is_over(&self, _: &Core<S>) -> bool {
        true
    }
}
