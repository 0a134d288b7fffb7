//! The order in which connections get a pass. Knows ids; must not know the work of a pass.

use std::collections::VecDeque;

use super::connection::flags::Flags;
use super::connection::state::State;
use crate::id::Id;

/// The queue of connections with work. Each is in it at most once, as marked by [`Flags::QUEUED`].
pub(super) struct RunQueue {
    /// A turn gives one pass to a yielded connection, and another one for each such number of ready
    /// connections, so that long turns do not starve them.
    news_for_one: usize,
    /// Connections with events or messages: all of them get a pass in the next turn.
    ready: Vec<Id>,
    /// Connections with more work than one turn allows. A few of them get a pass each turn, after
    /// all ready ones, so that a new request does not wait for all of them.
    yielded: VecDeque<Id>,
    /// The allocation for the next batch.
    spare: Vec<Id>,
}

impl RunQueue {
    pub(super) fn new(news_for_one: usize) -> RunQueue {
        let (ready, yielded, spare) = Default::default();
        RunQueue { news_for_one, ready, yielded, spare }
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.yielded.is_empty()
    }

    /// Queues a connection with events or messages.
    #[inline(always)]
    pub(super) fn push(&mut self, id: Id, state: &mut State) {
        if !state.has(Flags::QUEUED) {
            state.set(Flags::QUEUED);
            self.ready.push(id);
        }
    }

    /// Queues a connection that has used up its share of the turn.
    pub(super) fn push_yielded(&mut self, id: Id, state: &mut State) {
        if !state.has(Flags::QUEUED) {
            state.set(Flags::QUEUED);
            self.yielded.push_back(id);
        }
    }

    /// Takes the connections of this turn. The caller [returns](RunQueue::finish) the list, for its
    /// allocation.
    #[inline(always)]
    pub(super) fn start(&mut self) -> Vec<Id> {
        let mut batch = std::mem::take(&mut self.spare);
        std::mem::swap(&mut self.ready, &mut batch);
        if !self.yielded.is_empty() {
            self.add_yielded(&mut batch);
        }
        batch
    }

    #[cold]
    fn add_yielded(&mut self, batch: &mut Vec<Id>) {
        let share = 1 + batch.len() / self.news_for_one;
        batch.extend(self.yielded.drain(..share.min(self.yielded.len())));
    }

    #[inline(always)]
    pub(super) fn finish(&mut self, mut batch: Vec<Id>) {
        batch.clear();
        self.spare = batch;
    }

    #[cfg(debug_assertions)]
    pub(super) fn iter(&self) -> impl Iterator<Item = Id> {
        self.ready.iter().chain(&self.yielded).copied()
    }
}
