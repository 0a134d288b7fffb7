//! The negotiation of compressed messages (RFC 7692, section 7.1). Knows no request.

use crate::protocol::compressor::WINDOW_MAX;

/// An agreement to compress messages, `permessage-deflate`. No side keeps a window between two
/// messages, so that a connection takes no memory for it. A server [accepts](Deflate::accept) an
/// offer, and a client checks the [answer](Deflate::agreed) to its own.
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
        let mut deflate = Deflate { window: WINDOW_MAX, tells_window: false };
        for parameter in parameters(offer)? {
            match parameter? {
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

    /// Returns the offer of a client. A server that accepts it must not keep a window between two
    /// messages, because this side has one decompressor for all connections of a thread.
    /// [`Deflate::agreed`] has an example.
    #[must_use]
    pub fn offer() -> &'static str {
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         client_max_window_bits"
    }

    /// Checks one element of `Sec-WebSocket-Extensions`, the answer of a server to the
    /// [offer](Deflate::offer); `None` if it breaks the offer. If the server asks for a window of
    /// 256 bytes, messages to it are sent as they are.
    ///
    /// ```
    /// use socketserver::protocol::ws::Deflate;
    ///
    /// let answer = b"permessage-deflate; server_no_context_takeover; client_max_window_bits=12";
    /// assert!(Deflate::agreed(answer).is_some());
    /// assert!(Deflate::agreed(b"permessage-deflate").is_none()); // it would keep a window
    /// assert!(Deflate::accept(Deflate::offer().as_bytes()).is_some());
    /// ```
    #[must_use]
    pub fn agreed(answer: &[u8]) -> Option<Deflate> {
        let mut deflate = Deflate { window: WINDOW_MAX, tells_window: false };
        let mut keeps_window = true;
        for parameter in parameters(answer)? {
            match parameter? {
                (b"server_no_context_takeover", None) => keeps_window = false,
                (b"client_no_context_takeover", None)
                | (b"server_max_window_bits", Some(Some(8..=15))) => {}
                (b"client_max_window_bits", Some(Some(window @ 8..=15))) => deflate.window = window,
                _ => return None,
            }
        }
        (!keeps_window).then_some(deflate)
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

type Parameter<'a> = (&'a [u8], Option<Option<u8>>);

/// Returns the parameters of an element, each with the number of a window if it has a value; `None`
/// for another extension. A parameter is `None` if it has been there before.
fn parameters<'a>(
    element: &'a [u8],
) -> Option<impl Iterator<Item = Option<Parameter<'a>>> + use<'a>> {
    let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    if parts.next() != Some(b"permessage-deflate") {
        return None;
    }
    let mut seen: Vec<&[u8]> = Vec::new();
    Some(parts.map(move |part| {
        let (name, value) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (part.get(..at)?.trim_ascii(), part.get(at + 1..)),
            None => (part, None),
        };
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        Some((name, value.map(bits)))
    }))
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

    #[test]
    fn answers_are_read_strictly() {
        let window = |answer: &str| Deflate::agreed(answer.as_bytes()).map(|it| it.window);
        for (answer, expected) in [
            ("permessage-deflate; server_no_context_takeover", Some(15)),
            ("permessage-deflate; server_no_context_takeover; client_max_window_bits=8", Some(8)),
            ("permessage-deflate;server_max_window_bits=8;server_no_context_takeover", Some(15)),
            ("permessage-deflate; client_no_context_takeover", None),
            ("permessage-deflate; server_no_context_takeover; client_max_window_bits", None),
            ("permessage-deflate; server_no_context_takeover; client_max_window_bits=7", None),
            ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
            ("permessage-deflate; server_no_context_takeover; x", None),
            ("x-webkit-deflate-frame; server_no_context_takeover", None),
        ] {
            assert_eq!(window(answer), expected, "{answer}");
        }
    }
}
