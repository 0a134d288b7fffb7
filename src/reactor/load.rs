//! The number of connections of each reactor, and the first reactor's wait for room. Must not know
//! the reactors.

use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// The numbers of connections of a group of reactors.
pub(super) struct Loads {
    counts: Vec<AtomicUsize>,
    /// Set while the first reactor waits for a connection of another one to end.
    is_awaited: AtomicBool,
}

impl Loads {
    pub(super) fn new(reactors: usize) -> Loads {
        let counts = (0..reactors).map(|_| AtomicUsize::new(0)).collect();
        Loads { counts, is_awaited: AtomicBool::new(false) }
    }

    pub(super) fn of(&self, index: usize) -> usize {
        self.counts[index].load(Ordering::Acquire)
    }

    pub(super) fn of_others(&self, index: usize) -> usize {
        (0..self.counts.len()).filter(|other| *other != index).map(|other| self.of(other)).sum()
    }

    pub(super) fn add(&self, index: usize, count: usize) {
        self.counts[index].fetch_add(count, Ordering::AcqRel);
    }

    /// Returns true if the first reactor waits for this and must be woken. It does not wait for its
    /// own connections.
    pub(super) fn subtract(&self, index: usize, count: usize) -> bool {
        self.counts[index].fetch_sub(count, Ordering::AcqRel);
        index > 0 && self.is_awaited.swap(false, Ordering::AcqRel)
    }

    /// Requests a wake-up by the next [`subtract`](Self::subtract). Check the loads again after
    /// this.
    // A swap, not a store: either it reads the last swap of `subtract`, so the check that follows
    // sees the load of that call; or it precedes that swap, which then returns true.
    pub(super) fn await_room(&self) {
        self.is_awaited.swap(true, Ordering::AcqRel);
    }

    /// Returns false between [`await_room`](Self::await_room) and the wake-up.
    pub(super) fn may_have_room(&self) -> bool {
        !self.is_awaited.load(Ordering::Acquire)
    }
}
