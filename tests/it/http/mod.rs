//! HTTP: heads, bodies, and refusals; the cases of the testkit.

pub(crate) mod body;
pub(crate) mod cases;
pub(crate) mod head;
pub(crate) mod parsers;
pub(crate) mod strict;
