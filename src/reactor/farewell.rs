//! Leave of peers whose blocking handler has finished: the hub lingers better than a worker could.

use crate::{Close, Context, Handler};

/// The handler of a connection that is over but for what the peer goes on sending.
pub(super) struct Farewell;

impl Handler for Farewell {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        // Of all reasons the one that says it: the hub lingers for it.
        cx.close(Close::InputLimit);
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}
