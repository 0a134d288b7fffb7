//! The handshake of a client (RFC 6455, section 4.1), sans-IO: the request, and the check of the
//! answer. Knows no connection and no source of randomness.

use std::fmt;

use data_encoding::BASE64;
use http::{HeaderName, HeaderValue};

#[cfg(feature = "deflate")]
use super::extension::Deflate;
use super::handshake_error::HandshakeError;
use super::key::accept_key;
use super::url;
use crate::protocol::http::{Fields, is_field_line, is_token};

/// A request for a WebSocket, and the check of its answer. [`ws::client`] makes a handler of it.
///
/// ```
/// use socketserver::protocol::ws::Handshake;
///
/// let handshake = Handshake::new("ws://example.com/chat?room=1")?.subprotocols(["chat.v1"]);
/// assert_eq!(handshake.authority(), "example.com:80");
///
/// // The nonce of RFC 6455, section 1.3; a client uses 16 random bytes.
/// let nonce = *b"the sample nonce";
/// let request = String::from_utf8(handshake.request(nonce))?;
/// assert!(request.starts_with("GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\n"));
///
/// let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
///     Sec-WebSocket-Protocol: chat.v1\r\n\r\n\x81\x02hi";
/// let (agreed, used) = handshake.answer(nonce, answer)?.expect("a whole answer");
/// assert_eq!(agreed.subprotocol(), Some("chat.v1"));
/// assert_eq!(answer[used..], *b"\x81\x02hi"); // bytes after the answer are frames
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`ws::client`]: crate::services::ws::client
#[derive(Clone)]
pub struct Handshake {
    /// The host and the port.
    authority: Box<str>,
    /// The path and the query.
    target: Box<str>,
    subprotocols: Vec<String>,
    /// More fields, each with its CR LF.
    fields: Vec<u8>,
    #[cfg(feature = "deflate")]
    deflates: bool,
}

/// The most bytes of the head of an answer.
const HEAD_MAX: usize = 16 * 1024;

impl Handshake {
    /// A request for a URL: `ws://HOST[:PORT][/PATH][?QUERY]`, with port 80 if it has none (RFC
    /// 6455, section 3). Bytes beyond ASCII and spaces must be percent-encoded. [`Handshake`] has
    /// an example.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Url`] for other texts, for user information and for a fragment. `wss:` is
    /// refused, because this crate has no TLS.
    pub fn new(url: &str) -> Result<Handshake, HandshakeError> {
        let (authority, target) = url::parse(url).map_err(HandshakeError::Url)?;
        Ok(Handshake {
            authority,
            target,
            subprotocols: Vec::new(),
            fields: Vec::new(),
            #[cfg(feature = "deflate")]
            deflates: false,
        })
    }

    /// Sets the subprotocols to offer, the preferred one first. A name must be a token (RFC 6455,
    /// section 4.1); others are not offered. [`Handshake`] has an example.
    #[must_use]
    pub fn subprotocols<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Handshake {
        let names = names.into_iter().map(Into::into);
        let subprotocols = names.filter(|name| is_token(name.as_bytes())).collect();
        Handshake { subprotocols, ..self }
    }

    /// Adds a field to the request, such as `Origin`, `Authorization` or `Cookie`. The fields of
    /// the handshake itself are there already.
    ///
    /// ```
    /// use http::{HeaderValue, header};
    /// use socketserver::protocol::ws::Handshake;
    ///
    /// let origin = HeaderValue::from_static("http://example.com");
    /// let handshake = Handshake::new("ws://example.com")?.header(header::ORIGIN, origin);
    /// let request = String::from_utf8(handshake.request([0; 16]))?;
    /// assert!(request.contains("\r\norigin: http://example.com\r\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Handshake {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            self.fields.extend_from_slice(part);
        }
        self
    }

    /// Offers to compress messages: see [`Deflate::offer`].
    ///
    /// ```
    /// use socketserver::protocol::ws::Handshake;
    ///
    /// let handshake = Handshake::new("ws://example.com")?.deflate();
    /// let request = String::from_utf8(handshake.request([0; 16]))?;
    /// assert!(request.contains("Sec-WebSocket-Extensions: permessage-deflate; "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(self) -> Handshake {
        Handshake { deflates: true, ..self }
    }

    /// Returns the host and the port of the URL, to connect to. [`Handshake`] has an example.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the request. `nonce` is 16 random bytes, new ones for each connection: a cache
    /// between the two sides cannot know the answer then. [`Handshake`] has an example.
    #[must_use]
    pub fn request(&self, nonce: [u8; 16]) -> Vec<u8> {
        let host = self.authority.strip_suffix(":80").unwrap_or(&self.authority);
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n",
            self.target,
            BASE64.encode(&nonce),
        );
        if !self.subprotocols.is_empty() {
            let names = self.subprotocols.join(", ");
            request.push_str(&format!("Sec-WebSocket-Protocol: {names}\r\n"));
        }
        #[cfg(feature = "deflate")]
        if self.deflates {
            let offer = Deflate::offer();
            request.push_str(&format!("Sec-WebSocket-Extensions: {offer}\r\n"));
        }
        let mut request = request.into_bytes();
        request.extend_from_slice(&self.fields);
        request.extend_from_slice(b"\r\n");
        request
    }

    /// Checks the answer at the front of `input`. Returns the agreement of both sides and the
    /// length of the answer, after which frames may follow; `None` if the answer is incomplete.
    /// [`Handshake`] has an example.
    ///
    /// # Errors
    ///
    /// The rule that the answer breaks (RFC 6455, section 4.1): the connection must be ended.
    pub fn answer(
        &self,
        nonce: [u8; 16],
        input: &[u8],
    ) -> Result<Option<(Agreed, usize)>, HandshakeError> {
        let most = input.get(..HEAD_MAX).unwrap_or(input);
        let Some(end) = memchr::memmem::find(most, b"\r\n\r\n") else {
            check_beginning(most)?;
            return match most.len() {
                HEAD_MAX => Err(HandshakeError::TooLong),
                _ => Ok(None),
            };
        };
        let head = input.get(..end + 2).unwrap_or_default();
        let agreed = self.check(nonce, head)?;
        Ok(Some((agreed, end + 4)))
    }

    /// Checks the lines of an answer.
    fn check(&self, nonce: [u8; 16], head: &[u8]) -> Result<Agreed, HandshakeError> {
        let line = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
        let (line, lines) = head.split_at_checked(line).ok_or(HandshakeError::Malformed)?;
        let status = status(line).ok_or(HandshakeError::Malformed)?;
        if !lines.split_inclusive(|byte| *byte == b'\n').all(is_field_line) {
            return Err(HandshakeError::Malformed);
        }
        let fields = Fields::new(lines);
        if status != 101 {
            return Err(HandshakeError::Status(status));
        }
        let has = |name, token: &str| {
            elements(&fields, name).any(|it| it.eq_ignore_ascii_case(token.as_bytes()))
        };
        if !has("upgrade", "websocket") || !has("connection", "upgrade") {
            return Err(HandshakeError::Upgrade);
        }
        let accept = accept_key(BASE64.encode(&nonce).as_bytes());
        let mut given = elements(&fields, "sec-websocket-accept");
        if given.next() != accept.as_deref().map(str::as_bytes) || given.next().is_some() {
            return Err(HandshakeError::Accept);
        }
        #[cfg(not(feature = "deflate"))]
        if elements(&fields, "sec-websocket-extensions").next().is_some() {
            return Err(HandshakeError::Extension);
        }
        let subprotocol = self.subprotocol(&fields)?;
        Ok(Agreed {
            subprotocol,
            #[cfg(feature = "deflate")]
            deflate: self.extension(&fields)?,
        })
    }

    /// Returns the subprotocol that the server has chosen, which must be one of those offered.
    fn subprotocol(&self, fields: &Fields<'_>) -> Result<Option<Box<str>>, HandshakeError> {
        let mut chosen = elements(fields, "sec-websocket-protocol");
        match (chosen.next(), chosen.next()) {
            (None, _) => Ok(None),
            (Some(name), None) => {
                let offered = self.subprotocols.iter().find(|it| it.as_bytes() == name);
                offered.map(|it| Some(it.as_str().into())).ok_or(HandshakeError::Subprotocol)
            }
            _ => Err(HandshakeError::Subprotocol),
        }
    }

    /// Returns the agreement to compress messages, which must have been offered.
    #[cfg(feature = "deflate")]
    fn extension(&self, fields: &Fields<'_>) -> Result<Option<Deflate>, HandshakeError> {
        let mut chosen = elements(fields, "sec-websocket-extensions");
        match (chosen.next(), chosen.next()) {
            (None, _) => Ok(None),
            (Some(answer), None) if self.deflates => {
                Deflate::agreed(answer).map(Some).ok_or(HandshakeError::Extension)
            }
            _ => Err(HandshakeError::Extension),
        }
    }
}

/// The result of a handshake: the agreement of both sides. [`Handshake`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    subprotocol: Option<Box<str>>,
    #[cfg(feature = "deflate")]
    deflate: Option<Deflate>,
}

impl Agreed {
    /// Returns the subprotocol that the server has chosen of those offered.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns the agreement to compress messages. [`Deflate::agreed`] has an example.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(&self) -> Option<Deflate> {
        self.deflate
    }
}

const VERSION: &[u8] = b"HTTP/1.1 ";

/// Checks that an incomplete answer may become one: a server of another protocol is found at once.
fn check_beginning(input: &[u8]) -> Result<(), HandshakeError> {
    let is_one = input.iter().zip(VERSION).all(|(byte, expected)| byte == expected);
    is_one.then_some(()).ok_or(HandshakeError::Malformed)
}

/// Returns the status in the first line of an answer (RFC 9112, section 4).
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(VERSION)?.strip_suffix(b"\r\n")?;
    let (code, reason) = rest.split_at_checked(3)?;
    let is_one = code.iter().all(u8::is_ascii_digit) && matches!(reason, [] | [b' ', ..]);
    is_one.then(|| code.iter().fold(0, |number, digit| 10 * number + u16::from(digit - b'0')))
}

/// Returns the elements of the lists in all fields with this name (RFC 9110, section 5.6.1).
fn elements<'a>(fields: &Fields<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let fields = fields.clone().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
    let elements = fields.flat_map(|(_, value)| value.split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Handshake { authority, target, .. } = self;
        write!(f, "Handshake(ws://{authority}{target})")
    }
}
