//! Runs untrusted code, and turns its panics into values.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `run`. Returns the message of a panic as one line.
///
/// Unwinding past `run` is safe because state that it changed is only dropped or truncated after a
/// panic.
// Every call of every handler goes through here.
#[inline(always)]
pub(crate) fn catch<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let said = text(&*payload);
        drop_quietly(payload);
        said
    })
}

/// Drops `what`, even if its destructor panics.
pub(crate) fn drop_quietly<D>(what: D) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(what))) {
        log::error!("a destructor panicked: {}", text(&*payload));
        // The destructor of the payload may panic as well.
        std::mem::forget(payload);
    }
}

fn text(payload: &(dyn Any + Send)) -> String {
    let said = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "(no text)",
    };
    said.escape_debug().to_string()
}
