//! The texts of `--help` and `--version`.

use std::io::{self, Write};

use super::exit::{Exit, failure};

/// The name of the program and the version of the crate, as a line.
pub(crate) const VERSION: &str =
    concat!(env!("CARGO_BIN_NAME"), " ", env!("CARGO_PKG_VERSION"), "\n");

/// Prints a text. A reader that has seen enough, as with `| head -1`, is not an error.
pub(crate) fn print(text: &str) -> Result<(), Exit> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let what = format!("cannot write to standard output: {error}");
            Err(failure(io::Error::new(error.kind(), what)))
        }
        _ => Ok(()),
    }
}
