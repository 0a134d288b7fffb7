//! The key of a handshake (RFC 6455, sections 4.1 and 4.2.2). Knows no request.

use data_encoding::BASE64;
use sha1_smol::Sha1;

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Returns the value of `Sec-WebSocket-Accept` that answers this value of `Sec-WebSocket-Key`, or
/// `None` if that is not 16 bytes in base64 (RFC 6455, section 4.2.1).
///
/// ```
/// use socketserver::protocol::ws::accept_key;
///
/// // RFC 6455, section 1.3.
/// let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
/// assert_eq!(accept_key(b"too short"), None);
/// ```
#[must_use]
pub fn accept_key(key: &[u8]) -> Option<String> {
    let decoded = BASE64.decode(key).ok()?;
    if decoded.len() != 16 {
        return None;
    }
    let mut digest = Sha1::new();
    digest.update(key);
    digest.update(GUID);
    Some(BASE64.encode(&digest.digest().bytes()))
}
