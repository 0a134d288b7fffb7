//! The house rules as tests: which file may use which, how large files and types may be, what may
//! not be written, and what must be written about.
//!
//! Rules that clippy knows stand in `Cargo.toml` and `clippy.toml`. The rules here work on the syntax
//! tree and see no types: a call of a method is no use of the file that defines it, a path is one.

mod cycles;
mod documents;
mod layers;
pub(crate) mod mentions;
mod methods;
mod prose;
mod report;
pub(crate) mod source;
mod texts;
pub(crate) mod tree;
mod words;
