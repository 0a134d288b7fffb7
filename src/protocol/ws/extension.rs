//! The negotiation of compressed messages (RFC 7692, section 7.1). Knows no request.

use super::deflate::WINDOW_MAX;

/// An agreement to compress messages, `permessage-deflate`. No side keeps a window between two
/// messages, so that a connection takes no memory for it.
///
/// ```
/// use socketserver::protocol::ws::Deflate;
///
/// let deflate = Deflate::accept(b"permessage-deflate; client_max_window_bits").unwrap();
/// let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
/// assert_eq!(deflate.answer(), answer);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// The window of this side, as a power of two.
    window: u8,
    tells_window: bool,
}

impl Deflate {
    /// Accepts one element of `Sec-WebSocket-Extensions`, the offer of a client; `None` if it is
    /// another extension, malformed, or not possible: a window of 256 bytes, the smallest one, is
    /// too small for the compressor. [`Deflate`] has an example.
    #[must_use]
    pub fn accept(offer: &[u8]) -> Option<Deflate> {
        let mut parts = offer.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        if parts.next() != Some(b"permessage-deflate") {
            return None;
        }
        let mut deflate = Deflate { window: WINDOW_MAX, tells_window: false };
        let mut seen: Vec<&[u8]> = Vec::new();
        for part in parts {
            let (name, value) = match part.iter().position(|byte| *byte == b'=') {
                Some(at) => (part.get(..at)?.trim_ascii(), part.get(at + 1..)),
                None => (part, None),
            };
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            match (name, value.map(bits)) {
                (b"server_no_context_takeover" | b"client_no_context_takeover", None)
                | (b"client_max_window_bits", None | Some(Some(8..=15))) => {}
                (b"server_max_window_bits", Some(Some(window @ 9..=15))) => {
                    deflate = Deflate { window, tells_window: true };
                }
                _ => return None,
            }
        }
        Some(deflate)
    }

    /// Returns the value of `Sec-WebSocket-Extensions` in the answer. [`Deflate`] has an example.
    #[must_use]
    pub fn answer(&self) -> String {
        let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        match self.tells_window {
            true => format!("{answer}; server_max_window_bits={}", self.window),
            false => answer.to_owned(),
        }
    }

    /// Returns true if the window of this side is the largest one, as for published messages.
    pub(crate) fn is_widest(self) -> bool {
        self.window == WINDOW_MAX
    }

    pub(super) fn window(self) -> u8 {
        self.window
    }
}

/// Returns the number of a window: one or two digits without leading zeros, possibly quoted.
fn bits(value: &[u8]) -> Option<u8> {
    let value = value.trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\"")).unwrap_or(value);
    match value {
        [digit @ b'1'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_strictly() {
        let window = |offer: &str| Deflate::accept(offer.as_bytes()).map(|it| it.window);
        for (offer, expected) in [
            ("permessage-deflate", Some(15)),
            ("permessage-deflate;client_max_window_bits=8;client_no_context_takeover", Some(15)),
            ("permessage-deflate; server_max_window_bits=9", Some(9)),
            ("permessage-deflate; server_max_window_bits=\"10\"", Some(10)),
            ("permessage-deflate; server_max_window_bits = 15", Some(15)),
            ("permessage-deflate; server_max_window_bits=8", None),
            ("permessage-deflate; server_max_window_bits=16", None),
            ("permessage-deflate; server_max_window_bits=09", None),
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; client_max_window_bits=7", None),
            ("permessage-deflate; server_no_context_takeover=1", None),
            ("permessage-deflate; client_max_window_bits; client_max_window_bits", None),
            ("permessage-deflate; x", None),
            ("permessage-deflate;", None),
            ("x-webkit-deflate-frame", None),
        ] {
            assert_eq!(window(offer), expected, "{offer}");
        }
    }
}
