//! Work that a handler offloads, and its result. Knows no connection and no handler.

use crate::close::Close;
use crate::handler::effect::Work;
use crate::handler::notification::{Message, Ticket};
use crate::id::Id;
use crate::panics;

/// A piece of offloaded work, on the way to a worker and back.
pub(crate) struct Offloaded {
    /// The connection that offloaded it.
    pub(crate) id: Id,
    pub(crate) ticket: Ticket,
    state: State,
    place: Place,
}

/// The place of a piece of work among those that wait for workers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    InOrder,
    BehindOthers,
}

enum State {
    Todo(Work),
    Done(Message),
    Failed(Close),
}

impl Offloaded {
    pub(crate) fn new(id: Id, ticket: Ticket, work: Work) -> Offloaded {
        Offloaded { id, ticket, state: State::Todo(work), place: Place::InOrder }
    }

    pub(super) fn run(&mut self) {
        // A panic leaves no other value.
        if let State::Todo(work) =
            std::mem::replace(&mut self.state, State::Failed(Close::Panicked))
        {
            match panics::catch(work) {
                Ok(result) => self.state = State::Done(result),
                Err(said) => log::error!("{}: offloaded work panicked: {said}", self.id),
            }
        }
    }

    /// Marks the work as failed for the reason `why`. It is never done.
    pub(super) fn give_up(self, why: Close) -> Offloaded {
        let Offloaded { id, ticket, place, state } = self;
        panics::drop_quietly(state);
        Offloaded { id, ticket, place, state: State::Failed(why) }
    }

    /// Notes that the work of others goes first. Returns true if it did not before.
    pub(super) fn postpone(&mut self) -> bool {
        std::mem::replace(&mut self.place, Place::BehindOthers) == Place::InOrder
    }

    pub(crate) fn is_postponed(&self) -> bool {
        self.place == Place::BehindOthers
    }

    /// Returns the result of the work.
    ///
    /// # Errors
    ///
    /// Returns the reason why the work failed. Its connection is closed for it.
    pub(crate) fn result(self) -> Result<Message, Close> {
        match self.state {
            State::Done(result) => Ok(result),
            State::Failed(why) => Err(why),
            State::Todo(work) => {
                panics::drop_quietly(work);
                Err(Close::Stopping)
            }
        }
    }
}
