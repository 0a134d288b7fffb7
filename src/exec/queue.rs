//! Work on its way from a loop to the threads that wait for it. Must not know the kind of work.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How long a thread that has done usual work waits for more before it begins other work: the next
/// task for the same request takes a turn of the loop, and would find all threads busy.
const FOLLOW_UP: Duration = Duration::from_millis(1);

/// The order of a piece of work among those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Usual,
    /// After usual work.
    Late,
    /// After late work.
    Last,
}

impl Rank {
    const ALL: [Rank; 3] = [Rank::Usual, Rank::Late, Rank::Last];

    /// One piece in this number has the rank while such work waits: it waits long, but not for
    /// ever.
    fn share(self) -> u8 {
        match self {
            Rank::Usual => 1,
            Rank::Late => 8,
            Rank::Last => 64,
        }
    }
}

/// The treatment of a queued piece of work, once its purpose may be lost.
pub(super) enum Fate {
    Keep,
    /// Work of a higher rank goes first.
    Sink(Rank),
    Withdraw,
}

/// A queue that threads can wait for: first in, first out for work of one rank.
pub(super) struct WorkQueue<T> {
    state: Mutex<State<T>>,
    /// Signalled when work is queued and when the queue is closed.
    changed: Condvar,
}

struct State<T> {
    /// One lane for each rank.
    lanes: [Lane<T>; Rank::ALL.len()],
    /// The number of threads that wait or are about to wake.
    idle: usize,
    is_closed: bool,
}

/// The work of one rank.
struct Lane<T> {
    work: VecDeque<T>,
    /// The number of pieces of other ranks taken while work of this one waited, below its share.
    passed: u8,
}

impl<T> State<T> {
    fn lane(&mut self, rank: Rank) -> &mut Lane<T> {
        &mut self.lanes[rank as usize]
    }

    fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.work.is_empty())
    }

    /// Returns true if there is work, and none of it is usual.
    fn is_all_late(&self) -> bool {
        self.lanes[Rank::Usual as usize].work.is_empty() && !self.is_empty()
    }

    fn pop(&mut self) -> Option<(Rank, T)> {
        let has_work = |rank: &Rank| !self.lanes[*rank as usize].work.is_empty();
        let is_due = |rank: &Rank| self.lanes[*rank as usize].passed + 1 >= rank.share();
        let mut waiting = Rank::ALL.into_iter().filter(has_work);
        let first = waiting.next()?;
        let rank = waiting.rfind(is_due).unwrap_or(first);
        for other in Rank::ALL {
            let lane = self.lane(other);
            lane.passed = match other == rank || lane.work.is_empty() {
                true => 0,
                false => (lane.passed + 1).min(other.share() - 1),
            };
        }
        self.lane(rank).work.pop_front().map(|work| (rank, work))
    }

    fn take_all(&mut self) -> VecDeque<T> {
        self.lanes.iter_mut().flat_map(|lane| std::mem::take(&mut lane.work)).collect()
    }
}

impl<T> WorkQueue<T> {
    pub(super) fn new() -> WorkQueue<T> {
        let lanes = Rank::ALL.map(|_| Lane { work: VecDeque::new(), passed: 0 });
        let state = State { lanes, idle: 0, is_closed: false };
        WorkQueue { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The lock is never poisoned: no code under it can panic.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues work and wakes as many threads as it needs. Busy threads look at the queue again when
    /// they are done.
    pub(super) fn extend(&self, work: impl IntoIterator<Item = T>) {
        let mut state = self.lock();
        let lane = &mut state.lane(Rank::Usual).work;
        let before = lane.len();
        lane.extend(work);
        let added = lane.len() - before;
        let sleeping = state.idle.min(added);
        drop(state);
        for _ in 0..sleeping {
            self.changed.notify_one();
        }
    }

    /// Waits for the next piece of work. Returns `None` once the queue is closed and empty. The
    /// rank is that of the piece that the thread has done last, and becomes that of the next.
    pub(super) fn next(&self, rank: &mut Rank) -> Option<T> {
        let mut state = self.lock();
        if *rank == Rank::Usual && state.is_all_late() {
            state.idle += 1;
            let woken = self.changed.wait_timeout(state, FOLLOW_UP);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
        }
        loop {
            if let Some((of, work)) = state.pop() {
                *rank = of;
                return Some(work);
            }
            if state.is_closed {
                return None;
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Returns true if there is work that no thread has begun.
    pub(super) fn has_work(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Takes the next piece of work, if there is one.
    #[cfg(feature = "testkit")]
    pub(super) fn try_next(&self) -> Option<T> {
        self.lock().pop().map(|(_, work)| work)
    }

    /// Sorts the work that no thread has begun. Work that sinks never rises. Returns the pieces
    /// that are withdrawn.
    pub(super) fn sort(&self, mut fate: impl FnMut(&mut T) -> Fate) -> Vec<T> {
        let mut withdrawn = Vec::new();
        let mut state = self.lock();
        // From the last on: no piece is looked at twice.
        for rank in Rank::ALL.into_iter().rev() {
            for mut work in std::mem::take(&mut state.lane(rank).work) {
                match fate(&mut work) {
                    Fate::Keep => state.lane(rank).work.push_back(work),
                    Fate::Sink(to) => state.lane(to.max(rank)).work.push_back(work),
                    Fate::Withdraw => withdrawn.push(work),
                }
            }
        }
        withdrawn
    }

    /// Takes back the work that no thread has begun.
    pub(super) fn take_back(&self) -> VecDeque<T> {
        self.lock().take_all()
    }

    /// Closes the queue, which ends the waiting threads, and returns the work that no thread has
    /// begun.
    pub(super) fn close(&self) -> VecDeque<T> {
        let mut state = self.lock();
        state.is_closed = true;
        let work = state.take_all();
        drop(state);
        self.changed.notify_all();
        work
    }
}
