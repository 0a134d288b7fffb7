//! HTTP: heads, bodies, and refusals.

pub(crate) mod body;
pub(crate) mod head;
pub(crate) mod parsers;
pub(crate) mod strict;
