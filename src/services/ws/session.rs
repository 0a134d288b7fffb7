//! One WebSocket connection: its messages, the close handshake, and pings.

use std::sync::Arc;

use super::context::WsContext;
use super::handler::WsHandler;
use super::link::{self, CLOSE, Link, Phase, TICK};
use crate::close::{Close, Timeout};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::framed::{Framed, MessageHandler};
use crate::handler::notification::Notification;
use crate::panics;
#[cfg(feature = "deflate")]
use crate::protocol::ws::Deflate;
use crate::protocol::ws::{Agreed, CloseCode, Frame, Message, Role, Ws, WsLimits};

/// The bridge from a connection to its handler.
pub(crate) struct Session<H> {
    handler: H,
    link: Link,
}

impl<H: WsHandler> Session<H> {
    /// Creates the handler of a connection of a server after its handshake.
    pub(crate) fn of_server(handler: H, limits: Arc<WsLimits>) -> impl Handler {
        let link = Link::new(Role::Server, Arc::clone(&limits));
        Framed::new(Ws::new(Role::Server, limits), Session { handler, link })
    }

    /// Does the same for a connection whose messages may be compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn of_deflated(handler: H, limits: Arc<WsLimits>, deflate: Deflate) -> impl Handler {
        let link = Link::new(Role::Server, Arc::clone(&limits)).deflated(deflate);
        Framed::new(Ws::new(Role::Server, limits).deflated(), Session { handler, link })
    }

    /// Creates the handler of a connection of a client after its handshake.
    #[cfg_attr(not(feature = "deflate"), allow(unused_variables, reason = "for compression"))]
    pub(super) fn of_client(
        handler: H,
        limits: Arc<WsLimits>,
        agreed: &Agreed,
    ) -> impl Handler + use<H> {
        let link = Link::new(Role::Client, Arc::clone(&limits));
        let ws = Ws::new(Role::Client, limits);
        #[cfg(feature = "deflate")]
        if let Some(deflate) = agreed.deflate() {
            let link = link.deflated(deflate);
            return Framed::new(ws.deflated(), Session { handler, link });
        }
        Framed::new(ws, Session { handler, link })
    }

    /// Calls the handler. After a panic, the peer gets code 1011, and the connection ends.
    fn call<R>(
        &mut self,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut H, &mut WsContext<'_, '_>) -> R,
    ) -> Result<R, Close> {
        #[cfg(feature = "deflate")]
        let before = cx.record().effects.len();
        let mut ws = WsContext { cx: &mut *cx, link: &mut self.link };
        let handler = &mut self.handler;
        let result = panics::catch(move || call(handler, &mut ws)).map_err(|said| {
            log::error!("{} the handler of a WebSocket panicked: {said}", cx.peer());
            self.link.fail(CloseCode::INTERNAL, "", cx);
            self.link.end();
            Close::Panicked
        });
        #[cfg(feature = "deflate")]
        if self.link.takes_packed() {
            cx.record().pack_joins(before);
        }
        result
    }

    /// Does the same for a call without a result.
    fn tell(&mut self, cx: &mut Context<'_>, call: impl FnOnce(&mut H, &mut WsContext<'_, '_>)) {
        if self.link.phase() == Phase::Closed {
            return;
        }
        if let Err(why) = self.call(cx, call) {
            cx.close(why);
        }
    }

    /// Passes on a message, unless the connection is closing.
    fn pass(
        &mut self,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut H, &mut WsContext<'_, '_>) -> Result<(), Close>,
    ) -> Result<(), Close> {
        if self.link.phase() != Phase::Open {
            return Ok(());
        }
        self.call(cx, call)?.inspect_err(|why| self.fail(why, cx))
    }

    /// Sends the close frame that fits the reason of an end.
    fn fail(&mut self, why: &Close, cx: &mut Context<'_>) {
        let (code, reason) = describe(why);
        self.link.fail(code, reason, cx);
    }

    /// Tells the handler the end, once.
    fn end(&mut self, code: CloseCode, reason: &str, cx: &mut Context<'_>) {
        if self.link.end() {
            let told = self.call(cx, |handler, ws| handler.on_close(code, reason, ws));
            if let Err(why) = told {
                cx.close(why);
            }
        }
    }

    /// Answers the close frame of the peer, unless it is itself an answer (RFC 6455, section
    /// 5.5.1).
    fn on_peer_close(&mut self, code: CloseCode, reason: &str, cx: &mut Context<'_>) {
        self.link.send(&Frame::close(code, ""), cx);
        self.end(code, reason, cx);
        self.link.conclude(cx);
    }
}

/// Returns the code and reason of the close frame for an end without a handshake.
fn describe(why: &Close) -> (CloseCode, &'static str) {
    match why {
        Close::Malformed { code, why } if CloseCode::from(*code).is_sendable() => {
            (CloseCode::from(*code), *why)
        }
        Close::Done => (CloseCode::NORMAL, ""),
        Close::Stopping => (CloseCode::GOING_AWAY, ""),
        Close::Crowded => (CloseCode::TRY_LATER, ""),
        Close::Timeout(Timeout::Message) => (CloseCode::POLICY, "a frame came too slowly"),
        Close::Timeout(_) => (CloseCode::POLICY, "no sign of life"),
        _ => (CloseCode::INTERNAL, ""),
    }
}

impl<H: WsHandler> MessageHandler<Ws> for Session<H> {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        if let Some(ping) = self.link.limits.ping {
            cx.set_interval(TICK, ping);
        }
        self.tell(cx, |handler, ws| handler.on_open(ws));
    }

    fn on_message(&mut self, message: Message<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
        self.link.note_message();
        if matches!(message, Message::Ping(_) | Message::Pong(_))
            && !self.link.admits_control(cx.now().elapsed())
        {
            let why = Close::Malformed { code: 1008, why: "too many control frames" };
            self.fail(&why, cx);
            return Err(why);
        }
        match message {
            Message::Text(text) => self.pass(cx, |handler, ws| handler.on_text(&text, ws)),
            Message::Binary(bytes) => self.pass(cx, |handler, ws| handler.on_binary(&bytes, ws)),
            Message::Ping(payload) => {
                self.link.send(&Frame::pong(payload), cx);
                Ok(())
            }
            Message::Pong(payload) => self.pass(cx, |handler, ws| {
                handler.on_pong(payload, ws);
                Ok(())
            }),
            Message::Close(code, reason) => {
                self.on_peer_close(code, reason, cx);
                Ok(())
            }
        }
    }

    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.fail(why, cx);
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.tell(cx, |handler, ws| handler.on_drain(ws));
    }

    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        match key {
            TICK if self.link.tick(cx) => {}
            TICK => {
                let why = Close::Timeout(Timeout::Idle);
                self.fail(&why, cx);
                cx.close(why);
            }
            CLOSE => cx.close(link::reason(cx)),
            _ => self.tell(cx, |handler, ws| handler.on_timer(key, ws)),
        }
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        self.tell(cx, |handler, ws| handler.on_notify(notification, ws));
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        self.tell(cx, |handler, ws| handler.on_stop(ws));
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        let code = match (self.link.phase(), why) {
            (Phase::Closing, Close::Malformed { .. } | Close::Timeout(_) | Close::Failed(_)) => {
                describe(why).0
            }
            _ => CloseCode::ABNORMAL,
        };
        self.end(code, "", cx);
    }
}
