//! The contract with the handler of a WebSocket. Knows no frame.

use std::io;

use super::context::WsContext;
use crate::close::Close;
use crate::handler::context::Context;
use crate::handler::notification::Notification;
use crate::protocol::ws::{CloseCode, Role};

/// Your object for one WebSocket connection. All of its methods have defaults.
///
/// ```
/// use socketserver::protocol::ws::CloseCode;
/// use socketserver::services::web::{Web, WebSocket};
/// use socketserver::services::ws::{WsContext, WsHandler};
/// use socketserver::Close;
///
/// /// Says how long each text is.
/// struct Count;
///
/// impl WsHandler for Count {
///     fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
///         ws.send_text("welcome");
///     }
///
///     fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
///         if text.is_empty() {
///             ws.close(CloseCode::NORMAL, "bye");
///         } else {
///             ws.send_text(&text.len().to_string());
///         }
///         Ok(())
///     }
///
///     fn on_close(&mut self, code: CloseCode, reason: &str, _: &mut WsContext<'_, '_>) {
///         println!("the end: {code} {reason}");
///     }
/// }
///
/// let socket = WebSocket::new();
/// let web = Web::new().get("/", move |request, reply| socket.accept(request, reply, |_| Count));
/// # let _ = web;
/// ```
pub trait WsHandler: Send {
    /// Called first for the connection of a [client](super::client()), with the subprotocol that
    /// the server has chosen of those offered.
    ///
    /// ```
    /// use socketserver::services::ws::WsHandler;
    ///
    /// #[derive(Default)]
    /// struct Chat {
    ///     speaks_json: bool,
    /// }
    ///
    /// impl WsHandler for Chat {
    ///     fn on_handshake(&mut self, subprotocol: Option<&str>) {
    ///         self.speaks_json = subprotocol == Some("chat.v1.json");
    ///     }
    /// }
    /// ```
    fn on_handshake(&mut self, subprotocol: Option<&str>) {
        let _ = subprotocol;
    }

    /// Called instead of all other methods for a [client](super::client()) whose connection was
    /// not established, or whose handshake has failed. [`client`](super::client()) has an example,
    /// and a table of the errors.
    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        let _ = (error, cx);
    }

    /// Called once, after the handshake. Messages that arrive with it follow.
    fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
        let _ = ws;
    }

    /// Handles a text message. The default closes the connection with code 1003.
    ///
    /// # Errors
    ///
    /// The connection ends for that reason, after a close frame with code 1011.
    fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        let _ = text;
        ws.close(CloseCode::UNSUPPORTED, "no text messages, please");
        Ok(())
    }

    /// Handles a binary message. The default closes the connection with code 1003. [`WsContext`]
    /// has an example.
    ///
    /// # Errors
    ///
    /// As for [`on_text`](WsHandler::on_text).
    fn on_binary(&mut self, bytes: &[u8], ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        let _ = bytes;
        ws.close(CloseCode::UNSUPPORTED, "no binary messages, please");
        Ok(())
    }

    /// Called for a pong, which answers a [`WsContext::ping`] of this handler or a ping of the
    /// service for a silent peer. Pings are answered without a call.
    fn on_pong(&mut self, payload: &[u8], ws: &mut WsContext<'_, '_>) {
        let _ = (payload, ws);
    }

    /// See [`Handler::on_drain`](crate::Handler::on_drain).
    fn on_drain(&mut self, ws: &mut WsContext<'_, '_>) {
        let _ = ws;
    }

    /// See [`Handler::on_timer`](crate::Handler::on_timer). The keys `u64::MAX` and `u64::MAX - 1`
    /// belong to the service. [`WsContext`] has an example.
    fn on_timer(&mut self, key: u64, ws: &mut WsContext<'_, '_>) {
        let _ = (key, ws);
    }

    /// See [`Handler::on_notify`](crate::Handler::on_notify). [`WsContext`] has an example.
    fn on_notify(&mut self, notification: Notification, ws: &mut WsContext<'_, '_>) {
        let _ = (notification, ws);
    }

    /// Called when the server is stopping. The default closes the connection with code 1001, or
    /// 1012 if it is one of a server that [restarts](crate::Context::is_restarting). A handler that
    /// stays open is cut after [`Limits::drain`](crate::Limits::drain). [`WsContext`] has an
    /// example.
    fn on_stop(&mut self, ws: &mut WsContext<'_, '_>) {
        let is_server = ws.role() == Role::Server;
        let code = match is_server && ws.cx().is_restarting() {
            true => CloseCode::RESTART,
            false => CloseCode::GOING_AWAY,
        };
        ws.close(code, "");
    }

    /// Called once at the end, unless the handler has panicked. The table of the
    /// [module](super#the-end) lists the codes. Nothing can be sent any more.
    fn on_close(&mut self, code: CloseCode, reason: &str, ws: &mut WsContext<'_, '_>) {
        let _ = (code, reason, ws);
    }
}
