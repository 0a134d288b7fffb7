//! Work that a handler hands over, and what comes of it. Knows no connection and no handler.

use crate::close::Close;
use crate::handler::context::{Notification, Work};
use crate::id::Id;
use crate::panics;

/// A piece of work, on the way to a worker and back.
pub(crate) struct Offloaded {
    /// The connection whose work it is.
    pub(crate) id: Id,
    state: State,
}

enum State {
    Todo(Work),
    Done(Notification),
    Failed(Close),
}

impl Offloaded {
    pub(crate) fn new(id: Id, work: Work) -> Offloaded {
        Offloaded { id, state: State::Todo(work) }
    }

    pub(super) fn run(&mut self) {
        // A panic has no other value to leave behind.
        if let State::Todo(work) =
            std::mem::replace(&mut self.state, State::Failed(Close::Panicked))
        {
            match panics::catch(work) {
                Ok(note) => self.state = State::Done(note),
                Err(said) => log::error!("{}: offloaded work panicked: {said}", self.id),
            }
        }
    }

    /// The same piece of work, which is never done.
    pub(super) fn give_up(self, why: Close) -> Offloaded {
        panics::drop_quietly(self.state);
        Offloaded { id: self.id, state: State::Failed(why) }
    }

    /// What came of it.
    ///
    /// # Errors
    ///
    /// Why nothing did, for which its connection ends.
    pub(crate) fn result(self) -> Result<Notification, Close> {
        match self.state {
            State::Done(note) => Ok(note),
            State::Failed(why) => Err(why),
            State::Todo(work) => {
                panics::drop_quietly(work);
                Err(Close::Stopping)
            }
        }
    }
}
