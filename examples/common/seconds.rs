//! The value of an option on the command line, and durations.

use std::ffi::OsStr;
use std::time::Duration;

use lexopt::Parser;

use super::exit::{Exit, usage};

/// Returns the value of the option `--name`. The error names the option and the values that it
/// `takes`.
pub(crate) fn value<T>(
    name: &str,
    takes: &str,
    parser: &mut Parser,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Exit> {
    let Ok(text) = parser.value() else {
        return Err(usage(format!("--{name} takes {takes}")));
    };
    let shown = text.to_string_lossy();
    let error = || usage(format!("--{name} '{}' is not {takes}", shown.escape_debug()));
    text.to_str().and_then(parse).ok_or_else(error)
}

/// Returns the error for an argument too many. `takes` lists the valid ones.
pub(crate) fn too_many(text: &OsStr, takes: &str) -> Exit {
    let text = text.to_string_lossy();
    usage(format!("'{}' is one argument too many: this program takes {takes}", text.escape_debug()))
}

/// Returns the value of the option `--name`: a number of seconds; 0 disables a timeout.
pub(crate) fn seconds(name: &str, parser: &mut Parser) -> Result<Option<Duration>, Exit> {
    let takes = "a number of seconds, 0 or more";
    let time =
        value(name, takes, parser, |text| Duration::try_from_secs_f64(text.parse().ok()?).ok())?;
    Ok(Some(time).filter(|time| !time.is_zero()))
}
