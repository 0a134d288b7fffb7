//! The identifier of a connection. Knows nothing of connections.

use std::fmt;

/// Identifies one connection of one server while it exists.
///
/// The upper half counts connections, the lower half is a slot of the connection table. A slot is
/// reused at once, a count only after 2^32 more connections. An id that outlives its connection is
/// therefore unused: messages to it are dropped, and never reach another connection. With n
/// [reactors](crate::Mode::Reactors) each counts in steps of n, so the id determines the reactor.
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
    /// The id of no connection, used for messages that do not come from one.
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

    /// Returns the id as a token of the poller. Needs a 64-bit `usize`, which the reactor checks at
    /// compile time.
    pub(crate) fn to_token(self) -> usize {
        self.0 as usize
    }

    #[inline(always)]
    pub(crate) fn from_token(token: usize) -> Id {
        Id(token as u64)
    }
}

/// The index of a reactor among those of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// The only reactor of a server.
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

    /// Returns the generation before that of the first connection.
    pub(crate) fn before_first(self) -> u32 {
        self.index
    }

    /// Returns the generation that follows `generation`. Never 0, which is reserved for the
    /// reactor.
    pub(crate) fn next_generation(self, generation: u32) -> u32 {
        generation.checked_add(self.count).unwrap_or(self.index + self.count)
    }

    /// Returns the reactor of a connection unless it is this one.
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
