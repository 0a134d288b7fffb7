//! How many connections each reactor of a server has, and the first one's wait for room. Must not
//! know what a reactor is.

use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// The numbers of connections of a group of reactors.
pub(super) struct Loads {
    counts: Vec<AtomicUsize>,
    /// The first reactor waits for a connection of any other to end.
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

    /// Returns true if the first reactor waits for this and must be woken. It does not wait for
    /// itself.
    pub(super) fn subtract(&self, index: usize, count: usize) -> bool {
        self.counts[index].fetch_sub(count, Ordering::AcqRel);
        index > 0 && self.is_awaited.swap(false, Ordering::AcqRel)
    }

    /// Wants to be woken by the next [`subtract`](Self::subtract). Look at the loads again after
    /// this.
    // A swap, not a store: it reads the last swap of `subtract`, so the look that follows sees the
    // load that went with it; or it precedes that swap, which then returns true.
    pub(super) fn await_room(&self) {
        self.is_awaited.swap(true, Ordering::AcqRel);
    }

    /// Returns true until [`await_room`](Self::await_room), and again after the wake-up.
    pub(super) fn may_have_room(&self) -> bool {
        !self.is_awaited.load(Ordering::Acquire)
    }
}
