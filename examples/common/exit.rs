//! How an example ends: quietly, or with one line and a code.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

/// Why an example ends with an error: what to print, and the code to exit with.
#[derive(Debug)]
pub(crate) struct Exit {
    code: u8,
    message: String,
}

/// The arguments make no sense.
pub(crate) fn usage(message: impl Display) -> Exit {
    Exit { code: 2, message: format!("{message} (--help tells more)") }
}

/// The system said no.
pub(crate) fn failure(error: io::Error) -> Exit {
    let code = if error.kind() == io::ErrorKind::InvalidInput { 2 } else { 1 };
    Exit { code, message: error.to_string() }
}

impl From<lexopt::Error> for Exit {
    fn from(error: lexopt::Error) -> Exit {
        usage(error)
    }
}

/// Ends the program: quietly with 0, or with one line on standard error.
pub(crate) fn exit(result: Result<(), Exit>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit { code, message }) => {
            eprintln!("{message}");
            ExitCode::from(code)
        }
    }
}
