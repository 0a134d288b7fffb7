//! The common parts of members over WebSocket: their pace, and the end of the server.

use crate::handler::context::Context;
use crate::protocol::ws::CloseCode;
use crate::services::chat::rate::{Pace, Rate};
use crate::services::ws::WsContext;

/// The timer that ends the pause of a member whose messages come too fast.
const NEXT_MESSAGE: u64 = 0;

/// Holds up a member that is too fast: by its own socket, so that no message is lost.
pub(super) struct Pacer(Pace);

impl Pacer {
    pub(super) fn new(rate: Rate) -> Pacer {
        Pacer(Pace::new(rate))
    }

    /// Counts a message with a text of `len` bytes, and reads no further one before its time. The
    /// timer must [resume](Context::resume) the connection.
    pub(super) fn count(&mut self, len: usize, cx: &mut Context<'_>) {
        let wait = self.0.count(len, cx.now().elapsed());
        if !wait.is_zero() && !cx.is_stopping() {
            cx.pause();
            cx.set_timer(NEXT_MESSAGE, wait);
        }
    }
}

/// Closes a connection because the server stops. A member that is held up can answer.
pub(super) fn close_for_stop(ws: &mut WsContext<'_, '_>) {
    let code = match ws.cx().is_restarting() {
        true => CloseCode::RESTART,
        false => CloseCode::GOING_AWAY,
    };
    ws.close(code, "");
    ws.cx().resume();
}
