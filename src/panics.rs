//! Running code that is not ours to trust: a panic becomes a value.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs it; if it panics, what the panic said, as one line.
///
/// What it has changed until then is not looked at again but to be dropped or truncated, which
/// is why unwinding past it is safe.
// Every call of every handler goes through here.
#[inline(always)]
pub(crate) fn catch<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let said = text(&*payload);
        drop_quietly(payload);
        said
    })
}

/// Drops it, though its destructor may panic.
pub(crate) fn drop_quietly<D>(what: D) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(what))) {
        log::error!("a destructor panicked: {}", text(&*payload));
        // Its own destructor is not tried.
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
