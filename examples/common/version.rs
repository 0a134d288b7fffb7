//! The text of `--version`.

/// The name of the program and the version of the crate.
pub(crate) const VERSION: &str = concat!(env!("CARGO_BIN_NAME"), " ", env!("CARGO_PKG_VERSION"));
