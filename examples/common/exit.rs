//! The end of an example: without output, or with one line and an exit code.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// An error that ends an example: the message and the exit code.
#[derive(Debug)]
pub(crate) struct Exit {
    code: u8,
    message: String,
}

/// Returns the error for invalid arguments.
pub(crate) fn usage(message: impl Display) -> Exit {
    Exit { code: 2, message: format!("{message} (see --help)") }
}

/// Returns the error for a failure of the system.
pub(crate) fn failure(error: io::Error) -> Exit {
    let code = if error.kind() == io::ErrorKind::InvalidInput { 2 } else { 1 };
    Exit { code, message: error.to_string() }
}

impl From<lexopt::Error> for Exit {
    fn from(error: lexopt::Error) -> Exit {
        usage(error)
    }
}

/// Ends the program: with 0 and no output, or with one line on standard error.
#[allow(dead_code, reason = "a server writes the line by its log, which never blocks")]
pub(crate) fn exit(result: Result<(), Exit>) -> ExitCode {
    // An error cannot be reported anywhere else.
    exit_by(result, |line| drop(writeln!(io::stderr(), "{line}")))
}

/// Ends the program as [`exit`] does. `write` gets the line.
pub(crate) fn exit_by(result: Result<(), Exit>, write: impl FnOnce(&str)) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit { code, message }) => {
            write(&message);
            ExitCode::from(code)
        }
    }
}
