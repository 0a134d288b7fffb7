//! The context of a call of a WebSocket handler.

use std::fmt;

use super::link::{Link, Phase};
use crate::handler::context::Context;
use crate::handler::payload::Payload;
#[cfg(feature = "deflate")]
use crate::protocol::ws::pack;
use crate::protocol::ws::{CloseCode, Frame, Role};

/// The connection of a [`WsHandler`](super::WsHandler) and its actions.
///
/// ```
/// use socketserver::protocol::ws::CloseCode;
/// use socketserver::services::ws::{WsContext, WsHandler};
/// use socketserver::{Close, Notification};
/// use std::time::Duration;
///
/// const MEASURE: u64 = 0;
///
/// /// Sends bytes back in reverse, and measures the way to its peer each minute.
/// #[derive(Default)]
/// struct Mirror {
///     sent: Duration,
/// }
///
/// impl WsHandler for Mirror {
///     fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
///         ws.cx().set_interval(MEASURE, Duration::from_secs(60));
///     }
///
///     fn on_binary(&mut self, bytes: &[u8], ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
///         let bytes: Vec<u8> = bytes.iter().rev().copied().collect();
///         ws.send_binary(&bytes);
///         Ok(())
///     }
///
///     fn on_timer(&mut self, _: u64, ws: &mut WsContext<'_, '_>) {
///         self.sent = ws.cx().now().elapsed();
///         ws.ping(b"");
///     }
///
///     fn on_pong(&mut self, _: &[u8], ws: &mut WsContext<'_, '_>) {
///         let time = ws.cx().now().elapsed() - self.sent;
///         log::debug!("the answer took {} ms", time.as_millis());
///     }
///
///     fn on_notify(&mut self, _: Notification, ws: &mut WsContext<'_, '_>) {
///         ws.close(CloseCode::POLICY, "an administrator has ended the connection");
///     }
///
///     fn on_stop(&mut self, ws: &mut WsContext<'_, '_>) {
///         if !ws.is_closing() {
///             ws.close(CloseCode::GOING_AWAY, "until tomorrow");
///         }
///     }
/// }
/// ```
pub struct WsContext<'a, 'c> {
    pub(super) cx: &'a mut Context<'c>,
    pub(super) link: &'a mut Link,
}

impl<'c> WsContext<'_, 'c> {
    /// Sends a text message. After a close frame nothing is sent.
    pub fn send_text(&mut self, text: &str) {
        self.link.send(&Frame::text(text), self.cx);
    }

    /// Sends a binary message. After a close frame nothing is sent. [`WsContext`] has an example.
    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.link.send(&Frame::binary(bytes), self.cx);
    }

    /// Sends a ping with up to 125 bytes, which the peer returns in a pong:
    /// [`on_pong`](super::WsHandler::on_pong). After a close frame nothing is sent. [`WsContext`]
    /// has an example.
    pub fn ping(&mut self, payload: &[u8]) {
        self.link.send(&Frame::ping(payload), self.cx);
    }

    /// Begins to close the connection: sends a close frame, and ends the connection when the peer
    /// has answered with its own, at the latest after [`WsLimits::close`]. Messages of the peer are
    /// dropped from now on, and so is all further output: of this handler, and of topics.
    ///
    /// A reason longer than 123 bytes is cut. A code that may
    /// [not be sent](CloseCode::is_sendable) sends a close frame without code and reason.
    ///
    /// [`WsLimits::close`]: crate::protocol::ws::WsLimits::close
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        self.link.close(code, reason, self.cx);
    }

    /// Returns the side of this connection.
    ///
    /// ```
    /// use socketserver::protocol::ws::Role;
    /// use socketserver::services::ws::{WsContext, WsHandler};
    ///
    /// /// Serves both sides.
    /// struct Peer;
    ///
    /// impl WsHandler for Peer {
    ///     fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
    ///         if ws.role() == Role::Client {
    ///             ws.send_text("hello");
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn role(&self) -> Role {
        self.link.role()
    }

    /// Returns true from the first close frame on.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.link.phase() != Phase::Open
    }

    /// Returns the context of the connection: for its peer, the time, timers, topics, other
    /// connections and offloaded work. Bytes written to it must be whole frames, masked on the side
    /// of a client: see [`Frame`].
    pub fn cx(&mut self) -> &mut Context<'c> {
        self.cx
    }
}

impl fmt::Debug for WsContext<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsContext").field("cx", &self.cx).finish_non_exhaustive()
    }
}

/// The frame of a server, encoded once. A message that is published is compressed at most once.
impl From<Frame<'_>> for Payload {
    fn from(frame: Frame<'_>) -> Payload {
        #[cfg(feature = "deflate")]
        if frame.is_deflatable() {
            return Payload::packable(frame.into(), pack);
        }
        Vec::from(frame).into()
    }
}
