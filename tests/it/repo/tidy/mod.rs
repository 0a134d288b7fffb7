//! The house rules as tests: permitted uses between files, sizes of files and types, forbidden
//! texts and words, and required descriptions.
//!
//! Rules that clippy knows are in `Cargo.toml` and `clippy.toml`. The rules here work on the syntax
//! tree and see no types: a path is a use of the file that defines the item, a call of a method is
//! not.

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
