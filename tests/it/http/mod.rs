//! HTTP: heads, bodies, and what must be refused.

pub(crate) mod body;
pub(crate) mod head;
pub(crate) mod parsers;
pub(crate) mod strict;
