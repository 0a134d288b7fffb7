//! The handshake that turns a request into a WebSocket (RFC 6455, section 4.2). Knows no frame.

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use super::failure::Failure;
use super::reply::{Answered, Reply};
use super::request::Request;
use super::response::Response;
use crate::protocol::http::{Head, Verb, Version};
#[cfg(feature = "deflate")]
use crate::protocol::ws::Deflate;
use crate::protocol::ws::{WsLimits, accept_key};
use crate::services::ws::{Session, WsHandler};

/// Upgrades requests to WebSockets: their limits, origins and subprotocols. A clone shares the
/// limits. [`services::ws`](crate::services::ws) explains the handlers.
///
/// ```
/// use socketserver::protocol::ws::WsLimits;
/// use socketserver::services::web::{Web, WebSocket};
/// use socketserver::services::ws::WsHandler;
///
/// struct Chat {
///     speaks_json: bool,
/// }
///
/// impl WsHandler for Chat {}
///
/// let socket = WebSocket::new()
///     .limits(WsLimits::default().message(4096))
///     .same_origin()
///     .subprotocols(["chat.v1.json"]);
/// let web = Web::new().get("/chat", move |request, reply| {
///     socket.accept(request, reply, |subprotocol| Chat { speaks_json: subprotocol.is_some() })
/// });
/// ```
///
/// A request that is not a handshake is refused: with 426 if it asks for no upgrade or for another
/// version than 13, with 403 if its origin is foreign, and with 400 if it is malformed, is not a
/// `GET` request of HTTP/1.1, or has a body. The only extension is compression,
/// with the feature `deflate`.
#[derive(Clone)]
pub struct WebSocket {
    limits: Arc<WsLimits>,
    origins: Origins,
    subprotocols: Vec<String>,
    #[cfg(feature = "deflate")]
    deflates: bool,
}

/// The pages whose scripts may connect.
#[derive(Clone)]
enum Origins {
    Any,
    /// Those of the host of the request.
    Same,
    These(Vec<String>),
}

/// The version of RFC 6455.
const VERSION: &str = "13";

impl WebSocket {
    /// Accepts all origins, and no subprotocol.
    #[must_use]
    pub fn new() -> WebSocket {
        WebSocket {
            limits: Arc::default(),
            origins: Origins::Any,
            subprotocols: Vec::new(),
            #[cfg(feature = "deflate")]
            deflates: false,
        }
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(self, limits: WsLimits) -> WebSocket {
        WebSocket { limits: Arc::new(limits), ..self }
    }

    /// Sets the origins whose scripts may connect, such as `https://example.com`; others get 403.
    /// A browser sends the cookies of this server with the handshake, whatever page its script
    /// comes from. So a service that relies on cookies, or on its network being private, needs this
    /// list or [`same_origin`](WebSocket::same_origin). A request without `Origin` comes from no
    /// browser, and passes.
    ///
    /// ```
    /// use socketserver::services::web::WebSocket;
    ///
    /// let socket = WebSocket::new().origins(["https://example.com", "https://www.example.com"]);
    /// # let _ = socket;
    /// ```
    #[must_use]
    pub fn origins<T: Into<String>>(self, origins: impl IntoIterator<Item = T>) -> WebSocket {
        let origins = origins.into_iter().map(Into::into).collect();
        WebSocket { origins: Origins::These(origins), ..self }
    }

    /// Lets only scripts connect whose page came from the host and port of the request's `Host`
    /// field. Otherwise as [`origins`](WebSocket::origins).
    #[must_use]
    pub fn same_origin(self) -> WebSocket {
        WebSocket { origins: Origins::Same, ..self }
    }

    /// Sets the subprotocols of this service. The first of them that the client offers is chosen,
    /// and told to the client (RFC 6455, section 1.9). If it offers none of them, none is chosen;
    /// a browser that has offered some then fails.
    #[must_use]
    pub fn subprotocols<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> WebSocket {
        WebSocket { subprotocols: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Compresses messages from 64 bytes on, if the client offers it (RFC 7692). Each message is
    /// compressed by itself, so a connection takes no memory for it; a thread that serves such
    /// connections takes 430 KB. A message may have [`WsLimits::message`] bytes before and after
    /// it was decompressed.
    ///
    /// A published frame is compressed once for all members whose peers have agreed on the largest
    /// window, as browsers do; not at all if there is none. Members with a smaller window receive
    /// it as it is, and so do all if it has less than 64 bytes or would not become shorter. Frames
    /// that are [sent](crate::Context::send) to other connections, or written to the context, are
    /// sent as they are.
    ///
    /// ```
    /// use socketserver::services::web::WebSocket;
    ///
    /// let socket = WebSocket::new().deflate();
    /// # let _ = socket;
    /// ```
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(self) -> WebSocket {
        WebSocket { deflates: true, ..self }
    }

    /// Answers a handshake, and hands the connection to the handler that `make` returns for the
    /// chosen subprotocol. Bytes that have arrived after the request are for that handler. `make`
    /// is not called for a request that is refused. [`WebSocket`] has an example.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with status 400 or 403 for a handshake that is refused; with status 500 if a
    /// field of the reply or the name of a subprotocol is malformed.
    pub fn accept<S, H: WsHandler + 'static>(
        &self,
        request: &Request<'_, S>,
        reply: Reply<'_>,
        make: impl FnOnce(Option<&str>) -> H,
    ) -> Answered {
        let head = request.head();
        let key = match check(head)? {
            Asked::Upgrade(key) => key,
            Asked::Otherwise => return refuse(reply),
        };
        if !self.admits(head) {
            return Err(Failure::new(StatusCode::FORBIDDEN, "a foreign origin"));
        }
        let mut response = Response::default();
        response.status = StatusCode::SWITCHING_PROTOCOLS;
        response.lines.push(&header::CONNECTION, &HeaderValue::from_static("Upgrade"));
        response.lines.push(&header::UPGRADE, &HeaderValue::from_static("websocket"));
        response.add(header::SEC_WEBSOCKET_ACCEPT, key);
        let subprotocol = self.choose(head);
        if let Some(name) = subprotocol {
            response.add(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        let handler = make(subprotocol);
        #[cfg(feature = "deflate")]
        if self.deflates
            && let Some(deflate) =
                elements(head, "sec-websocket-extensions").find_map(Deflate::accept)
        {
            response.add(header::SEC_WEBSOCKET_EXTENSIONS, deflate.answer());
            let session = Session::of_deflated(handler, Arc::clone(&self.limits), deflate);
            return reply.upgrade(response, session);
        }
        reply.upgrade(response, Session::of_server(handler, Arc::clone(&self.limits)))
    }

    fn admits(&self, head: &Head<'_>) -> bool {
        let Some(origin) = head.fields().find("origin") else { return true };
        match &self.origins {
            Origins::Any => true,
            Origins::These(origins) => {
                origins.iter().any(|it| it.as_bytes().eq_ignore_ascii_case(origin))
            }
            Origins::Same => {
                let end = origin.windows(3).position(|part| part == b"://");
                let host = end.and_then(|end| origin.get(end + 3..));
                host.is_some_and(|host| host.eq_ignore_ascii_case(head.host()))
            }
        }
    }

    /// Returns the first subprotocol that the client offers. Their names have a case.
    fn choose(&self, head: &Head<'_>) -> Option<&str> {
        let is_offered = |name: &&String| {
            elements(head, "sec-websocket-protocol").any(|offer| offer == name.as_bytes())
        };
        self.subprotocols.iter().find(is_offered).map(String::as_str)
    }
}

/// The wish of a request.
enum Asked {
    /// A WebSocket, with this value of `Sec-WebSocket-Accept`.
    Upgrade(String),
    /// No upgrade, or one to another version.
    Otherwise,
}

/// Checks a handshake (RFC 6455, section 4.2.1).
fn check(head: &Head<'_>) -> Result<Asked, Failure> {
    if head.verb() != Verb::Get {
        return Err(Failure::bad_request("a WebSocket begins with GET"));
    }
    if head.version() != Version::Http11 {
        return Err(Failure::bad_request("a WebSocket begins with HTTP/1.1"));
    }
    if head.has_body() {
        return Err(Failure::bad_request("the request for a WebSocket has no body"));
    }
    let asks = elements(head, "connection").any(|it| it.eq_ignore_ascii_case(b"upgrade"))
        && elements(head, "upgrade").any(|it| it.eq_ignore_ascii_case(b"websocket"));
    let version = head.fields().find("sec-websocket-version");
    if !asks || version != Some(VERSION.as_bytes()) {
        return Ok(Asked::Otherwise);
    }
    let mut keys = head.fields().filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    match (keys.next(), keys.next()) {
        (Some((_, key)), None) => accept_key(key).map(Asked::Upgrade),
        _ => None,
    }
    .ok_or_else(|| Failure::bad_request("Sec-WebSocket-Key is not one key of 16 bytes in base64"))
}

/// Answers a request that does not ask for version 13 (RFC 6455, section 4.4; RFC 9110, sections
/// 7.8 and 15.5.22).
fn refuse(reply: Reply<'_>) -> Answered {
    let connection = HeaderValue::from_static("Upgrade");
    reply.draft.extras().fields.lines.push(&header::CONNECTION, &connection);
    reply
        .status(StatusCode::UPGRADE_REQUIRED)
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, VERSION)
        .text("426 Upgrade Required: this is a WebSocket of version 13\n")
}

/// Returns the elements of the lists in all fields with this name (RFC 9110, section 5.6.1).
fn elements<'a>(head: &Head<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let fields = head.fields().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
    let elements = fields.flat_map(|(_, value)| value.split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii)
}

impl Default for WebSocket {
    fn default() -> WebSocket {
        WebSocket::new()
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("limits", &self.limits).finish_non_exhaustive()
    }
}
