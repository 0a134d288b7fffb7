//! Work that a handler hands over, and what comes of it. Knows no connection and no handler.

use crate::handler::context::{Note, Work};
use crate::id::Id;
use crate::panics;

/// A piece of work, on the way to a worker and back.
pub(crate) struct Errand {
    /// Whose it is.
    pub(crate) id: Id,
    state: State,
}

enum State {
    Todo(Work),
    Done(Note),
    Panicked,
}

impl Errand {
    pub(crate) fn new(id: Id, work: Work) -> Errand {
        Errand { id, state: State::Todo(work) }
    }

    pub(super) fn run(&mut self) {
        if let State::Todo(work) = std::mem::replace(&mut self.state, State::Panicked) {
            match panics::catch(work) {
                Ok(note) => self.state = State::Done(note),
                Err(said) => log::error!("{}: offloaded work panicked: {said}", self.id),
            }
        }
    }

    /// What came of it; `None` if it panicked.
    pub(crate) fn result(self) -> Option<Note> {
        match self.state {
            State::Done(note) => Some(note),
            State::Todo(_) | State::Panicked => None,
        }
    }
}
