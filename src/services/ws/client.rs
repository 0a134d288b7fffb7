//! The handler of a client until the answer to its handshake. Knows no frame.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::handler::WsHandler;
use super::link::CLOSE;
use super::masks;
use super::session::Session;
use crate::close::{Close, Timeout};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::protocol::ws::{Handshake, HandshakeError, WsLimits};

/// Returns the handler of an outgoing connection that becomes a WebSocket: it sends the handshake,
/// checks the answer, and hands the connection to `handler`. Frames that arrive with the answer are
/// for that handler. `limits` is a [`WsLimits`], or an [`Arc`] of one for many connections.
///
/// ```
/// use socketserver::protocol::ws::{CloseCode, Handshake, WsLimits};
/// use socketserver::services::web::{Web, WebSocket};
/// use socketserver::services::ws::{self, WsContext, WsHandler};
/// use socketserver::{Close, Context, Server, ServerHandle};
/// use std::io;
///
/// /// Sends each text back.
/// struct Echo;
///
/// impl WsHandler for Echo {
///     fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
///         ws.send_text(text);
///         Ok(())
///     }
/// }
///
/// /// Says hello, waits for the echo, and stops the server.
/// struct Hello(ServerHandle);
///
/// impl WsHandler for Hello {
///     fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
///         ws.send_text("hello");
///     }
///
///     fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
///         assert_eq!(text, "hello");
///         ws.close(CloseCode::NORMAL, "");
///         Ok(())
///     }
///
///     fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
///         panic!("no WebSocket: {error}");
///     }
///
///     fn on_close(&mut self, _: CloseCode, _: &str, _: &mut WsContext<'_, '_>) {
///         self.0.stop();
///     }
/// }
///
/// let socket = WebSocket::new();
/// let web = Web::new().get("/", move |request, reply| socket.accept(request, reply, |_| Echo));
/// let server = Server::new().listen("127.0.0.1:0", web)?;
/// let handshake = Handshake::new(&format!("ws://{}/", server.addresses()[0]))?;
/// let hello = Hello(server.handle());
/// let client = ws::client(&handshake, WsLimits::default(), hello);
/// server.connect(handshake.authority(), client).run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`WsHandler::on_unreachable`] gets every failure before that as an [`io::Error`], once:
///
/// | failure | kind | inner error |
/// |---|---|---|
/// | the connection was not established | that of the system | – |
/// | the answer breaks a rule | `Other` | [`HandshakeError`] |
/// | there is no answer within [`WsLimits::handshake`] | `TimedOut` | – |
/// | the connection ends before the answer | `ConnectionAborted` | – |
///
/// The frames of a client are masked, each with its own mask (RFC 6455, section 5.3). So the
/// messages of a topic, which are encoded once, are not for the peer of a client: a client does not
/// [join](Context::join) a topic; it may [subscribe](Context::subscribe) to one.
#[must_use]
pub fn client<H: WsHandler + 'static, L: Into<Arc<WsLimits>>>(
    handshake: &Handshake,
    limits: L,
    handler: H,
) -> impl Handler + use<H, L> {
    let nonce = masks::nonce();
    Opening { handshake: handshake.clone(), nonce, limits: limits.into(), handler: Some(handler) }
}

struct Opening<H> {
    handshake: Handshake,
    nonce: [u8; 16],
    limits: Arc<WsLimits>,
    /// Gone once it was told the result.
    handler: Option<H>,
}

impl<H: WsHandler> Opening<H> {
    /// Tells the handler that there will be no WebSocket, once.
    fn fail(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        if let Some(mut handler) = self.handler.take() {
            handler.on_unreachable(error, cx);
        }
    }

    /// The same for an end of the connection.
    fn abort(&mut self, why: &Close, cx: &mut Context<'_>) {
        let why = format!("the connection ended before the answer to the handshake: {why}");
        self.fail(&io::Error::new(io::ErrorKind::ConnectionAborted, why), cx);
    }

    fn refuse(&mut self, error: HandshakeError, cx: &mut Context<'_>) -> Close {
        let code = match error {
            HandshakeError::Status(status) => status,
            _ => 0,
        };
        let why = error.why();
        self.fail(&io::Error::other(error), cx);
        Close::Malformed { code, why }
    }
}

impl<H: WsHandler + 'static> Handler for Opening<H> {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(&self.handshake.request(self.nonce));
        cx.set_timer(CLOSE, self.limits.handshake);
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        match self.handshake.answer(self.nonce, input) {
            Ok(None) => Ok(0),
            Ok(Some((agreed, used))) => {
                if let Some(mut handler) = self.handler.take() {
                    handler.on_handshake(agreed.subprotocol());
                    cx.upgrade(Session::of_client(handler, Arc::clone(&self.limits), &agreed));
                }
                Ok(used)
            }
            Err(error) => Err(self.refuse(error, cx)),
        }
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        self.abort(&Close::Eof, cx);
        cx.close(Close::Eof);
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        self.abort(&Close::Stopping, cx);
        cx.close(Close::Stopping);
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        let why = "the server has not answered the handshake in time: check the host and the port";
        self.fail(&io::Error::new(io::ErrorKind::TimedOut, why), cx);
        cx.close(Close::Timeout(Timeout::Message));
    }

    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        self.fail(error, cx);
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.abort(why, cx);
    }
}

impl<H> fmt::Debug for Opening<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("handshake", &self.handshake).finish_non_exhaustive()
    }
}
