//! A duration on the command line.

use std::time::Duration;

use lexopt::{Parser, ValueExt};

use super::exit::{Exit, usage};

/// Parses a number of seconds; 0 disables a timeout.
pub(crate) fn seconds(parser: &mut Parser) -> Result<Option<Duration>, Exit> {
    let seconds: f64 = parser.value()?.parse()?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Ok(None),
        Ok(time) => Ok(Some(time)),
        Err(_) => Err(usage(format!("'{seconds}' is not a number of seconds"))),
    }
}
