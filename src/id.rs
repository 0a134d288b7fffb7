//! The name of a connection. Knows nothing of what it names.

use std::fmt;

/// Names one connection of one server, for as long as that connection lives.
///
/// The upper half counts connections, the lower half is a slot of the connection table. Slots
/// are reused at once, counts only after 2^32 more connections, so an id that outlives its
/// connection names none: messages to it go nowhere, and never to another connection. With n
/// [reactors](crate::Mode::Reactors) each counts in steps of n, so an id tells its reactor.
///
/// ```
/// use socketserver::Id;
///
/// fn assert_copy<T: Copy + Eq + std::hash::Hash + Ord>() {}
/// assert_copy::<Id>();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u64);

impl Id {
    /// Names no connection: what does not come from one comes from here.
    pub(crate) const NOBODY: Id = Id(0);

    #[inline(always)]
    pub(crate) fn new(index: u32, generation: u32) -> Id {
        Id(u64::from(generation) << 32 | u64::from(index))
    }

    #[inline(always)]
    pub(crate) fn index(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    #[inline(always)]
    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The id as the poller carries it. Needs a 64-bit `usize`, which the reactor checks when
    /// it is compiled.
    pub(crate) fn to_token(self) -> usize {
        self.0 as usize
    }

    #[inline(always)]
    pub(crate) fn from_token(token: usize) -> Id {
        Id(token as u64)
    }
}

/// Which reactor of a server this is, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// The only one.
    pub(crate) const ONLY: Shard = Shard { index: 0, count: 1 };

    pub(crate) fn new(index: usize, count: usize) -> Shard {
        Shard { index: index as u32, count: count.max(1) as u32 }
    }

    pub(crate) fn index(self) -> usize {
        self.index as usize
    }

    pub(crate) fn count(self) -> usize {
        self.count as usize
    }

    /// What the first connection's generation comes after.
    pub(crate) fn before_first(self) -> u32 {
        self.index
    }

    /// The generation after that one; never 0, which is the reactor's own.
    pub(crate) fn next_generation(self, generation: u32) -> u32 {
        generation.checked_add(self.count).unwrap_or(self.index + self.count)
    }

    /// The reactor of a connection, if it is another one.
    pub(crate) fn other_shard_of(self, id: Id) -> Option<usize> {
        if self.count == 1 || id == Id::NOBODY {
            return None;
        }
        let owner = id.generation() % self.count;
        (owner != self.index).then_some(owner as usize)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.generation())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}
