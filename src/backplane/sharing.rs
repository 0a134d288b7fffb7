//! The shared topics of a server, for each of its shards. Knows no engine.

use std::sync::Arc;

use super::config::Backplane;

/// The topics that span several nodes, for one shard.
pub(crate) enum Sharing {
    /// It has the exchange.
    Home(Box<Backplane>),
    /// Another shard has it.
    Branch(Arc<[Box<str>]>),
}

impl Sharing {
    /// Returns the same topics for another shard.
    pub(crate) fn branch(&self) -> Sharing {
        Sharing::Branch(match self {
            Sharing::Home(backplane) => backplane.prefixes(),
            Sharing::Branch(prefixes) => Arc::clone(prefixes),
        })
    }
}
