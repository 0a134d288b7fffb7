//! The common parts of members over WebSocket: the end of the server.

use crate::protocol::ws::CloseCode;
use crate::services::ws::WsContext;

/// Closes a connection because the server stops. A member that is held up can answer.
pub(super) fn close_for_stop(ws: &mut WsContext<'_, '_>) {
    let code = match ws.cx().is_restarting() {
        true => CloseCode::RESTART,
        false => CloseCode::GOING_AWAY,
    };
    ws.close(code, "");
    ws.cx().resume();
}
