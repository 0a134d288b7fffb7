//! WebSocket connections: handlers of whole messages, on both sides.
//!
//! A route of the web service upgrades a request to a WebSocket with
//! [`WebSocket`](crate::services::web::WebSocket), and the connection has a [`WsHandler`] from then
//! on. It acts through a [`WsContext`]. An outgoing connection becomes one with
//! [`client`](client()).
//!
//! ```
//! use socketserver::services::web::{Web, WebSocket};
//! use socketserver::services::ws::{WsContext, WsHandler};
//! use socketserver::Close;
//!
//! struct Echo;
//!
//! impl WsHandler for Echo {
//!     fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
//!         ws.send_text(text);
//!         Ok(())
//!     }
//! }
//!
//! let socket = WebSocket::new();
//! let web = Web::new()
//!     .get("/echo", move |request, reply| socket.accept(request, reply, |_| Echo));
//! ```
//!
//! # Rooms
//!
//! A message to the members of a [`Topic`](crate::Topic) is a
//! [`Frame`](crate::protocol::ws::Frame), which is encoded once for all of them, and compressed at
//! most once for those that take it:
//!
//! ```
//! use socketserver::protocol::ws::Frame;
//! use socketserver::services::ws::{WsContext, WsHandler};
//! use socketserver::{Close, Topic};
//!
//! struct Member(Topic);
//!
//! impl WsHandler for Member {
//!     fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
//!         ws.cx().join(&self.0);
//!     }
//!
//!     fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
//!         ws.cx().publish(&self.0, Frame::text(text));
//!         Ok(())
//!     }
//! }
//! ```
//!
//! # The end
//!
//! | event | the peer gets a close frame with | [`on_close`](WsHandler::on_close) gets |
//! |---|---|---|
//! | [`WsContext::close`] | the code given | the code of the peer's answer |
//! | the peer sends a close frame | the same code | that code and reason |
//! | the server stops | 1001 | the code of the answer |
//! | the server [restarts](crate::ServerHandle::restart) | 1012 | the code of the answer |
//! | a frame breaks a rule or a limit | 1002, 1007, 1008 or 1009 | the same |
//! | the handler returns an error | 1011 | the same |
//! | the handler panics | 1011 | no call |
//! | the peer does not answer a ping | 1008 | the same |
//! | the connection ends without a close frame | – | 1006 |

mod client;
mod context;
#[cfg(feature = "backplane")]
mod frames;
mod handler;
mod link;
mod masks;
mod session;

pub use self::client::client;
pub use self::context::WsContext;
#[cfg(feature = "backplane")]
pub use self::frames::Frames;
pub use self::handler::WsHandler;
pub(crate) use self::session::Session;
